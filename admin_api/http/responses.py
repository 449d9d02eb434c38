"""Successful responses, and the headers of every response."""

from __future__ import annotations

import secrets

import orjson
from starlette.responses import Response


def common_headers() -> dict[str, str]:
    """Return the headers of every response, with the request id that the log has too."""
    return {
        "X-Request-Id": secrets.token_hex(12),
        "X-Content-Type-Options": "nosniff",
        # An answer is for one credential: no cache on the way may give it to the next.
        "Cache-Control": "no-store",
    }


class Answer(Response):
    """A response in JSON that still knows its `record`, for whoever shows it otherwise."""

    def __init__(self, record: object, status: int = 200) -> None:
        self.record = record
        super().__init__(orjson.dumps(record), status, media_type="application/json")


def answer(record: object, status: int = 200) -> Answer:
    """Make a response in JSON."""
    return Answer(record, status)


def no_content() -> Response:
    """Make a 204 response, without a body."""
    return Response(status_code=204)


def without_body(response: Response) -> Response:
    """Return the response to HEAD: the headers of the one to GET (RFC 9110 9.3.2)."""
    bare = Response(status_code=response.status_code)
    bare.raw_headers = response.raw_headers
    return bare

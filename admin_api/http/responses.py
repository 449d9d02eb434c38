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
        "Cache-Control": "no-store",
    }


def answer(body: object, status: int = 200) -> Response:
    """Make a response in JSON."""
    return Response(orjson.dumps(body), status, media_type="application/json")


def no_content() -> Response:
    """Make a 204 response, without a body."""
    return Response(status_code=204)

"""Responses that hold what was asked for, and what every response carries."""

from __future__ import annotations

import secrets

import orjson
from starlette.responses import Response


def common_headers() -> dict[str, str]:
    """The headers of every response, with the id by which the log knows the request."""
    return {
        "X-Request-Id": secrets.token_hex(12),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def answer(body: object, status: int = 200) -> Response:
    """A response in JSON."""
    return Response(orjson.dumps(body), status, media_type="application/json")


def no_content() -> Response:
    """204, without a body."""
    return Response(status_code=204)

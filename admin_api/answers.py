"""Responses that hold what was asked for."""

from __future__ import annotations

import orjson
from starlette.responses import Response


def answer(body: object, status: int = 200) -> Response:
    """A response in JSON."""
    return Response(orjson.dumps(body), status, media_type="application/json")


def no_content() -> Response:
    """204, without a body."""
    return Response(status_code=204)

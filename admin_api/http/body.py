"""Reading a JSON request body: its type, its size, then its content.

Nothing is read past the limit, and nothing is parsed that was not declared as JSON.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import Message

from admin_api.http.problems import Problem
from admin_api.http.strict_json import JsonValue, MalformedJson, parse_object

MAX_BODY = 256 * 1024
MAX_FILE = 16 * 1024 * 1024


def check_media_type(request: Request) -> None:
    """Raises Problem 415 for a body that is not declared as JSON in UTF-8."""
    headers = request.headers
    media_type, *parameters = headers.get("content-type", "").lower().split(";")
    charset = [one.strip() for one in parameters if one.strip().startswith("charset")]
    fitting = media_type.strip() == "application/json" and charset in (
        [],
        ["charset=utf-8"],
        ['charset="utf-8"'],
    )
    if not fitting and ("content-type" in headers or _announces_body(request)):
        raise _unsupported("The body must be application/json in UTF-8.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise _unsupported("The body must not be compressed.")


def _announces_body(request: Request) -> bool:
    headers = request.headers
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _unsupported(detail: str) -> Problem:
    return Problem(415, "unsupported_media_type", detail, headers={"Accept": "application/json"})


async def read_object(request: Request, *, required: bool = True) -> dict[str, JsonValue]:
    """Return the body's object; where none is `required`, an empty body is an empty object.

    Raises Problem 413, MalformedJson; 415 for an undeclared body though none is required.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared[:20]) > MAX_BODY:
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise _too_large()
    if not required:
        if not body.strip():
            return {}
        check_media_type(request)
    if not body.strip():
        raise MalformedJson("A JSON object is required as body.")
    return parse_object(bytes(body))


async def replayable(request: Request) -> tuple[Request, bytes]:
    """Return the same request with its body read, so that it can be read again; and the body.

    For a route whose body is not JSON: a file to import. Raises Problem 413.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FILE:
            raise _too_large(MAX_FILE)
    read = bytes(body)

    async def receive() -> Message:
        return {"type": "http.request", "body": read, "more_body": False}

    return Request(request.scope, receive), read


def _too_large(most: int = MAX_BODY) -> Problem:
    return Problem(
        413,
        "body_too_large",
        f"A body has at most {most} octets.",
        headers={"Connection": "close"},
    )

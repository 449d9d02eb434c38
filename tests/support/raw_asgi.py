"""A request to an ASGI application with the very octets of a URL, which no client would send."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp, Message


async def ask_raw(
    app: ASGIApp, path: str, query: bytes, headers: Mapping[str, str]
) -> tuple[int, dict[str, str]]:
    """GET a path; the status, and the header by lower-case names."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    fields = {"host": "127.0.0.1:8025", **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("ascii"),
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower().encode(), text.encode()) for name, text in fields.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8025),
    }
    await app(scope, receive, send)
    start = sent[0]
    return start["status"], {name.decode(): text.decode() for name, text in start["headers"]}

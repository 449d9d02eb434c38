"""Calls of the API without an HTTP client, which costs more than most calls: for tables of them.

Each answer is held against the OpenAPI document, as those of a world's client are.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.applications import Starlette

from tests.support.documented import check_answer

Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application sent."""

    status_code: int
    media_type: str
    content: bytes

    @property
    def code(self) -> str:
        """The code of a problem."""
        return str(orjson.loads(self.content)["code"])


async def call_directly(
    app: Starlette,
    method: str,
    path: str,
    *,
    secret: str | None,
    params: Mapping[str, str],
    json: object = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Make one call, with the caller's secret; its answer."""
    body = content or (b"" if json is None else orjson.dumps(json))
    sent = {"host": "postroom.test", **(headers or {})}
    if json is not None:
        sent |= {"content-type": "application/json"}
    if body or method in ("PATCH", "POST", "PUT"):  # as clients do
        sent |= {"content-length": str(len(body))}
    if secret:
        sent["authorization"] = f"Bearer {secret}"
    raw_path = quote(path, safe="/@:").encode()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "headers": [(name.lower().encode(), text.encode()) for name, text in sent.items()],
        "scheme": "http",
        "path": path,
        "raw_path": raw_path,
        "query_string": urlencode(params).encode(),
        "server": ("postroom.test", None),
        "client": ("127.0.0.1", 123),
        "root_path": "",
    }
    began: list[Message] = []
    pieces: list[bytes] = []
    waiting = [body]

    async def receive() -> Message:
        assert waiting, "the body was sent, and the answer is waited for"
        return {"type": "http.request", "body": waiting.pop(), "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            began.append(message)
        else:
            pieces.append(message.get("body", b""))

    await app(scope, receive, send)
    (start,) = began
    told = {bytes(name).lower(): bytes(text).decode() for name, text in start["headers"]}
    media_type = told.get(b"content-type", "").partition(";")[0]
    answer = Answer(start["status"], media_type, b"".join(pieces))
    check_answer(method, raw_path, answer.status_code, media_type, answer.content)
    return answer

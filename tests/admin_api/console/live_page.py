"""A page that is live, served by a few lines: what `live.js` needs and nothing else.

It counts what browsers ask for, so that a test can tell how often. `add` puts a row on top, and
`change` changes one; either tells all open streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import admin_api.console

STATIC = Path(admin_api.console.__file__).parent / "static"
INBOX = "inb_" + "0" * 26


@dataclass
class LivePage:
    """The rows, newest first: id and text. `script` runs in the page before it is live."""

    script: str = ""
    rows: dict[str, str] = field(default_factory=lambda: {"a": "one", "b": "two"})
    streams: list[asyncio.StreamWriter] = field(default_factory=list)
    asked: int = 0
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    reports: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/console/inbox/"

    @property
    def html(self) -> str:
        rows = "".join(
            f'<li id="t-{one}"><input type="checkbox"><a class="open">{text}</a></li>'
            for one, text in self.rows.items()
        )
        return (
            f'<!doctype html><title>({len(self.rows)}) Inbox</title><meta name="live"'
            f' content="{INBOX}"><meta name="inbox" content="{INBOX}">'
            f'<div class="bar"></div><b id="count" data-live>{len(self.rows)}</b>'
            '<p id="say" aria-live="polite"></p>'
            f'<ol id="rows">{rows}</ol><script type="module" src="/own.js"></script>'
            '<script type="module" src="/live.js"></script>'
        )

    def add(self, name: str, text: str) -> None:
        self.rows = {name: text, **self.rows}
        self.tell(name)

    def change(self, name: str, text: str) -> None:
        self.rows[name] = text
        self.tell(name)

    def tell(self, name: str) -> None:
        data = json.dumps({"inbox": INBOX, "threads": [name], "types": ["message.received"]})
        for stream in self.streams:
            stream.write(f"event: change\ndata: {data}\n\n".encode())

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split()[1].decode().partition("?")[0]
        if path.startswith("/console/live/"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            writer.write(b"event: hello\ndata: {}\n\n")
            self.streams.append(writer)
            self.opened.set()
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if path == "/report":
            self.reports.put_nowait((await reader.readexactly(length)).decode())
        kind, body = {
            "/live.js": ("text/javascript", (STATIC / "live.js").read_text()),
            "/form.js": ("text/javascript", (STATIC / "form.js").read_text()),
            "/own.js": ("text/javascript", self.script),
            "/console/inbox/": ("text/html", self.html),
        }.get(path, ("text/plain", ""))
        self.asked += path == "/console/inbox/"
        whole = body.encode()
        writer.write(
            f"HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=utf-8\r\nConnection: close\r\n"
            f"Content-Length: {len(whole)}\r\n\r\n".encode()
        )
        writer.write(whole)
        writer.close()


@contextlib.asynccontextmanager
async def serving(page: LivePage) -> AsyncIterator[LivePage]:
    """Serve it on a free port of loopback."""
    server = await asyncio.start_server(page.answer, "127.0.0.1", 0)
    page.port = server.sockets[0].getsockname()[1]
    try:
        yield page
    finally:
        server.close()
        for stream in page.streams:
            stream.close()

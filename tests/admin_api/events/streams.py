"""A client of the stream of events, against the application itself: no server in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.types import Message

from admin_api.events.stream import CONNECTION
from admin_api.service.feed import Feed
from tests.builders import World

STREAM = "/v1/events/stream/"
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Told:
    """One event as it came."""

    event_id: str
    type: str
    body: dict[str, Any]


@dataclass(slots=True)
class Stream:
    """An open stream. Frames are taken one by one; `reads` tells whether the client does."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    frames: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    body: bytes = b""

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): text.decode() for name, text in message["headers"]}
            self.started.set()
            return
        self.body += message.get("body", b"")
        *whole, rest = message.get("body", b"").split(b"\n\n")
        assert not rest or self.status != 200
        for frame in whole:
            self.frames.put_nowait(frame)
        if not message.get("more_body"):
            self.frames.put_nowait(None)

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def next(self, seconds: float = PATIENCE) -> Told | None:
        """Return the next event; None when the stream has ended."""
        async with asyncio.timeout(seconds):
            while (frame := await self.frames.get()) is not None:
                if told := told_by(frame):
                    return told
        return None

    async def take(self, count: int) -> list[Told]:
        found = [await self.next() for _ in range(count)]
        return [one for one in found if one is not None]

    async def ends(self) -> bool:
        """Tell whether it ends soon, and tells nothing before but its farewell.

        Soon is a second, and half of one for a busy machine, in turns of the loop: while the
        machine stands still, nothing can end.
        """
        turns = 15
        while turns:
            try:
                frame = await asyncio.wait_for(self.frames.get(), 0.1)
            except TimeoutError:
                turns -= 1
                continue
            if frame is None:
                return True
            if b"event: " in frame and b"event: bye" not in frame:
                return False
        return False

    async def silent(self, seconds: float = 0.8) -> bool:
        """Tell whether nothing comes for a while."""
        try:
            await self.next(seconds)
        except TimeoutError:
            return True
        return False


def feed_of(world: World) -> Feed:
    feed: Feed = world.app.router.default._inner._calls._service.feed  # type: ignore[attr-defined]
    return feed


def told_by(frame: bytes) -> Told | None:
    """The event of a frame; None for a comment and for what else is no event."""
    fields = dict(
        line.split(": ", 1) for line in frame.decode().splitlines() if not line.startswith(":")
    )
    if "data" not in fields:
        return None
    body = orjson.loads(fields["data"])
    assert body["type"] == fields["event"]
    return Told(fields["id"], fields["event"], body)


@contextlib.asynccontextmanager
async def streaming(
    world: World,
    who: str | None = None,
    *,
    secret: str | None = None,
    last: str | None = None,
    reads: bool = True,
    connection: asyncio.Transport | None = None,
    **query: str,
) -> AsyncIterator[Stream]:
    """Open a stream as an inbox's token or a user's session; it is hung up at the end."""
    stream = Stream()
    if reads:
        stream.reads.set()
    secret = world.secrets[who] if who else secret
    headers = [(b"authorization", f"Bearer {secret}".encode())]
    headers += [(b"last-event-id", last.encode())] if last is not None else []
    scope = {
        "type": "http",
        "method": "GET",
        "path": STREAM,
        "raw_path": STREAM.encode(),
        "query_string": urlencode(query).encode(),
        "headers": headers,
        "client": ("192.0.2.1", 4711),
        "extensions": {CONNECTION: {"transport": connection}} if connection else {},
    }
    world.clock.elapsed += 1  # limits of calls are not what this is about
    call = asyncio.create_task(world.app(scope, stream.receive, stream.send))
    try:
        if reads:
            async with asyncio.timeout(PATIENCE):
                await stream.started.wait()
        yield stream
    finally:
        stream.gone.set()
        stream.reads.set()
        async with asyncio.timeout(PATIENCE):
            await call

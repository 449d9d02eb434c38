"""The live stream of server-sent events (WHATWG HTML 9.2), as an endless response.

- Each event carries its id, so that a client that comes back with `Last-Event-ID` resumes behind
  it: missed events are read from the store, then the feed takes over. Nothing is skipped, nothing
  comes twice.
- If a client does not read, next to nothing is buffered for it, and when one write waits too long
  the connection is cut.
- A stream ends with its credential, with its client, and when the process stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from admin_api.service.feed import Feed, Listener
from storage.clock import Clock
from storage.database import Database, Tx, Work
from storage.errors import StoreUnavailable
from storage.events.catalogue import body_of
from storage.events.log import Event, events_after
from storage.ids import to_text
from storage.mailbox.visibility import View

MEDIA_TYPE = "text/event-stream"
# A key of the scope under which the server passes the connection (see
# `gateway.http_edge.http_server`).
CONNECTION = "postroom.connection"

BEAT_SECONDS = 15.0
_PATIENCE = 10.0
_FAREWELL = 1.0
_BUFFERED = 32 << 10
_RETRY = b"retry: 2000\n\n"
BEAT = b":\n\n"
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Source:
    """The source of the events and their receiver; only those behind the id `after` are sent."""

    feed: Feed
    database: Database
    clock: Clock
    listener: Listener
    after: bytes


class EventStream(Response):
    """The response; nothing is counted or read before it is sent.

    Its `listeners` have one credential and end together; `frames` are what it sends.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self, feed: Feed, listeners: Sequence[Listener], frames: AsyncIterator[bytes]
    ) -> None:
        # nginx would hold events back until its buffer is full.
        super().__init__(headers={"X-Accel-Buffering": "no", "Connection": "close"})
        del self.headers["content-length"]
        self._feed, self._listeners, self._frames = feed, listeners, frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = _connection_of(scope)
        if connection is not None:
            if not connection.is_closing():  # else its client is gone, and `receive` says so
                _keep_little(connection)
            later = asyncio.get_running_loop().call_later
            for listener in self._listeners:
                # A client that does not read the end would keep the connection for ever.
                listener.on_end = partial(later, _FAREWELL, connection.abort)
        hung_up = asyncio.create_task(self._hang_up(receive))
        try:
            with self._feed.listening(*self._listeners):
                await self._send_all(send)
        except TimeoutError:
            if connection is not None:
                connection.abort()
            await asyncio.wait([hung_up], timeout=1)
        finally:
            hung_up.cancel()

    async def _hang_up(self, receive: Receive) -> None:
        """Wait until the client has disconnected."""
        while (await receive())["type"] != "http.disconnect":
            pass
        for listener in self._listeners:
            listener.end()

    async def _send_all(self, send: Send) -> None:
        """Raises TimeoutError when the client does not read."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await _send(send, start)
        await _send(send, _chunk(_RETRY))
        # The client reconnects, and gets the error then.
        with contextlib.suppress(StoreUnavailable):
            async for chunk in self._frames:
                await _send(send, _chunk(chunk))
        await _send(send, _chunk(b"", more=False))


def _connection_of(scope: Scope) -> asyncio.Transport | None:
    extensions: dict[str, dict[str, asyncio.Transport]] = scope.get("extensions", {})
    return extensions.get(CONNECTION, {}).get("transport")


def _keep_little(connection: asyncio.Transport) -> None:
    """Limit socket buffers: a client that does not read is noticed early and costs little."""
    connection.set_write_buffer_limits(high=_BUFFERED)
    end = connection.get_extra_info("socket")
    if end is not None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFERED)


async def _send(send: Send, message: dict[str, object]) -> None:
    async with asyncio.timeout(_PATIENCE):
        await send(message)


def _chunk(body: bytes, *, more: bool = True) -> dict[str, object]:
    return {"type": "http.response.body", "body": body, "more_body": more}


def event_stream(source: Source) -> EventStream:
    """Make the stream of one inbox's events."""
    return EventStream(source.feed, [source.listener], _frames(source))


async def _frames(source: Source) -> AsyncIterator[bytes]:
    """Yield the frames: missed events, then new ones; a comment when nothing happens."""
    listener, position = source.listener, source.after
    while not listener.has_ended:
        joined = await source.feed.join(listener)
        async for events in _missed(source, position, joined):
            yield _told(events, listener.inbox_id)
        # The client may be ahead of the feed: it read the store itself.
        position = max(position, joined)
        while listener.is_told:
            offered = await listener.take(BEAT_SECONDS)
            taken = [event for event in offered if event.event_id > position]
            if taken:
                position = taken[-1].event_id
                # A burst is sent in pages: a write of megabytes would run into `_PATIENCE`.
                for start in range(0, len(taken), _PAGE):
                    yield _told(taken[start : start + _PAGE], listener.inbox_id)
            else:
                yield BEAT


async def _missed(source: Source, after: bytes, until: bytes) -> AsyncIterator[Sequence[Event]]:
    """Read the events between the two positions from the store, page by page."""
    listener = source.listener
    while not listener.has_ended:
        events = await source.database.read(_page(source, after, until))
        if events:
            after = events[-1].event_id
            yield events
        if len(events) < _PAGE:
            return


def _page(source: Source, after: bytes, until: bytes) -> Work[list[Event]]:
    listener = source.listener
    view = View(listener.tenant_id, listener.inbox_id, source.clock())

    async def read(tx: Tx) -> list[Event]:
        return await events_after(
            tx, view=view, after=after, limit=_PAGE, types=listener.types, until=until
        )

    return read


def _told(events: Sequence[Event], inbox_id: bytes) -> bytes:
    return b"".join(_frame(event, inbox_id) for event in events)


def _frame(event: Event, inbox_id: bytes) -> bytes:
    event_id = to_text("evt", event.event_id)
    body = orjson.dumps(body_of(event, inbox_id))
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (event_id.encode(), event.type.encode(), body)

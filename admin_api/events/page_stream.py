"""The stream of a page: what happens in several inboxes, in one response of server-sent events.

- A frame names an inbox and the threads in which something happened, what kinds of things, and the
  newest event (`at`); no text, no values. The page asks for what it shows.
- `hello` begins a stream: whoever had one before asks for everything anew. Nothing is read from the
  log for it, so a stream that comes back costs no more than a new one. `stale` says the same of one
  inbox, when too much happened at once.
- Frames are at least `_PAUSE` apart, whatever happens meanwhile: a page asks no more often. While
  more mail comes than anybody can follow, they are up to `_LONGEST` apart: each frame has the page
  ask for its rows anew, which costs the server as much as the delivery of some ten messages.
- Streams that hear the same events of an inbox share their frames: the store is read once for them.
- It counts as one stream of its session, ends with it (`bye`), with one of its inboxes, with its
  client and with the process. Of a client that does not read next to nothing is kept.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from starlette.responses import Response

from admin_api.access.event_access import readable_types
from admin_api.call.call import Call, named_inbox
from admin_api.call.listening import claim_stream, listener_of
from admin_api.events.stream import BEAT, BEAT_SECONDS, EventStream
from admin_api.http.responses import no_content
from admin_api.service.feed import Feed, Listener
from storage.database import Database, Tx
from storage.errors import FieldFault, Invalid, StoreUnavailable
from storage.events.log import WATCHED, Event
from storage.events.threads_of import threads_of
from storage.ids import to_text
from storage.wakeup import WakeUp, woken_within

MOST_INBOXES = 20
_PAUSE = 0.3
_FLOOD = 70.0  # messages a second
_LOOK = 0.25
_LONGEST = 5.0
_MOST_THREADS, _MOST_NAMED = 200, 500
_MOST_SHARED = 64


class SharedFrames:
    """The last frames of a process, by what they are about; a failed one is made anew."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, asyncio.Task[bytes]] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        """Return the frame of this key. Raises whatever `make` raises."""
        kept = self._kept.get(key)
        if kept is None or (kept.done() and (kept.cancelled() or kept.exception())):
            # A task of its own: the first who asks may leave, and others wait for the same frame.
            kept = self._kept[key] = asyncio.create_task(make())
            while len(self._kept) > _MOST_SHARED:
                self._kept.popitem(last=False)
        return await asyncio.shield(kept)


async def page_stream(call: Call, names: Sequence[str], frames: SharedFrames) -> Response:
    """Answer with the stream of these inboxes, by id or address, of which the caller is the owner.

    Others are left out: each look into them is on record. 204, after which no browser tries again,
    when none is left. `frames` are those of the process. Raises Invalid for too many, Problem 429
    for too many streams.
    """
    if len(names) > MOST_INBOXES:
        raise Invalid(FieldFault("inbox", f"at most {MOST_INBOXES} inboxes"))
    heard, types = WakeUp(), readable_types(call.caller) | {WATCHED}

    async def listen(tx: Tx) -> list[Listener]:
        named = [await named_inbox(tx, tenant_id=call.tenant_id, name=name) for name in names]
        # For a foreign inbox each frame would be a look that belongs in the audit log.
        own = [one.inbox_id for one in named if one and one.owner_user_id == call.user_id]
        return [
            await listener_of(tx, call, inbox_id=one, types=types, heard=heard)
            for one in dict.fromkeys(own)
        ]

    listeners = await call.database.read(listen)
    if not listeners:
        return no_content()
    claim_stream(call, listeners[0])
    source = PageSource(call.service.feed, call.database, listeners, heard, frames)
    return EventStream(source.feed, listeners, _frames(source))


@dataclass(frozen=True, slots=True)
class PageSource:
    """The source of a page's frames; its listeners share the wake-up `heard`."""

    feed: Feed
    database: Database
    listeners: Sequence[Listener]
    heard: WakeUp
    frames: SharedFrames


async def _frames(source: PageSource) -> AsyncIterator[bytes]:
    for listener in source.listeners:
        await source.feed.join(listener)
    yield _frame("hello", {"inboxes": [_id(one) for one in source.listeners]})
    while not any(one.has_ended for one in source.listeners):
        woken = source.heard.wait_next()
        found = [frame async for frame in _told(source)]
        if found:
            yield b"".join(found)
            await pause(source.listeners)
        elif not await woken_within(woken, BEAT_SECONDS):
            yield BEAT
    if not source.feed.is_closed:
        yield _frame("bye", {})


async def pause(
    listeners: Sequence[Listener], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Wait for the time of the next frame: longer while events flood in."""
    start, came, slept = _received(listeners), 0, 0.0
    while slept < _LONGEST and not any(one.has_ended for one in listeners):
        step, before = _LOOK if slept else _PAUSE, came
        await sleep(step)
        slept, came = slept + step, _received(listeners) - start
        is_over = came < _FLOOD * slept or came == before
        if is_over and not any(one.is_behind for one in listeners):
            return


def _received(listeners: Sequence[Listener]) -> int:
    return sum(one.received for one in listeners)


async def _told(source: PageSource) -> AsyncIterator[bytes]:
    for listener in source.listeners:
        if listener.is_behind and not listener.has_ended:
            await source.feed.join(listener)
            yield _frame("stale", {"inbox": _id(listener)})
        elif events := listener.drain():
            # With the types: two users of an inbox may have different rights.
            key = (listener.inbox_id, listener.types, events[0].event_id, events[-1].event_id)
            made = partial(_of_inbox, source.database, listener, events)
            yield await source.frames.get((*key, len(events)), made)


async def _of_inbox(database: Database, listener: Listener, events: Sequence[Event]) -> bytes:
    newest = to_text("evt", events[-1].event_id)
    stale = _frame("stale", {"inbox": _id(listener), "at": newest})
    threads = {one.thread_id for one in events if one.thread_id is not None}
    copies = {each for one in events for each in one.message_ids}
    copies |= {one.message_id for one in events if one.message_id and not one.thread_id}
    # Naming them all costs more than the page's one question for everything.
    if len(copies) > _MOST_NAMED:
        return stale

    async def read(tx: Tx) -> set[bytes]:
        return await threads_of(tx, tenant_id=listener.tenant_id, message_ids=copies)

    try:
        threads |= await database.read(read) if copies else set()
    except StoreUnavailable:
        return stale
    if len(threads) > _MOST_THREADS:
        return stale
    return _frame(
        "change",
        {
            "inbox": _id(listener),
            "threads": sorted(to_text("thr", one) for one in threads),
            "types": sorted({one.type for one in events}),
            "at": newest,
        },
    )


def _id(listener: Listener) -> str:
    return to_text("inb", listener.inbox_id)


def _frame(name: str, data: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))

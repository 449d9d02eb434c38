"""The feed: one reader of the event log for all streams of the process.

- It reads once for each wake-up, and otherwise twice a second, for commits of other processes; only
  while there are listeners. It rests longer than it reads: where mail floods in, reading takes a
  fifth of the time at most.
- A new listener gets the id up to which the feed has read the events of its tenant: later ones come
  by the feed, earlier ones are read from the store. So nothing is skipped and nothing comes twice.
- A listener that takes too little is told no more until it has caught up from the store
  (`is_behind`). Of a tenant of which nobody is told, nothing is read: the events of a flood that
  nobody follows cost nothing.
- Twice a second one query checks the credentials of all listeners; a listener whose credential
  changed has ended.
- The stream of a page has several listeners with one wake-up. They are told of assignments that
  their inboxes see, too; a client of the API hears of its own only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from weakref import WeakSet

from storage.accounts.credential_marks import CredentialMark, credential_marks
from storage.clock import Clock
from storage.database import Database, Tx, Work
from storage.errors import StoreUnavailable
from storage.events.log import (
    RECEIVED,
    WATCHED,
    Event,
    audience,
    new_events,
    newest_event_id,
    onlookers,
)
from storage.wakeup import WakeUp, woken_within

logger = logging.getLogger("postroom.http")

_LOOK_SECONDS = 0.5
_BREATH, _LONGEST_BREATH = 0.02, 0.15
_REST = 4
_AT_ONCE = 500
_MOST_WAITING = 1_000

Standing = tuple[CredentialMark, CredentialMark]


class Listener:
    """One stream: its credential, inbox and event types.

    `standing` are the marks of the credential and the inbox at its beginning; `on_end` is called
    when it ends. `received` counts the mail that came since.
    """

    __slots__ = (
        "__weakref__",
        "_heard",
        "_waiting",
        "credential_id",
        "has_ended",
        "inbox_id",
        "is_behind",
        "on_end",
        "received",
        "standing",
        "tenant_id",
        "types",
    )

    def __init__(
        self,
        *,
        tenant_id: bytes,
        inbox_id: bytes,
        credential_id: bytes,
        types: frozenset[str],
        standing: Standing,
        heard: WakeUp | None = None,
    ) -> None:
        self.tenant_id = tenant_id
        self.inbox_id = inbox_id
        self.credential_id = credential_id
        self.types = types
        self.standing = standing
        self.has_ended = False
        self.is_behind = False
        self.received = 0
        self.on_end: Callable[[], object] = lambda: None
        self._waiting: list[Event] = []
        self._heard = heard or WakeUp()

    @property
    def is_told(self) -> bool:
        """Whether it still gets events from the feed."""
        return not (self.is_behind or self.has_ended)

    def offer(self, events: Sequence[Event]) -> None:
        """Hand it events for its inbox, in their order."""
        wanted = [event for event in events if event.type in self.types]
        if self.is_behind or not wanted:
            return
        self.received += sum(event.type == RECEIVED for event in wanted)
        # It takes less than comes: from here on it reads from the store, at its own pace.
        if len(self._waiting) + len(wanted) > _MOST_WAITING:
            self.is_behind = True
            self._waiting = []
        else:
            self._waiting += wanted
        self._heard.set()

    def begin(self) -> None:
        """Forget missed events: from here on the feed delivers again."""
        self.is_behind = False
        self._waiting = []

    def end(self) -> None:
        """End it; a second call changes nothing."""
        if self.has_ended:
            return
        self.has_ended = True
        self._heard.set()
        self.on_end()

    async def take(self, seconds: float) -> Sequence[Event]:
        """Return the events offered since; none when the time is up, or it has ended."""
        if not self._waiting and self.is_told:
            await woken_within(self._heard.wait_next(), seconds)
        return self.drain()

    def drain(self) -> Sequence[Event]:
        """Return the events offered since, without waiting."""
        taken, self._waiting = self._waiting, []
        return taken


@dataclass(frozen=True, slots=True)
class _Found:
    """The result of one read of the store; `marks` are None when they were not read."""

    after: Mapping[bytes, bytes]
    told: Sequence[tuple[Event, bytes]]
    marks: Mapping[bytes, CredentialMark] | None
    more: bool


class Feed:
    """Reads the log while there are listeners, and hands each event to the streams it is for."""

    def __init__(self, database: Database, clock: Clock, commits: WakeUp) -> None:
        self._database = database
        self._clock = clock
        self._commits = commits
        self._listeners: dict[bytes, set[Listener]] = {}
        self._held: WeakSet[Listener] = WeakSet()
        self._joining: dict[Listener, asyncio.Future[bytes]] = {}
        self._after: dict[bytes, bytes] = {}
        self._joined = WakeUp()
        self._is_looking = False
        self._checked_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether all streams ended because the process stops."""
        return self._is_closed

    def position_in(self, tenant_id: bytes) -> bytes:
        """Up to which id the tenant's events were handed out; empty when none are read."""
        return self._after.get(tenant_id, b"")

    @property
    def streams_open(self) -> int:
        """The number of open streams."""
        return sum(not one.has_ended for one in self._held)

    def held_by(self, credential_id: bytes) -> int:
        """Return the number of open streams of a credential.

        One that has ended is given back, even if it has not come to its own end: whoever loads
        twenty tabs anew opens twenty streams while the former ones still wait for their next frame.
        """
        return sum(one.credential_id == credential_id and not one.has_ended for one in self._held)

    def hold(self, listener: Listener) -> None:
        """Count a stream that is about to begin.

        It counts until it was listened to, or until nobody has the listener any more: a response
        may never be sent, because its entry in the audit log cannot be written, say.
        """
        self._held.add(listener)

    @contextlib.contextmanager
    def listening(self, listener: Listener, *others: Listener) -> Iterator[None]:
        """Count one stream, for as long as it lasts; all its listeners have one credential."""
        listeners = (listener, *others)
        self.hold(listener)
        for each in listeners if self._is_closed else ():
            each.end()
        try:
            yield
        finally:
            for each in listeners:
                self._drop(each)
            self._held.discard(listener)

    async def join(self, listener: Listener) -> bytes:
        """Add the listener to the feed; the id behind which it begins."""
        self._drop(listener)
        joined: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._joining[listener] = joined
        if self._reading is None or self._reading.done():
            # The positions of a reader that ended are old: all events since then would be read.
            self._after = {}
            self._reading = asyncio.create_task(self._read())
        # While it reads, the position is about to move: `_look` lets in at its end.
        elif not self._is_looking:
            self._let_in()
            self._joined.wake()
        return await joined

    def close(self) -> None:
        """End all streams immediately, and take no new ones."""
        self._is_closed = True
        self._end_all()

    def _end_all(self) -> None:
        for listener in [*self._joining, *self._followers()]:
            listener.end()
        self._after |= {one.tenant_id: b"" for one in self._joining}
        self._let_in()

    def _followers(self) -> list[Listener]:
        return [one for group in self._listeners.values() for one in group]

    def _drop(self, listener: Listener) -> None:
        self._joining.pop(listener, None)
        group = self._listeners.get(listener.inbox_id, set())
        group.discard(listener)
        if not group:
            self._listeners.pop(listener.inbox_id, None)

    def _let_in(self) -> None:
        """Admit those who wait, once it is known how far the events of their tenant were read."""
        for listener, joined in [*self._joining.items()]:
            position = self._after.get(listener.tenant_id)
            if position is None:
                continue
            del self._joining[listener]
            listener.begin()
            self._listeners.setdefault(listener.inbox_id, set()).add(listener)
            if not joined.done():
                joined.set_result(position)

    async def _read(self) -> None:
        try:
            while (self._listeners or self._joining) and not self._is_closed:
                woken, joined = self._commits.wait_next(), self._joined.wait_next()
                began = time.monotonic()
                if await self._look() or self._joining:
                    continue
                ended = time.monotonic()
                due = self._checked_at + _LOOK_SECONDS - ended
                await asyncio.wait(
                    [woken, joined],
                    timeout=max(_BREATH, due),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                # Commits come in bursts, and one read is for all of them.
                if woken.done():
                    await asyncio.sleep(min(_LONGEST_BREATH, max(_BREATH, _REST * (ended - began))))
        except Exception:
            logger.exception("feed_failed")
            self._end_all()  # clients reconnect, and with them a reader starts

    async def _look(self) -> bool:
        """Read on and hand out; whether there is more to read now."""
        self._is_looking = True
        try:
            unknown = {one.tenant_id for one in self._joining} - self._after.keys()
            if unknown:
                self._after |= await self._database.read(partial(_ends, tenants=unknown))
                return True
            reader = self._reader()
            if reader is None:
                return False
            found = await self._database.read(reader)
            self._hand_out(found)
            # Of a tenant that nobody listens to any more, nothing is known from here on.
            followed = {one.tenant_id for one in self._followers()}
            self._after = {one: found.after[one] for one in followed if one in found.after}
            return found.more
        except StoreUnavailable:
            await asyncio.sleep(_LOOK_SECONDS)
            return False  # the position stays: later events are read when the store is back
        finally:
            self._is_looking = False
            self._let_in()

    def _reader(self) -> Work[_Found] | None:
        """Build the store query with a copy of the state it needs; it may run in a thread.

        None when there is nothing to ask: nobody to tell, and no check that is due.
        """
        now = self._clock()
        told = [one for one in self._followers() if one.is_told]
        after = {one.tenant_id: self._after[one.tenant_id] for one in told}
        inboxes = frozenset(one.inbox_id for one in told)
        watching = frozenset(one.inbox_id for one in told if WATCHED in one.types)
        marked = self._to_check()
        if not after and marked is None:
            return None

        async def look(tx: Tx) -> _Found:
            new = await new_events(tx, after=after, limit=_AT_ONCE)
            told = await audience(tx, events=new.events, among=inboxes, now=now)
            told += await onlookers(tx, events=new.events, among=watching, now=now)
            return _Found(
                new.after,
                told,
                None if marked is None else await credential_marks(tx, ids=marked, now=now),
                new.more,
            )

        return look

    def _to_check(self) -> frozenset[bytes] | None:
        """Return the ids to check when a check is due."""
        if time.monotonic() < self._checked_at + _LOOK_SECONDS:
            return None
        self._checked_at = time.monotonic()
        credentials = {one.credential_id for one in self._followers()}
        return frozenset(credentials | self._listeners.keys())

    def _hand_out(self, found: _Found) -> None:
        told: dict[bytes, list[Event]] = {}
        for event, inbox_id in found.told:
            told.setdefault(inbox_id, []).append(event)
        for inbox_id, events in told.items():
            for listener in self._listeners.get(inbox_id, ()):
                listener.offer(events)
        if found.marks is None:
            return
        for listener in self._followers():
            marks = (found.marks.get(listener.credential_id), found.marks.get(listener.inbox_id))
            # A new role or plan ends it, too: the client reconnects with its present rights.
            if marks != listener.standing:
                listener.end()


async def _ends(tx: Tx, *, tenants: Collection[bytes]) -> dict[bytes, bytes]:
    """Return for each tenant an id behind which all its later events are."""
    return {one: await newest_event_id(tx, tenant_id=one) for one in tenants}

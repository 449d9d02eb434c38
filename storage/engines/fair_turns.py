"""Fair sharing of a few places (reading connections, the one writer) between all who wait.

- A free place is taken immediately. Of those that wait, the tenant that has used least time goes
  next, and within it the credential that has used least. So one caller waits for the work under
  way, not for the queue of another.
- Used time fades: half of it is forgotten every `_HALF_LIFE` seconds.
- A tenant holds `most_of_one` places at most, so that one stays free for the others. The process's
  own work counts as a tenant, without that bound.
- A caller that waits longer than its patience gets StoreUnavailable; nothing was begun.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from storage.database import Share, T, Work
from storage.errors import StoreUnavailable

WRITE_WAIT = 10.0
"""Seconds that a write waits for its turn, in this process and in the store together."""

HOUSE: Share = (b"", b"")
"""The share of the process's own work: jobs, look-ups of credentials."""

MAIL: Share = (b"mail", b"")
"""Commits of mail: a party of their own, so that nobody else's writes are before them for long."""

_HALF_LIFE = 2.0
_NOTHING_USED = (0.0, 0.0)
_MOST_KNOWN = 1_000

Waiting = deque[asyncio.Future[None]]


class SharingStore(Protocol):
    """An engine that is told for whom it works."""

    async def read_quick(self, work: Work[T], _share: Share, /) -> T: ...

    async def read_for(self, share: Share, work: Work[T]) -> T: ...

    async def write_for(self, share: Share, work: Work[T], part: bytes | None = None) -> T: ...

    def commit_number(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class CallersView:
    """The store as one caller uses it (`storage.database.SharedDatabase`).

    With `part` its writes are of that partition alone.
    """

    store: SharingStore
    share: Share
    part: bytes | None = None

    async def read(self, work: Work[T]) -> T:
        return await self.store.read_for(self.share, work)

    async def read_quick(self, work: Work[T]) -> T:
        return await self.store.read_quick(work, self.share)

    async def write(self, work: Work[T]) -> T:
        return await self.store.write_for(self.share, work, self.part)

    def commit_number(self) -> int | None:
        return self.store.commit_number()

    async def close(self) -> None:
        """The store belongs to the process."""


class _Turn:
    """A place held within `async with`; every commit of mail makes one, so it does no more."""

    __slots__ = ("_began", "_patience", "_share", "_turns")

    def __init__(self, turns: FairTurns, share: Share, patience: float | None) -> None:
        self._turns = turns
        self._share = share
        self._patience = patience
        self._began = 0.0

    async def __aenter__(self) -> None:
        if not self._turns.take_free(self._share):
            await self._turns.wait(self._share, self._patience)
        self._began = self._turns.ticks()

    async def __aexit__(self, *fault: object) -> None:
        self._turns.give_back(self._share, self._turns.ticks() - self._began)


class FairTurns:
    """The places, who holds them and who waits, within one event loop."""

    def __init__(
        self,
        places: int,
        *,
        most_of_one: int | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free = places
        self._places = places
        self._most_of_one = most_of_one or places
        self.ticks = ticks
        self._held: dict[bytes, int] = {}
        self._waiting: dict[bytes, dict[bytes, Waiting]] = {}
        self._used: dict[bytes | Share, tuple[float, float]] = {}
        self._settled: list[asyncio.Future[None]] = []

    def turn(self, share: Share, *, patience: float | None = None) -> _Turn:
        """Hold a place within. Raises StoreUnavailable when `patience` (seconds) is over first."""
        return _Turn(self, share, patience)

    async def settle(self) -> None:
        """Wait until nobody holds a place or waits for one."""
        while self._free < self._places or self._waiting:
            idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._settled.append(idle)
            await idle

    def take_free(self, share: Share) -> bool:
        """Take a place that is free; False where `wait` has to be asked."""
        if self._free and self._may_hold(share[0]):
            self._hold(share)
            return True
        return False

    async def wait(self, share: Share, patience: float | None) -> None:
        """Wait for a place. Raises StoreUnavailable."""
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        tenant, credential = share
        self._waiting.setdefault(tenant, {}).setdefault(credential, deque()).append(called)
        try:
            await asyncio.wait_for(asyncio.shield(called), patience)
        except BaseException as error:
            if called.done():  # the turn came in the same moment
                self.give_back(share, 0.0)
            else:
                called.cancel()
                self._forget(share, called)
            if isinstance(error, TimeoutError):
                raise StoreUnavailable(
                    "the store is busy: a turn was waited for too long"
                ) from None
            raise

    def _may_hold(self, tenant: bytes) -> bool:
        return tenant == HOUSE[0] or self._held.get(tenant, 0) < self._most_of_one

    def _hold(self, share: Share) -> None:
        self._free -= 1
        self._held[share[0]] = self._held.get(share[0], 0) + 1

    def give_back(self, share: Share, seconds: float) -> None:
        """Leave a place that was worked in for so many seconds."""
        self._free += 1
        held = self._held[share[0]] - 1
        if held:
            self._held[share[0]] = held
        else:
            del self._held[share[0]]
        self._charge(share, seconds)
        if self._waiting or self._settled:
            self._call()

    def _call(self) -> None:
        """Give the free places to those whose turn it is."""
        while self._free and (share := self._next()) is not None:
            called = self._waiting[share[0]][share[1]][0]
            self._forget(share, called)
            self._hold(share)
            called.set_result(None)
        if self._free == self._places and not self._waiting:
            idle, self._settled = self._settled, []
            for one in idle:
                if not one.done():
                    one.set_result(None)

    def _next(self) -> Share | None:
        tenants = [tenant for tenant in self._waiting if self._may_hold(tenant)]
        if not tenants:
            return None
        now = self.ticks()
        tenant = min(tenants, key=lambda one: self._used_by(one, now))
        waiting = self._waiting[tenant]
        return tenant, min(waiting, key=lambda one: self._used_by((tenant, one), now))

    def _forget(self, share: Share, called: asyncio.Future[None]) -> None:
        tenant, credential = share
        queue = self._waiting[tenant][credential]
        queue.remove(called)
        if not queue:
            del self._waiting[tenant][credential]
        if not self._waiting[tenant]:
            del self._waiting[tenant]

    def _used_by(self, party: bytes | Share, now: float) -> float:
        seconds, since = self._used.get(party, _NOTHING_USED)
        return float(seconds * 0.5 ** ((now - since) / _HALF_LIFE))

    def _charge(self, share: Share, seconds: float) -> None:
        now = self.ticks()
        for party in (share[0], share):
            used = self._used_by(party, now) + seconds
            self._used.pop(party, None)  # the dictionary is in order of the last use
            self._used[party] = (used, now)
        while len(self._used) > _MOST_KNOWN:
            del self._used[next(iter(self._used))]

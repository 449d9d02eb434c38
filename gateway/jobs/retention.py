"""The retention job: deletes expired data, in rounds.

- Of all processes on one store one runs it: it holds the lease (`storage.maintenance.job_lease`),
  and each of its transactions renews it. Another one tries again when the lease of a killed process
  would have expired.
- Transactions are small, and after each the store is left alone for a multiple of its time.
- A kind that fails waits for the next round and stops no other one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from config.logs import event
from storage.clock import SECOND, Clock
from storage.content.message_bytes import ContentDirectory
from storage.content.orphans import orphans, remove_orphans
from storage.database import Database, Row, Tx
from storage.errors import StoreUnavailable
from storage.maintenance.job_lease import HELD, LeaseLost, acquire_lease, release_lease, renew_lease
from storage.maintenance.retention import KINDS, Kind, Removed, count_due, find_due

logger = logging.getLogger(__name__)

SPOOLS, FILES = "spools", "content_files"

_EVERY_SECONDS = 3600.0
_LEFT_ALONE = 4
_LONGEST_PAUSE = 0.25


@dataclass(slots=True)
class Tally:
    """The numbers of deleted rows by kind, and of rounds by end, since this process began."""

    removed: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)


class Incomplete(Exception):
    """A round that left some kinds for the next one, with the reasons."""

    def __init__(self, faults: dict[str, Exception]) -> None:
        super().__init__(", ".join(f"{name}: {fault!r}" for name, fault in faults.items()))
        self.faults = faults


async def run(
    database: Database, contents: ContentDirectory, clock: Clock, tally: Tally | None = None
) -> None:
    """Run one round now and one every hour, until cancelled."""
    tally = tally or Tally()
    while True:
        wait = _EVERY_SECONDS
        try:
            await one_round(database, contents, now=clock(), clock=clock, tally=tally)
            tally.ended["done"] += 1
        except LeaseLost:
            tally.ended["left_to_another"] += 1
            wait = HELD / SECOND
        except StoreUnavailable as error:
            tally.ended["failed"] += 1
            event(logger, "retention_put_off", level=logging.WARNING, cause=str(error))
        except Exception:  # a fault of ours must not end the job
            tally.ended["failed"] += 1
            logger.exception("retention_failed")
        await asyncio.sleep(wait)


async def due(database: Database, contents: ContentDirectory, *, now: int) -> dict[str, int]:
    """Count the expired rows of each kind at `now`; changes nothing."""
    found = {SPOOLS: len(await asyncio.to_thread(contents.abandoned, now=time.time()))}
    for kind in KINDS:

        async def count(tx: Tx, kind: Kind = kind) -> int:
            return await count_due(tx, kind, now=now)

        found[kind.name] = await database.read(count)
    found[FILES] = 0
    async for files in orphans(database, contents, now=time.time()):
        found[FILES] += len(files)
    return found


async def one_round(
    database: Database,
    contents: ContentDirectory,
    *,
    now: int,
    clock: Clock | None = None,
    tally: Tally | None = None,
) -> dict[str, int]:
    """Delete everything expired at `now` (microseconds); the number of each kind.

    Raises LeaseLost when another process holds the lease, StoreUnavailable, and Incomplete at the
    end when only some kinds failed.
    """
    one = _Round(database, contents, now, clock or (lambda: now), tally or Tally())
    await one.begin()
    finished = False
    try:
        await one.remove_all()
        finished = True
    finally:
        with contextlib.suppress(StoreUnavailable):
            await one.end(finished)
    return dict(one.removed)


class _Round:
    """One round, under the lease."""

    def __init__(
        self,
        database: Database,
        contents: ContentDirectory,
        now: int,
        clock: Clock,
        tally: Tally,
    ) -> None:
        self._database = database
        self._contents = contents
        self._now = now
        self._clock = clock
        self._tally = tally
        self._owner = os.urandom(16)
        self.removed: Counter[str] = Counter()

    async def begin(self) -> None:
        await self._database.write(
            lambda tx: acquire_lease(tx, owner=self._owner, now=self._clock())
        )

    async def end(self, finished: bool) -> None:
        await self._database.write(
            lambda tx: release_lease(tx, owner=self._owner, now=self._clock(), finished=finished)
        )

    async def remove_all(self) -> None:
        faults: dict[str, Exception] = {}
        steps: dict[str, Callable[[], Awaitable[None]]] = {SPOOLS: self._remove_spools}
        steps |= {kind.name: partial(self._remove_rows, kind) for kind in KINDS}
        steps[FILES] = self._remove_files
        for name, remove in steps.items():
            try:
                await remove()
            except (LeaseLost, StoreUnavailable):
                raise
            except Exception as fault:
                logger.exception("retention_of_a_kind_failed")
                faults[name] = fault
        if self.removed.total():
            event(logger, "retention", **self.removed)
        if faults:
            raise Incomplete(faults)

    async def _remove_spools(self) -> None:
        spools = await asyncio.to_thread(self._contents.remove_abandoned, now=time.time())
        self._count(SPOOLS, spools)

    async def _remove_rows(self, kind: Kind) -> None:
        while rows := await self._database.read(lambda tx: find_due(tx, kind, now=self._now)):
            began = time.monotonic()
            taken = await self._take(kind, rows)
            # After the commit: no row may name a content that is gone.
            for file in taken.files:
                await self._contents.remove(file)
            self._count(kind.name, taken.count)
            # Found, yet not expired any more when asked again: else this would go on without end.
            if not (taken.count or taken.progress):
                return
            took = time.monotonic() - began
            await asyncio.sleep(min(took * _LEFT_ALONE, _LONGEST_PAUSE))

    async def _take(self, kind: Kind, rows: list[Row]) -> Removed:
        async def work(tx: Tx) -> Removed:
            await renew_lease(tx, owner=self._owner, now=self._clock())
            return await kind.some(tx, rows, kind.at(self._now))

        return await self._database.write(work)

    async def _remove_files(self) -> None:
        async for files in orphans(self._database, self._contents, now=time.time()):
            await self._database.write(
                lambda tx: renew_lease(tx, owner=self._owner, now=self._clock())
            )
            self._count(FILES, await remove_orphans(self._database, self._contents, files))

    def _count(self, name: str, count: int) -> None:
        if count:
            self.removed[name] += count
            self._tally.removed[name] += count

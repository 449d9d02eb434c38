"""Counts delivery attempts at lists without members, for their admins to see.

Counts are written every few seconds, not for each attempt: a sender that retries again and again
costs one row. Unwritten counts of a killed process are lost; the next attempt shows the list again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncGenerator

from config.logs import event
from storage.clock import Clock
from storage.database import AcrossWrites
from storage.directory.empty_list_attempts import add_deferred

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 2.0


@contextlib.asynccontextmanager
async def deferring(database: AcrossWrites, clock: Clock) -> AsyncGenerator[Deferred, None]:
    """Count attempts within; all counts are written at the latest at the end."""
    deferred = Deferred(database, clock)
    writing = asyncio.create_task(deferred.run())
    try:
        yield deferred
    finally:
        writing.cancel()
        await deferred.write()


class Deferred:
    """Attempts at lists without members that are not written yet."""

    def __init__(self, database: AcrossWrites, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._attempts: Counter[bytes] = Counter()
        self._noted = asyncio.Event()

    def note(self, list_id: bytes) -> None:
        """Count an attempt that got 450."""
        self._attempts[list_id] += 1
        self._noted.set()

    async def run(self) -> None:
        """Write the counts, some seconds after they are made, until cancelled."""
        while True:
            await self._noted.wait()
            await asyncio.sleep(_EVERY_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Write the counts now; on a fault they wait for the next time."""
        self._noted.clear()
        attempts, self._attempts = self._attempts, Counter()
        if not attempts:
            return
        try:
            await self._database.write_across(
                lambda tx: add_deferred(tx, attempts, now=self._clock())
            )
        except Exception as error:  # no mail depends on it
            self._attempts.update(attempts)
            event(logger, "deferred_not_counted", level=logging.WARNING, cause=repr(error))
            self._noted.set()

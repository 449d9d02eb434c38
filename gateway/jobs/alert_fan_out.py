"""The fan-out job: from events to pending deliveries (`storage.notifications.fan_out`).

- Without an alert in the store this is one look-up in an index, now and then.
- While mail streams in there are a few rounds a second, so that each is large; nobody waits for it.
- A round without a delivery is not written: the stored position is updated now and then, and the
  events in between are read again after a restart, with the same result.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from gateway.background import keep_on
from storage.clock import Clock
from storage.database import PartitionWrites
from storage.notifications import fan_out
from storage.notifications.fan_out import FanOutBatch
from storage.wakeup import WakeUp, woken_within

logger = logging.getLogger("postroom.alerts")

_POLL_SECONDS = 1.0
_PAUSE_SECONDS = 0.05
_NOBODY_SECONDS = 0.5
_RECORD_SECONDS = 30.0
_MOST_SEEN = 10_000


class Alerting:
    """The fan-out task of this process; `routed` is called when a webhook call is due."""

    def __init__(
        self,
        database: PartitionWrites,
        commits: WakeUp,
        clock: Clock,
        routed: Callable[[], None],
    ) -> None:
        self._database = database
        self._commits = commits
        self._clock = clock
        self._routed = routed
        self._seen: dict[bytes, bytes] = {}
        self._recorded = time.monotonic()

    async def run(self) -> None:
        """Fan out present and future events, until cancelled."""
        await keep_on(self._round, logger, job="routing")

    async def _round(self) -> None:
        # Before the store is read: no commit in between is missed.
        woken = self._commits.wait_next()
        if not await self._database.read_quick(fan_out.anybody):
            await woken_within(woken, _POLL_SECONDS)
            await asyncio.sleep(_NOBODY_SECONDS)
            return
        if not await self.route_some():
            await woken_within(woken, _POLL_SECONDS)
        await asyncio.sleep(_PAUSE_SECONDS)

    async def route_some(self) -> bool:
        """Fan out the next events; whether there may be more."""
        now, seen = self._clock(), dict(self._seen)
        batches = await self._database.read(lambda tx: fan_out.find_owed(tx, seen=seen, now=now))
        is_time = time.monotonic() - self._recorded > _RECORD_SECONDS
        more = [await self._record(batch, now, is_time=is_time) for batch in batches]
        if is_time and batches:
            self._recorded = time.monotonic()
        return any(more)

    async def _record(self, batch: FanOutBatch, now: int, *, is_time: bool) -> bool:
        """Write the deliveries of a partition, if it has any; whether there may be more."""
        if batch.owed or is_time:
            record = partial(fan_out.record_owed, batch=batch, now=now)
            calls = await self._database.write_in(batch.part, record)
            if calls is None and batch.owed:
                return True  # another process has moved the position, maybe not as far
            if calls:
                self._routed()
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()  # they are read once more, with the same result
        self._seen[batch.part] = max(self._seen.get(batch.part, b""), batch.end)
        return batch.full

"""The relationship job: counts who writes to whom, after the commit.

- While mail streams in there is one batch a second, so that it is large and many copies of one
  sender cost one row; when there is more than a batch, counting takes a small share of the time
  (`gateway.background`). A backlog is counted afterwards.
- Several processes on one store may each run it: a batch is counted by the one that moves its
  position, in the same transaction, and by no other (`storage.contacts.relationships`).
"""

from __future__ import annotations

import logging
import time
from functools import partial

from gateway.background import LEFT_ALONE, keep_on, leave_to_mail, streams_in
from storage.contacts import relationships
from storage.database import PartitionWrites
from storage.wakeup import WakeUp, woken_within

logger = logging.getLogger("postroom.relationships")

_POLL_SECONDS = 30.0
_SHORTEST_PAUSE = 0.25
_PAUSE_SECONDS = 1.0


async def run(database: PartitionWrites, commits: WakeUp) -> None:
    """Count present and future mail, until cancelled."""
    turn = partial(_round, database, commits)
    await keep_on(turn, logger, job="counting", after_fault=_POLL_SECONDS)


async def _round(database: PartitionWrites, commits: WakeUp) -> None:
    woken, began = commits.wait_next(), time.monotonic()
    full = await count_batch(database)
    if streams_in(commits):
        took = time.monotonic() - began
        await leave_to_mail(commits, _pause(took) if full else _PAUSE_SECONDS)
    elif not full:
        await woken_within(woken, _POLL_SECONDS)


def _pause(took: float) -> float:
    """Return how long to leave the store alone after a full batch of so many seconds."""
    return min(max(_SHORTEST_PAUSE, took * LEFT_ALONE), _PAUSE_SECONDS)


async def count_batch(database: PartitionWrites) -> bool:
    """Count one batch; whether there may be more."""
    found = await database.read(relationships.uncounted)
    for some in found:
        await database.write_in(some.part, partial(relationships.count_some, some=some))
    return sum(some.count for some in found) == relationships.BATCH

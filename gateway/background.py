"""Background tasks that run until the process ends, and give way to mail."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from config.logs import event
from storage.database import PartitionWrites
from storage.errors import StoreUnavailable
from storage.wakeup import WakeUp

_AWAY_SECONDS = 2.0

Item = TypeVar("Item")


async def keep_on(
    work_a_round: Callable[[], Awaitable[None]],
    logger: logging.Logger,
    *,
    job: str,
    away: tuple[type[Exception], ...] = (StoreUnavailable,),
    after_fault: float | None = None,
) -> None:
    """Run round after round until cancelled; a round waits for work by itself.

    After an `away` fault it tries again in two seconds (`…_waits` in the log). A fault of ours must
    not end the job: it goes on as soon, or `after_fault` seconds later (`…_failed`).
    """
    while True:
        try:
            await work_a_round()
        except away as error:
            event(logger, f"{job}_waits", level=logging.WARNING, cause=repr(error))
            await asyncio.sleep(_AWAY_SECONDS)
        except Exception:
            logger.exception("%s_failed", job)
            await asyncio.sleep(_AWAY_SECONDS if after_fault is None else after_fault)


def parted(
    database: PartitionWrites, items: Iterable[Item], tenant_of: Callable[[Item], bytes]
) -> dict[bytes, list[Item]]:
    """Group what is to be written by the partitions of the store."""
    groups: dict[bytes, list[Item]] = {}
    for item in items:
        groups.setdefault(database.partition_of(tenant_of(item)), []).append(item)
    return groups


def tell_of_end(task: asyncio.Task[None], logger: logging.Logger, what: str) -> None:
    """Log a fault that ends a task which nobody may ever await."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.critical("the task that %s has ended", what, exc_info=error)

    task.add_done_callback(ended)


class LoopUse:
    """How busy this thread is, which is the event loop's."""

    def __init__(self) -> None:
        self._used = time.thread_time()
        self._used_at = time.monotonic()

    def share(self, *, but: float = 0.0) -> float:
        """The share of the time since the last question that it worked, but for `but` seconds."""
        used, now = time.thread_time(), time.monotonic()
        share = (used - self._used - but) / max(now - self._used_at, 0.001)
        self._used, self._used_at = used, now
        return share


# For one part of the time that work takes, so many parts are left to the mail.
LEFT_ALONE = 12
_STREAMING_SECONDS = 0.25


def streams_in(commits: WakeUp) -> bool:
    """Whether mail streams in: the last commit was a moment ago."""
    return time.monotonic() - commits.last_set < _STREAMING_SECONDS


async def leave_to_mail(commits: WakeUp, seconds: float) -> None:
    """Pause for so long, or until mail has ceased to stream in."""
    steps = math.ceil(seconds / _STREAMING_SECONDS)
    for _ in range(steps):
        if not streams_in(commits):
            return
        await asyncio.sleep(seconds / steps)

"""A wake-up: tells the tasks of this process that something was committed.

- It carries no value: a task that is woken reads the store.
- It is set for commits of other processes, too, where the engine hears of them
  (`Store.hear_others`); a waiting task also reads the store at intervals.
"""

from __future__ import annotations

import asyncio
import time


class WakeUp:
    """Set by one task, waited for by any number, within one event loop.

    `last_set` is in seconds of `time.monotonic`.
    """

    __slots__ = ("_next", "last_set")

    def __init__(self) -> None:
        self.last_set = float("-inf")
        self._next: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Wake all waiting tasks; costs next to nothing when there are none."""
        self.last_set = time.monotonic()
        self.wake()

    def wake(self) -> None:
        """Wake all waiting tasks for what a job has written: no mail came."""
        # Who waits from now on gets a new future, and so misses no later call.
        waited, self._next = self._next, None
        if waited is not None and not waited.done():
            waited.set_result(None)

    def wait_next(self) -> asyncio.Future[None]:
        """A future that the next `set` resolves.

        Take it before you read the store: then no `set` in between is missed.
        """
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        return self._next


async def woken_within(woken: asyncio.Future[None], seconds: float) -> bool:
    """Wait for a future of `wait_next`; False when `seconds` passed first."""
    done, _ = await asyncio.wait([woken], timeout=seconds)
    return bool(done)

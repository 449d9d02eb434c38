"""A bell: tells everybody who waits in this process that something was committed.

It carries nothing. Who hears it looks into the store, and also looks now and then without hearing
it, for what other processes commit.
"""

from __future__ import annotations

import asyncio
import time


class Signal:
    """Rung by one, heard by all who wait at that moment; of one event loop.

    `last_rung` is in seconds of `time.monotonic`.
    """

    __slots__ = ("_next", "last_rung")

    def __init__(self) -> None:
        self.last_rung = float("-inf")
        self._next: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Wake who waits; costs next to nothing when nobody does."""
        self.last_rung = time.monotonic()
        waited, self._next = self._next, None
        if waited is not None and not waited.done():
            waited.set_result(None)

    def listen(self) -> asyncio.Future[None]:
        """What is done at the next ring: taken before one looks, no ring in between is missed."""
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        return self._next


async def heard(ring: asyncio.Future[None], seconds: float) -> bool:
    """Wait for a ring that was listened for; False when it did not come in time."""
    done, _ = await asyncio.wait([ring], timeout=seconds)
    return bool(done)

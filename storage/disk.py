"""Short work on the disk: at once while the disk is quick, else in a thread.

A hop into a thread and back costs more than a quick write, and threads compete with the event loop
for the interpreter. So what took a few milliseconds at most is done on the event loop the next
time; when it took longer, a thread does it, until one is quick again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

_QUICK_SECONDS = 0.005

T = TypeVar("T")


class Disk:
    """One kind of work; `is_quick` is how the last piece of it went."""

    __slots__ = ("is_quick",)

    def __init__(self) -> None:
        self.is_quick = True

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` gives; raises what it raises."""
        return self.timed(work) if self.is_quick else await asyncio.to_thread(self.timed, work)

    def timed(self, work: Callable[[], T]) -> T:
        """What `work` gives, in the caller's thread, remembering whether it was quick; blocks."""
        began = time.monotonic()
        try:
            return work()
        finally:
            self.is_quick = time.monotonic() - began < _QUICK_SECONDS

"""The scheduling of sessions: of those with input, the one nearest to its end of data goes first.

- Served in order of arrival, all would advance at the same pace: their messages would be complete
  at the same moment and wait for the disk together, and neither the processor nor the disk would be
  busy beside the other. So a session in the middle of a message goes on before another one begins
  its own.
- One step each: between two of them the event loop looks for new input.
- Nobody waits for long: a session is overtaken by those that come within a few hundred steps, not
  by later ones.
- In a process that also writes, each is served in order of arrival: there the current batch holds
  up all sessions alike, and the more of them are ready behind it, the larger is the next one.
"""

from __future__ import annotations

import asyncio
import heapq
from enum import IntEnum
from itertools import count

_AHEAD_PER_STAGE = 100


class Stage(IntEnum):
    """How many commands of the peer are left until its content comes."""

    CONTENT = 0
    RECIPIENT_KNOWN = 1
    SENDER_KNOWN = 2
    NOTHING = 3


class SessionQueue:
    """The turns of all sessions of one process; lives within one event loop."""

    __slots__ = ("_arrivals", "_by_stage", "_loop", "_ready")

    def __init__(self, loop: asyncio.AbstractEventLoop, *, by_stage: bool = True) -> None:
        self._loop = loop
        self._by_stage = by_stage
        self._arrivals = count()
        self._ready: list[tuple[int, int, asyncio.Future[None]]] = []

    def wake_in_order(self, stage: Stage, waiter: asyncio.Future[None]) -> None:
        """Wake the reader of a session at that stage, when it is next."""
        if not self._by_stage:
            if not waiter.done():
                waiter.set_result(None)
            return
        number = next(self._arrivals)
        # The number counts, too: those that come much later overtake nobody.
        heapq.heappush(self._ready, (number + stage * _AHEAD_PER_STAGE, number, waiter))
        if len(self._ready) == 1:
            self._loop.call_soon(self._serve)

    def _serve(self) -> None:
        _, _, waiter = heapq.heappop(self._ready)
        if not waiter.done():
            waiter.set_result(None)
        if self._ready:
            self._loop.call_soon(self._serve)

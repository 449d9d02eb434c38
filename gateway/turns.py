"""Whose turn it is: of the sessions that have heard something, the one nearest to its end of data.

- Were they served as they come, all would get on at the same pace: their messages would be whole
  all at once and wait for the disk together, and neither the processor nor the disk would ever be
  busy beside the other. So a session that is in the middle of a message goes on before another one
  begins its own.
- One turn each: between two of them the event loop looks at what has come meanwhile.
- Nobody waits for long: a session can be passed by a few hundred turns, not by more.
"""

from __future__ import annotations

import asyncio
import heapq
from enum import IntEnum
from itertools import count

_PASSED_AT_MOST = 100


class Stage(IntEnum):
    """How many steps of the peer are left until its message is whole."""

    CONTENT = 0
    RECIPIENT_KNOWN = 1
    SENDER_KNOWN = 2
    NOTHING = 3


class Turns:
    """The turns of all sessions of one process; lives within one event loop."""

    __slots__ = ("_arrivals", "_loop", "_ready")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrivals = count()
        self._ready: list[tuple[int, int, asyncio.Future[None]]] = []

    def take(self, stage: Stage, waiter: asyncio.Future[None]) -> None:
        """Wake who waits, when it is the turn of one at that stage."""
        number = next(self._arrivals)
        heapq.heappush(self._ready, (number + stage * _PASSED_AT_MOST, number, waiter))
        if len(self._ready) == 1:
            self._loop.call_soon(self._serve)

    def _serve(self) -> None:
        _, _, waiter = heapq.heappop(self._ready)
        if not waiter.done():
            waiter.set_result(None)
        if self._ready:
            self._loop.call_soon(self._serve)

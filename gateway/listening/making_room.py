"""A place for a new connection when all are taken: that of an idle one of the fullest network.

- The session that has waited longest for its client, for ten seconds at least, is told 421; it may
  be in any process. With no such session, nobody is.
- One search at a time; a network that had no idle session is not searched again within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

IDLE_SECONDS = 10.0
_AGAIN_SECONDS = 1.0
_MOST_WAITING = 64


class HasSessions(Protocol):
    """A process, as far as its idle sessions matter."""

    async def longest_idle(self, network: str) -> float:
        """For how many seconds a session of this network has waited for its client; the longest."""
        ...

    def end_idle(self, network: str) -> None:
        """End that session, when it still waits and has done so for long enough."""
        ...


class MakingRoom:
    """Looks for places, within one event loop. `places` gives the processes."""

    def __init__(self, places: Callable[[], Sequence[HasSessions]]) -> None:
        self._places = places
        self._searching = asyncio.Lock()
        self._waiting = 0
        self._in_vain: tuple[str, float] = ("", 0.0)

    async def make(self, network: str) -> bool:
        """End a session of this network; whether there was one to end."""
        loop = asyncio.get_running_loop()
        if self._waiting >= _MOST_WAITING or self._is_in_vain(network, loop.time()):
            return False
        self._waiting += 1
        try:
            # One at a time: each search asks every process, and a flood asks for one each time.
            async with self._searching:
                if self._is_in_vain(network, loop.time()):
                    return False
                if await self._end_longest(network):
                    return True
                self._in_vain = network, loop.time() + _AGAIN_SECONDS
                return False
        finally:
            self._waiting -= 1

    def _is_in_vain(self, network: str, now: float) -> bool:
        return self._in_vain[0] == network and now < self._in_vain[1]

    async def _end_longest(self, network: str) -> bool:
        places = self._places()
        idle = await asyncio.gather(*(place.longest_idle(network) for place in places))
        longest = max(idle, default=0.0)
        if longest < IDLE_SECONDS:
            return False
        places[idle.index(longest)].end_idle(network)
        return True

"""Whether this process wants calls and mail: `/readyz` turns false before a drain begins.

A balancer learns by asking. So where somebody asks regularly, a stop leaves it time to hear of it
(the setting `unready_seconds`) before a connection is refused; where nobody does, a stop waits for
nobody. One that asked twice, `_APART` seconds apart or more, and the last time `_LATELY` seconds
ago or less, asks regularly: a command that waits for the start asks more often, and then no more.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_APART = 0.9
_LATELY = 30.0


class Readiness:
    """The process's part of `/readyz`, and whether somebody asks it regularly."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self.is_ending = False
        self._ticks = ticks
        self._before = self._last = float("-inf")

    def asked(self) -> None:
        """Note that somebody was told that the process is ready."""
        now = self._ticks()
        if now - self._last >= _APART:
            self._before, self._last = self._last, now

    @property
    def is_watched(self) -> bool:
        """Whether somebody asks regularly."""
        return self._ticks() - self._before <= 2 * _LATELY and self._ticks() - self._last <= _LATELY

    def end(self) -> None:
        """Be ready no more."""
        self.is_ending = True

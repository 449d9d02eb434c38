"""Rate limits: token buckets in memory, one for each key, by a clock that never jumps.

A full bucket is forgotten; beyond `_MOST` buckets the least recently used one is dropped, so memory
stays bounded whoever calls.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

# Whoever has an IPv6 network has as many addresses: memory is bounded, though one is forgotten.
_MOST = 50_000

Ticks = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Allowance:
    """The answer of a bucket: whether the call is granted, calls left, seconds until one more."""

    granted: bool
    remaining: int
    seconds: int


class Buckets:
    """Buckets of one kind: `burst` tokens, refilled evenly with `per_minute`."""

    __slots__ = ("_levels", "_rate", "_ticks", "burst", "per_minute")

    def __init__(self, *, per_minute: int, burst: int, ticks: Ticks) -> None:
        self.per_minute = per_minute
        self.burst = burst
        self._rate = per_minute / 60
        self._ticks = ticks
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable) -> Allowance:
        """Take one token, if there is one."""
        now = self._ticks()
        level, since = self._levels.pop(key, (float(self.burst), now))
        level = min(float(self.burst), level + (now - since) * self._rate)
        granted = level >= 1
        # A refused call costs nothing: who waits as long as the answer said is let in.
        level -= granted
        # Set anew, it stands at the end: `_forget` begins at the one that was used longest ago.
        self._levels[key] = (level, now)
        self._forget(now)
        return Allowance(granted, int(level), math.ceil(max(0.0, 1 - level) / self._rate))

    def headers(self, allowance: Allowance, name: str) -> dict[str, str]:
        """Return the headers that tell a client the limit called `name`, and the rest of it."""
        return {
            "RateLimit-Policy": f'"{name}";q={self.per_minute};w=60',
            "RateLimit": f'"{name}";r={allowance.remaining};t={allowance.seconds}',
        }

    def _forget(self, now: float) -> None:
        """Drop full buckets, and those over the limit, from the least recently used end."""
        while self._levels:
            key = next(iter(self._levels))
            level, since = self._levels[key]
            full = level + (now - since) * self._rate >= self.burst
            if not full and len(self._levels) <= _MOST:
                return
            del self._levels[key]

"""The setting `list_rate`: how much mail one client network may send to one list.

- A token bucket for each pair; only mail to lists counts, one token for each accepted RCPT.
- Kept by the process that writes, so that it holds for all mail processes together; mail processes
  ask it, and only where the setting is on.
- Full buckets are forgotten; beyond `_MOST` the least recently used goes: whoever sends fills no
  memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from config.values import Rate

_MOST = 50_000


class ListRates:
    """The buckets; `time` tells seconds."""

    __slots__ = ("_levels", "_rate", "_time")

    def __init__(self, rate: Rate, time: Callable[[], float]) -> None:
        self._rate = rate
        self._time = time
        self._levels: OrderedDict[tuple[bytes, str], tuple[float, float]] = OrderedDict()

    def take(self, list_id: bytes, network: str) -> bool:
        """Take a token of this pair; False when there is none."""
        now, key = self._time(), (list_id, network)
        level, since = self._levels.pop(key, (float(self._rate.burst), now))
        level = self._level(level, now - since)
        granted = level >= 1
        # Put in at the end again: so the first one is the least recently used.
        self._levels[key] = level - granted, now
        self._forget(now)
        return granted

    def _level(self, level: float, seconds: float) -> float:
        return min(float(self._rate.burst), level + seconds * self._rate.per_minute / 60)

    def _forget(self, now: float) -> None:
        while self._levels:
            key, (level, since) = next(iter(self._levels.items()))
            is_full = self._level(level, now - since) >= self._rate.burst
            if not is_full and len(self._levels) <= _MOST:
                return
            del self._levels[key]

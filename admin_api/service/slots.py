"""Slots: how many of one kind of long work run at a time for each key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable


class Slots:
    """`most` at a time for a key; nothing is remembered of a key without any."""

    __slots__ = ("_held", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: Counter[Hashable] = Counter()

    def take(self, key: Hashable) -> bool:
        """Take a slot, if one is free."""
        if self._held[key] >= self.most:
            return False
        self._held[key] += 1
        return True

    def give_back(self, key: Hashable) -> None:
        """Let go of a slot that was taken."""
        self._held[key] -= 1
        # Otherwise every inbox that ever sent a file would stay in memory.
        if not self._held[key]:
            del self._held[key]

"""Octets that mail processes have reserved, in memory that all of them share."""

from __future__ import annotations

import mmap

_SLOT_OCTETS = 8


class Reservations:
    """Mail transactions under way and the bytes they declared: counts seen by all processes.

    To be made before the processes are forked; then each sets `own` to the number of its counts.
    """

    __slots__ = ("_octets", "_under_way", "own", "processes")

    def __init__(self, processes: int) -> None:
        self.processes = processes
        shared = memoryview(mmap.mmap(-1, 2 * processes * _SLOT_OCTETS)).cast("q")
        self._octets = shared[:processes]
        self._under_way = shared[processes:]
        self.own = 0

    def begin(self, octets: int) -> None:
        """A transaction begins, and so many bytes are reserved for it."""
        self._octets[self.own] += octets
        self._under_way[self.own] += 1

    def arrived(self) -> None:
        """The message of a transaction is there, or will never be."""
        self._under_way[self.own] -= 1

    def give_back(self, octets: int) -> None:
        """The message is stored, or will never be."""
        self._octets[self.own] -= octets

    def forget(self, process: int) -> None:
        """Drop the counts of a process that is gone."""
        self._octets[process] = self._under_way[process] = 0

    def total(self) -> int:
        """The bytes that all processes have reserved."""
        return sum(self._octets)

    def under_way(self) -> int:
        """How many messages may be there soon, in all processes."""
        return sum(self._under_way)

"""How much may still come in: space on disk, and bytes held in memory.

- Disk: what is free, less what sessions in progress have declared, must stay above one and a half
  times the size limit; asked at MAIL, so that no sender pushes 50 MiB at a full disk. The sessions
  of all mail processes count.
- Memory: the mail processes share one budget for contents that are not spooled, until they are
  stored; past its part of it, a process puts a content into its spool file from the first byte.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

MEMORY_BUDGET = 16 * 1024 * 1024
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


class Space:
    """The room that is left, as the sessions of one process see it."""

    __slots__ = ("_budget", "_data", "_floor", "held", "reservations")

    def __init__(self, data: Path, *, size_limit: int, reservations: Reservations) -> None:
        self._data = data
        self._floor = size_limit * 3 // 2
        self._budget = MEMORY_BUDGET // max(1, reservations.processes - 1)
        self.reservations = reservations
        self.held = 0

    def has_room(self) -> bool:
        """Whether a further message may be taken; OSError when the disk cannot be asked."""
        disk = os.statvfs(self._data)
        return disk.f_bavail * disk.f_frsize - self.reservations.total() >= self._floor

    def may_hold(self) -> bool:
        """Whether contents may be kept in memory."""
        return self.held < self._budget

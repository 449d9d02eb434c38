"""How much may still come in: space on disk, and bytes held in memory.

- Disk: what is free, less what sessions in progress have declared, must stay above one and a half
  times the size limit; asked at MAIL, so that no sender pushes 50 MiB at a full disk. The sessions
  of all mail processes count.
- Memory: all sessions of a process have one budget for contents that are not spooled, until they
  are stored; past it, a content goes to its spool file from the first byte.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

MEMORY_BUDGET = 16 * 1024 * 1024
_SLOT_OCTETS = 8


class Reservations:
    """Bytes that sessions in progress have declared: a count for each process, seen by all.

    To be made before the processes are forked; then each sets `own` to the number of its count.
    """

    __slots__ = ("_counts", "own")

    def __init__(self, processes: int) -> None:
        shared = mmap.mmap(-1, processes * _SLOT_OCTETS)
        self._counts = memoryview(shared).cast("q")
        self.own = 0

    def add(self, octets: int) -> None:
        """Reserve, or give back with a negative number."""
        self._counts[self.own] += octets

    def forget(self, process: int) -> None:
        """Drop what a process that is gone had reserved."""
        self._counts[process] = 0

    def total(self) -> int:
        """What all processes have reserved."""
        return sum(self._counts)


class Space:
    """The room that is left, as the sessions of one process see it."""

    __slots__ = ("_data", "_floor", "held", "reservations")

    def __init__(self, data: Path, *, size_limit: int, reservations: Reservations) -> None:
        self._data = data
        self._floor = size_limit * 3 // 2
        self.reservations = reservations
        self.held = 0

    def has_room(self) -> bool:
        """Whether a further message may be taken; OSError when the disk cannot be asked."""
        disk = os.statvfs(self._data)
        return disk.f_bavail * disk.f_frsize - self.reservations.total() >= self._floor

    def may_hold(self) -> bool:
        """Whether contents may be kept in memory."""
        return self.held < MEMORY_BUDGET

    @contextlib.contextmanager
    def holding(self, octets: int) -> Iterator[None]:
        """Count so many bytes as held for a while."""
        self.held += octets
        try:
            yield
        finally:
            self.held -= octets

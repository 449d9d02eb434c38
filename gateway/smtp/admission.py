"""How much may still come in: space on disk, and bytes held in memory.

- Disk: what is free, less what sessions in progress have declared, must stay above one and a half
  times the size limit; asked at MAIL, so that no sender pushes 50 MiB at a full disk. The sessions
  of all mail processes count.
- Memory: the mail processes share one budget for contents that are not spooled, until they are
  stored; past its part of it, a process puts a content into its spool file from the first byte.
"""

from __future__ import annotations

import os
from pathlib import Path

from gateway.reservations import Reservations
from storage.errors import StoreUnavailable

MEMORY_BUDGET = 16 * 1024 * 1024


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
        """Whether a further message may be taken. Raises StoreUnavailable."""
        return self._free() - self.reservations.total() >= self._floor

    def _free(self) -> int:
        try:
            disk = os.statvfs(self._data)
        except OSError as error:  # the data directory was moved away, say
            raise StoreUnavailable(f"the data directory: {error.strerror}") from error
        return disk.f_bavail * disk.f_frsize

    def may_hold(self) -> bool:
        """Whether contents may be kept in memory."""
        return self.held < self._budget

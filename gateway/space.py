"""How much may still come in: space on disk, and bytes held in memory.

- Disk: what is free, less what sessions in progress have declared, must stay above one and a half
  times the size limit; asked at MAIL, so that no sender pushes 50 MiB at a full disk.
- Memory: all sessions together have one budget for contents that are not spooled; past it, a
  content goes to its spool file from the first byte.
"""

from __future__ import annotations

import os
from pathlib import Path

MEMORY_BUDGET = 64 * 1024 * 1024


class Space:
    """The room that is left, shared by all sessions of the process."""

    __slots__ = ("_data", "_floor", "held", "reserved")

    def __init__(self, data: Path, *, size_limit: int) -> None:
        self._data = data
        self._floor = size_limit * 3 // 2
        self.reserved = 0
        self.held = 0

    def has_room(self) -> bool:
        """Whether a further message may be taken; OSError when the disk cannot be asked."""
        disk = os.statvfs(self._data)
        return disk.f_bavail * disk.f_frsize - self.reserved >= self._floor

    def may_hold(self) -> bool:
        """Whether contents may be kept in memory."""
        return self.held < MEMORY_BUDGET

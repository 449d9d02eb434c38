"""Short work on the disk: at once while the disk is quick, else in a thread.

- A hop into a thread and back costs more than a quick sync, and threads compete with the event
  loop for the interpreter. So while every piece took a millisecond or two at most, the next one
  may be done on the event loop.
- A slow piece is to be followed by work in threads, until a good many in a row were quick again: a
  disk that stalls now and then stops the loop once, not each time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_QUICK_SECONDS = 0.002
_ENOUGH_IN_A_ROW = 20

T = TypeVar("T")


class Disk:
    """How the disk took the last pieces of one kind of work."""

    __slots__ = ("_quick_in_a_row",)

    def __init__(self) -> None:
        self._quick_in_a_row = _ENOUGH_IN_A_ROW

    @property
    def is_quick(self) -> bool:
        """Whether the event loop may wait for the next piece."""
        return self._quick_in_a_row >= _ENOUGH_IN_A_ROW

    def timed(self, work: Callable[[], T]) -> T:
        """Run `work` in the caller's thread, and record whether it was quick; blocks."""
        began = time.monotonic()
        try:
            return work()
        finally:
            quick = time.monotonic() - began < _QUICK_SECONDS
            self._quick_in_a_row = self._quick_in_a_row + 1 if quick else 0


def sync_directory(directory: Path) -> None:
    """Put the names in `directory` on stable storage; blocks. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

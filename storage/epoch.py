"""Whether anything but mail was written to the store: two counts, seen by all its processes.

- A process that talks to clients looks recipients up for every message, and each commit of another
  process makes SQLite read its pages anew: a quarter of all that a message costs. What was found
  stays true while the epoch does (`gateway.routes`).
- Every transaction makes a new epoch, but those that change nothing a route depends on: `begun`
  counts while the write lock is held and nothing is changed yet, `ended` when it is over. In
  between there is no epoch. When a process dies there, there is none until another one has ended.
- So an address that was removed is gone for all processes when the caller learns that it was.
- The counts stand in a file of their own, because whoever asks must not have to ask the store. They
  mean nothing beyond a restart, and need not be durable.
"""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

from storage.errors import StoreFull, StoreUnavailable

FILE_NAME = "postroom.epoch"
_COUNT = struct.Struct("=Q")
_BOTH = struct.Struct("=QQ")
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Epoch:
    """The counts of the store in one data directory."""

    __slots__ = ("_descriptor",)

    def __init__(self, data: Path) -> None:
        """Make the file when it is not there. Raises OSError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(data / FILE_NAME, flags, 0o600)

    def now(self) -> int | None:
        """The epoch; None while there is none, or when it cannot be read."""
        try:
            begun, ended = self._counts()
        except OSError:
            return None
        return begun if begun == ended else None

    def _counts(self) -> tuple[int, int]:
        found = os.pread(self._descriptor, _BOTH.size, 0)
        begun, ended = _BOTH.unpack(found.ljust(_BOTH.size, b"\0"))
        return begun, ended

    def begin(self) -> int:
        """End the epoch, before anything is changed; the number to `end` with.

        To be called with the write lock held. Raises StoreUnavailable or StoreFull.
        """
        try:
            number = self._counts()[0] + 1
            os.pwrite(self._descriptor, _COUNT.pack(number), 0)
        except OSError as error:
            kind = StoreFull if error.errno in _FULL else StoreUnavailable
            raise kind(f"cannot use {FILE_NAME}: {error.strerror}") from error
        return number

    def end(self, number: int) -> None:
        """Begin the next epoch: the transaction of that number is over, committed or not."""
        try:
            if number > self._counts()[1]:
                os.pwrite(self._descriptor, _COUNT.pack(number), _COUNT.size)
        except OSError:  # there is no epoch then, which costs time and nothing else
            return

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

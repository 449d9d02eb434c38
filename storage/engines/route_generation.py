"""The route generation: two counts, seen by all processes, that tell when routes may change.

- A cached route is valid while the generation stays the same (`gateway.smtp.recipients`). Reading
  the store instead is expensive: each commit of another process makes SQLite read its pages anew.
- Every transaction makes a new generation, but those that change nothing a route depends on:
  deliveries, the writes of jobs, calls about mail. `begun` counts with the write lock held and
  nothing changed yet, `ended` after the commit. In between there is no generation. When a process
  dies there, there is none until another one has ended.
- So an address that was removed is invalid for all processes when its remover gets the answer.
- Where processes are late to end, or the file is damaged, there is no generation: that costs time,
  and heals with the next transactions.
- The counts mean nothing after a restart, and need not be durable. Their file has the owner of the
  store's file, whoever makes it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from pathlib import Path

from storage.errors import StoreUnavailable, kind_of

FILE_NAME = "postroom.epoch"
_LARGEST = 1 << 62
_COUNT = struct.Struct("=Q")
_BOTH = struct.Struct("=QQ")


class RouteGeneration:
    """The counts of one store, beside its file."""

    __slots__ = ("_descriptor",)

    def __init__(self, store: Path, *, writes: bool) -> None:
        """Open the counts of the store in that file.

        A writer makes them when they are missing. Raises StoreUnavailable.
        """
        flags = os.O_RDWR | os.O_CREAT if writes else os.O_RDONLY
        try:
            path = store.with_name(FILE_NAME)
            self._descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(error) from error
        if writes and not os.fstat(self._descriptor).st_size:
            self._belong_to_whom(store.stat())

    def _belong_to_whom(self, store: os.stat_result) -> None:
        with contextlib.suppress(PermissionError):  # somebody else has made it, and does this
            if os.geteuid() == 0:
                os.fchown(self._descriptor, store.st_uid, store.st_gid)
            os.fchmod(self._descriptor, stat.S_IMODE(store.st_mode))

    def now(self) -> int | None:
        """The generation; None while there is none, or when it cannot be read."""
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
        """End the generation, before anything is changed; the number to `end` with.

        To be called with the write lock held. Raises StoreUnavailable or StoreFull.
        """
        try:
            number = max(self._counts()) + 1
            if number <= _LARGEST:
                os.pwrite(self._descriptor, _COUNT.pack(number), 0)
            else:  # nobody has counted that far
                number = 1
                os.pwrite(self._descriptor, _BOTH.pack(number, 0), 0)
        except OSError as error:
            raise _unusable(error) from error
        return number

    def end(self, number: int) -> None:
        """Begin the next generation: the transaction of that number is over, committed or not."""
        try:
            if number > self._counts()[1]:
                os.pwrite(self._descriptor, _COUNT.pack(number), _COUNT.size)
        except OSError:  # there is no generation then, which costs time and nothing else
            return

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def _unusable(error: OSError) -> StoreUnavailable:
    return kind_of(error)(f"cannot use {error.filename or FILE_NAME}: {error.strerror}")

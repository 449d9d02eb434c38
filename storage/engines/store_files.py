"""The files of an open store: whether they are still the ones that its directory names.

- A log that was removed or replaced is lost with the process: nothing that is only there may be
  acknowledged, and a new start is needed (`lasting`).
- A directory that was moved away may come back: until then nothing is acknowledged, and nothing has
  to be opened anew.
- The kernel's pages of a log that it failed to write are not what the disk holds: `forget_cached`
  has it read anew, before the store is opened.
"""

from __future__ import annotations

import os
from pathlib import Path

from storage.database import StoreFault

_AWAY = StoreFault("the data directory is not where it was", lasting=False)


class StoreFiles:
    """The store's file and its log, as they were when this was made."""

    __slots__ = ("_log", "_names", "_store", "descriptor", "log", "store")

    def __init__(self, store: Path, log: Path) -> None:
        """Both are there, and open. Raises OSError."""
        self.store, self.log = store, log
        self._names = str(log), str(store)
        self.descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
        self._log = _identity(os.fstat(self.descriptor))
        self._store = _identity(store.stat())

    def fault(self) -> StoreFault | None:
        """The present fault of the files, if any."""
        try:
            if self._are_there():
                return None
            return self._explained()
        except OSError as error:
            return StoreFault(f"the data directory cannot be seen: {error.strerror}", lasting=False)

    def _are_there(self) -> bool:
        """Whether both have their names; asked for each commit, so that nothing is made for it."""
        log, store = self._names
        try:
            return (
                _identity(os.stat(log)) == self._log  # noqa: PTH116
                and _identity(os.stat(store)) == self._store  # noqa: PTH116
            )
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _explained(self) -> StoreFault | None:
        store, log = _found(self.store), _found(self.log)
        if store is None:
            gone = os.fstat(self.descriptor).st_nlink == 0
            return StoreFault("the store was removed", lasting=True) if gone else _AWAY
        if store != self._store:
            return StoreFault("the store was replaced", lasting=True)
        if log == self._log:  # it was away and is back
            return None
        return StoreFault("the write-ahead log was removed or replaced", lasting=True)

    def log_is_lost(self) -> bool:
        """Whether the store's file is ours and the log is not. Raises OSError."""
        return _found(self.store) == self._store and _found(self.log) != self._log

    def set_aside(self) -> None:
        """Rename a log that is not ours, so that nobody replays it. Raises OSError."""
        if _found(self.log) not in (None, self._log):
            self.log.rename(self.log.with_name(self.log.name + ".replaced"))

    def close(self) -> None:
        """Let go of the log."""
        os.close(self.descriptor)


def forget_cached(log: Path) -> None:
    """Have the kernel read the log from the disk when it is next read; blocks. Raises OSError."""
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fdatasync(descriptor)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _found(path: Path) -> tuple[int, int] | None:
    try:
        return _identity(path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino

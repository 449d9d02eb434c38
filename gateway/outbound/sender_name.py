"""The name under which this process holds leases on letters, and which of such names are dead.

- Each process has a file of its name in the data directory, and holds a lock on it; the kernel ends
  the lock with the process. So whoever can lock the file of another name knows that nobody has it.
- A process that starts takes the leases of dead names over, without waiting for their end: after a
  crash its letters go on at once. Of another machine there is no file here: its leases run out.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

_OCTETS = 16


class SenderName:
    """A name in `directory`, which is made; without a directory one that no other process checks.

    Raises OSError.
    """

    def __init__(self, directory: Path | None) -> None:
        self.raw = os.urandom(_OCTETS)
        self._directory = directory
        self._file: int | None = None

    def lock(self) -> None:
        """Make the file of this name, and lock it as long as this process lives."""
        if self._directory is None or self._file is not None:
            return
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Created under another name and locked before it can be found: nobody takes it for dead.
        path = self._directory / self.raw.hex()
        made = path.with_suffix(".new")
        file = os.open(made, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            made.rename(path)
        except BaseException:
            os.close(file)
            made.unlink(missing_ok=True)
            raise
        self._file = file

    def dead(self) -> list[bytes]:
        """Return the names in the directory that no process has."""
        if self._directory is None:
            return []
        found = []
        for path in self._directory.iterdir():
            name = _name_of(path)
            if name is not None and name != self.raw and _is_free(path):
                found.append(name)
        return found

    def forget(self, names: Iterable[bytes]) -> None:
        """Delete the files of dead names whose leases are ended."""
        for name in names:
            if self._directory is not None:
                (self._directory / name.hex()).unlink(missing_ok=True)

    def release(self) -> None:
        """Delete the own file and its lock: nothing is leased any more."""
        if self._file is not None:
            self.forget([self.raw])
            os.close(self._file)
            self._file = None


def _name_of(path: Path) -> bytes | None:
    with contextlib.suppress(ValueError):
        raw = bytes.fromhex(path.name)
        return raw if len(raw) == _OCTETS else None
    return None


def _is_free(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True

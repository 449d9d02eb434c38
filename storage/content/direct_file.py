"""A file that is written once, in order, past the kernel's page cache.

- Large contents come fast and are read once more at most, soon after. In the page cache each would
  evict pages that are read all the time, and cost more than the disk does: the host of a virtual
  machine must first find memory that the kernel has not used for long.
- The kernel takes whole blocks at whole offsets from memory that begins with a page: data goes
  through buffers of the process, as many as there are writers at one time.
- The end that fills no block is written the usual way. So is everything on a file system without
  direct writes, or with larger blocks.

open(2), O_DIRECT.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

_BUFFER = 512 * 1024
_BLOCK = 4096
_NOT_OPEN, _CLOSED = -1, -2
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

_idle_buffers: list[memoryview] = []


class DirectFile:
    """A new file, made by the first write; what is done with it may be done in any thread.

    All of it blocks. One that was closed before its end takes nothing more.
    """

    __slots__ = ("_descriptor", "_lock", "_path", "_rest")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._descriptor = _NOT_OPEN
        self._rest = b""  # fewer bytes than a block, the last that came

    def write(self, parts: Sequence[bytes]) -> None:
        """Append `parts`; the file counts as written to, however few they are. Raises OSError."""
        with self._opened():
            self._append(parts)
            # Less than a block stays in memory: a slow sender's file would look abandoned.
            os.utime(self._descriptor)

    def finish(self, parts: Sequence[bytes]) -> None:
        """Append `parts`, put it all on stable storage and close. Raises OSError."""
        with self._opened():
            self._append(parts)
            if self._rest:
                self._write_usually()
                self._write(memoryview(self._rest))
            os.fdatasync(self._descriptor)
            self._close()

    def close(self) -> None:
        """Close the file as it is, behind what another thread is writing. Raises OSError."""
        with self._lock:
            self._close()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[None]:
        with self._lock:
            if self._descriptor == _CLOSED:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            if self._descriptor == _NOT_OPEN:
                self._descriptor = self._open()
            yield

    def _open(self) -> int:
        try:
            return os.open(self._path, _FLAGS | os.O_DIRECT, 0o600)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        self._path.unlink(missing_ok=True)  # the kernel may have made it before it looked
        return os.open(self._path, _FLAGS, 0o600)

    def _append(self, parts: Sequence[bytes]) -> None:
        with _a_buffer() as buffer:
            used = 0
            for part in (self._rest, *parts):
                left = memoryview(part)
                while left:
                    taken = left[: _BUFFER - used]
                    buffer[used : used + len(taken)] = taken
                    used += len(taken)
                    left = left[len(taken) :]
                    if used == _BUFFER:
                        self._write(buffer)
                        used = 0
            blocks = used - used % _BLOCK
            self._write(buffer[:blocks])
            self._rest = bytes(buffer[blocks:used])

    def _write(self, data: memoryview) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError as error:
                # EINVAL: this file system takes other blocks, or no direct writes at this place.
                if error.errno != errno.EINVAL or not self._write_usually():
                    raise

    def _write_usually(self) -> bool:
        """Go on through the page cache; whether this is new."""
        flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL)
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags & ~os.O_DIRECT)
        return bool(flags & os.O_DIRECT)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, _CLOSED
        if descriptor >= 0:
            os.close(descriptor)


@contextlib.contextmanager
def _a_buffer() -> Iterator[memoryview]:
    """A buffer that begins with a page, for one writer at a time."""
    try:
        buffer = _idle_buffers.pop()
    except IndexError:
        buffer = memoryview(mmap.mmap(-1, _BUFFER, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    try:
        yield buffer
    finally:
        _idle_buffers.append(buffer)

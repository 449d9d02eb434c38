"""Putting what was committed on stable storage: one fdatasync for everybody who waits.

- The embedded engine commits without syncing, so that the next transaction, of this process or of
  another, need not wait for the disk; then the write-ahead log is synced here, and only then is
  anything acknowledged. The log is one file written in order: one sync covers every commit before.
- Whoever asks while a sync is under way waits for the next one, which began after their commit.
- A sync that fails is not tried again: the kernel may have dropped the pages, and a later sync
  would say that all is well. The store takes no more writes until it is opened anew.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from storage.errors import StoreUnavailable


class LogSync:
    """Syncs one file; made and used within one event loop."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        sync_directory(path.parent)
        self._next: asyncio.Future[None] | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    def check(self) -> None:
        """Raises StoreUnavailable when a sync has failed before."""
        if self._failure is not None:
            raise StoreUnavailable(f"the log could not be synced: {self._failure}")

    async def wait(self) -> None:
        """Until everything committed before this call is on stable storage.

        Raises StoreUnavailable.
        """
        self.check()
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        joined = self._next
        if self._syncing is None:
            self._syncing = asyncio.create_task(self._sync())
        await asyncio.shield(joined)
        self.check()

    async def _sync(self) -> None:
        while self._next is not None:
            done, self._next = self._next, None
            try:
                await asyncio.to_thread(os.fdatasync, self._descriptor)
            except Exception as error:  # whatever it was, nobody may believe that it was done
                self._failure = error
            done.set_result(None)
        self._syncing = None

    async def close(self) -> None:
        """Serve those who wait, then let go of the file."""
        if self._syncing is not None:
            await self._syncing
        os.close(self._descriptor)


def sync_directory(directory: Path) -> None:
    """Put the names in `directory` on stable storage; blocks. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

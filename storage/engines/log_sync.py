"""Putting what was committed on stable storage: one fdatasync for everybody who waits.

- The embedded engine commits without syncing, so that the next transaction, of this process or of
  another, need not wait for the disk; then the write-ahead log is synced here, and only then is
  anything acknowledged. The log is one file written in order: one sync covers every commit before.
- Whoever asks while a sync is under way waits for the next one, which began after their commit.
- A disk that syncs within a few milliseconds is waited for on the event loop (`storage.disk`).
- A sync that fails is not tried again: the kernel may have dropped the pages, and a later sync
  would say that all is well. The store takes no more writes until it is opened anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from storage.disk import Disk, sync_directory
from storage.errors import StoreUnavailable


class LogSync:
    """Syncs one file; made and used within one event loop."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        sync_directory(path.parent)
        self._syncing: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._disk = Disk()
        self._asked = self._synced = 0

    def check(self) -> None:
        """Raises StoreUnavailable when a sync has failed before."""
        if self._failure is not None:
            raise StoreUnavailable(f"the log could not be synced: {self._failure}")

    def wait(self) -> Coroutine[Any, Any, None]:
        """Until everything committed before this call is on stable storage.

        Raises StoreUnavailable.
        """
        self._asked += 1
        return self._wait_for(self._asked)

    async def _wait_for(self, number: int) -> None:
        while number > self._synced and self._failure is None:
            if self._syncing is None and self._disk.is_quick:
                self._note(self._asked, self._sync_now())
                continue
            if self._syncing is None:
                self._syncing = asyncio.create_task(self._sync())
            await asyncio.shield(self._syncing)
        self.check()

    async def _sync(self) -> None:
        asked = self._asked
        try:
            failure = await asyncio.to_thread(self._sync_now)
        except Exception as error:  # no thread is left
            failure = error
        self._syncing = None
        self._note(asked, failure)

    def _sync_now(self) -> Exception | None:
        """What went wrong, if anything did."""
        try:
            self._disk.timed(partial(os.fdatasync, self._descriptor))
        except Exception as error:  # whatever it was, nobody may believe that it was done
            return error
        return None

    def _note(self, number: int, failure: Exception | None) -> None:
        """What came of a sync that began when so many had asked."""
        if failure is None:
            self._synced = number
        else:
            self._failure = failure

    async def close(self) -> None:
        """Serve those who wait, then let go of the file."""
        with contextlib.suppress(StoreUnavailable):
            await self._wait_for(self._asked)
        os.close(self._descriptor)

"""The sync of the write-ahead log: one fdatasync for every commit that waits.

- The embedded engine commits without syncing, so that the next transaction, of this process or of
  another, need not wait for the disk; then the write-ahead log is synced here, and only then is
  anything acknowledged. The log is one file written in order: one sync covers every commit before.
- A commit that arrives while a sync is under way waits for the next one, which begins after it.
- A disk that syncs within a few milliseconds is waited for on the event loop (`storage.disk`).
- A failed sync is not tried again: the kernel may have dropped the pages, and a later sync would
  say that all is well. The store serves nobody until it is opened anew.
- Each sync checks whether the log is still the one that the directory names
  (`storage.engines.store_files`): writes to another one are not acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

from storage.database import StoreFault
from storage.disk import Disk, sync_directory
from storage.engines.store_files import StoreFiles
from storage.errors import StoreUnavailable

_LOOK_AGAIN_SECONDS = 0.25


class LogSync:
    """Syncs the log of one store; made and used within one event loop."""

    def __init__(self, files: StoreFiles) -> None:
        self._files = files
        sync_directory(files.log.parent)
        self._syncing: asyncio.Task[None] | None = None
        self._fault: StoreFault | None = None
        self._looked_at = time.monotonic()
        self._closing = False
        self._disk = Disk()
        self._asked = self._synced = self._given_up = 0

    def check(self) -> None:
        """Raises StoreUnavailable when a sync has failed before, or the files are not there."""
        if self._fault is not None or time.monotonic() - self._looked_at > _LOOK_AGAIN_SECONDS:
            self._look()
        if self._fault is not None:
            raise StoreUnavailable(self._fault.reason)

    def fault(self) -> StoreFault | None:
        """The present fault, if any; a lasting one stays."""
        self._look()
        return self._fault

    def fail(self, reason: str) -> None:
        """Take note of a sync that failed elsewhere."""
        if self._fault is None or not self._fault.lasting:
            self._fault = StoreFault(f"the log could not be synced: {reason}", lasting=True)

    def begin_close(self) -> None:
        """Expect the log to go: SQLite removes it when its last connection is closed."""
        self._look()
        self._closing = True

    def _look(self) -> None:
        if not self._closing and (self._fault is None or not self._fault.lasting):
            self._fault = self._files.fault()
            self._looked_at = time.monotonic()

    def wait(self) -> Coroutine[Any, Any, None]:
        """Until everything committed before this call is on stable storage.

        Raises StoreUnavailable.
        """
        self._asked += 1
        return self._wait_for(self._asked)

    async def _wait_for(self, number: int) -> None:
        while number > self._synced:
            if number <= self._given_up:
                reason = self._fault.reason if self._fault else "the store was out of reach"
                raise StoreUnavailable(reason)
            if self._syncing is None and self._disk.is_quick:
                self._note(self._asked, self._sync_now())
                continue
            if self._syncing is None:
                self._syncing = asyncio.create_task(self._sync())
            await asyncio.shield(self._syncing)

    async def _sync(self) -> None:
        asked = self._asked
        try:
            failure = await asyncio.to_thread(self._sync_now)
        except Exception as error:  # no thread is left
            failure = error
        self._syncing = None
        self._note(asked, failure)

    def _sync_now(self) -> Exception | None:
        """Sync; the fault, if any."""
        if self._fault is not None and self._fault.lasting:
            return StoreUnavailable(self._fault.reason)
        try:
            self._disk.timed(partial(os.fdatasync, self._files.descriptor))
        except Exception as error:  # whatever it was, nobody may believe that it was done
            return error
        return None

    def _note(self, number: int, failure: Exception | None) -> None:
        """Record the result of a sync that began when so many commits waited."""
        if failure is not None:
            self.fail(str(failure))
        self._look()
        if self._fault is None:
            self._synced = number
        else:
            self._given_up = number

    async def close(self) -> None:
        """Serve those who wait, then let go of the file."""
        with contextlib.suppress(StoreUnavailable):
            await self._wait_for(self._asked)
        self._files.close()

"""The embedded engine: SQLite through aiosqlite.

- WAL; a write that returned survives a loss of power. The sync that `synchronous=FULL` would do
  within the commit, while everybody else waits for the lock, `storage.engines.log_sync` does right
  after it.
- A write begins with BEGIN IMMEDIATE, so it never fails half way for a lock. It waits for its turn
  in this process, then for another holder of the lock: `WRITE_WAIT` seconds together at most.
- Reader connections are query-only and see one snapshot for one use: in WAL a reader waits for
  nobody. The few there are are shared fairly (`storage.engines.fair_turns`).
- A whole transaction is one call into a connection's thread: a hop for each statement would cost
  more than the statements. `read_quick`, `commit` and `quick` writes do without a thread: their
  work is shorter than the hop, and a thread would ask the busy event loop for the interpreter at
  each statement while mail waits for the lock. Making a commit durable may (`storage.disk`).
- So committing never checkpoints. A thread does, once a second while there is something to do.
- Every transaction makes a new route generation (`storage.engines.route_generation`), but those
  that promise to change no route: deliveries, and the writes of jobs.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import aiosqlite

from storage.clock import Clock
from storage.cursors import WHOLE
from storage.database import Durable, Share, StoreFault, T, Work
from storage.engines.checkpoint import checkpoint, rescue
from storage.engines.fair_turns import HOUSE, MAIL, WRITE_WAIT, CallersView, FairTurns
from storage.engines.log_sync import LogSync
from storage.engines.route_generation import RouteGeneration
from storage.engines.sqlite_connections import (
    connect,
    in_thread,
    is_failed_sync,
    open_peeker,
    open_quick,
    translated,
)
from storage.engines.sqlite_transactions import finish_write, has_begun, run_read, run_write
from storage.engines.store_files import StoreFiles, forget_cached
from storage.errors import OutcomeUnknown, StoreUnavailable
from storage.ids import IdSource

logger = logging.getLogger(__name__)

FILE_NAME = "postroom.db"
_POLL_HERE = 0.001  # uvloop counts whole milliseconds: less would ask without a pause
_CHECKPOINT_SECONDS = 1.0
_RESTART_AGAIN_SECONDS = 20.0
_READERS = 3
_READERS_OF_ONE = 2


class SqliteLookups:
    """The store, for look-ups on the event loop's own thread."""

    def __init__(self, connection: sqlite3.Connection, epoch: RouteGeneration) -> None:
        self._peeker = connection
        self._epoch = epoch

    @classmethod
    def open(cls, data: Path) -> SqliteLookups:
        """Open the store in `data`, which is there. Raises StoreUnavailable."""
        path = data / FILE_NAME
        epoch = RouteGeneration(path, writes=False)
        try:
            return cls(open_peeker(path), epoch)
        except sqlite3.Error as error:
            epoch.close()
            raise translated(error) from error

    async def read_quick(self, work: Work[T], _share: Share = HOUSE) -> T:
        try:
            return run_read(self._peeker, work)
        except sqlite3.Error as error:
            raise translated(error) from error

    def route_generation(self) -> int | None:
        return self._epoch.now()

    async def close(self) -> None:
        self._peeker.close()
        self._epoch.close()


class SqliteDatabase(SqliteLookups):
    """The store in one file of the data directory. Made by `open_sqlite`."""

    def __init__(
        self,
        *,
        writer: aiosqlite.Connection,
        readers: list[aiosqlite.Connection],
        peeker: sqlite3.Connection,
        quick: sqlite3.Connection,
        ids: IdSource,
        files: StoreFiles,
        epoch: RouteGeneration,
    ) -> None:
        super().__init__(peeker, epoch)
        self._files = files
        self._log = LogSync(files)
        self._writer = writer
        self._quick = quick
        self._checkpointing: asyncio.Task[None] | None = None
        self._restart_at = float("-inf")
        self._readers = readers
        self._idle = list(readers)
        self._reads = FairTurns(len(readers), most_of_one=_READERS_OF_ONE)
        self._writes = FairTurns(1)
        self._ids = ids

    def for_caller(self, share: Share, *, in_partition: bool = False) -> CallersView:
        return CallersView(self, share, WHOLE if in_partition else None)

    def partition_of(self, tenant_id: bytes) -> bytes:
        return WHOLE  # there is one writer

    async def read(self, work: Work[T]) -> T:
        return await self.read_for(HOUSE, work)

    async def read_for(self, share: Share, work: Work[T]) -> T:
        self._log.check()
        async with self._reads.turn(share):
            reader = self._idle.pop()
            try:
                return await in_thread(reader, partial(run_read, reader._conn, work))
            except sqlite3.Error as error:
                raise translated(error) from error
            finally:
                self._idle.append(reader)

    async def write(self, work: Work[T]) -> T:
        return await self.write_for(HOUSE, work)

    async def write_in(self, part: bytes, work: Work[T], *, quick: bool = False) -> T:
        return await self.write_across(work, quick=quick)

    async def write_across(self, work: Work[T], *, quick: bool = False) -> T:
        if not quick:
            return await self.write_for(HOUSE, work, WHOLE)
        result, durable = await self._here(HOUSE, work, routes=False)
        await durable
        return result

    async def write_for(self, share: Share, work: Work[T], part: bytes | None = None) -> T:
        self._log.check()
        epoch = self._epoch if part is None else None
        writer, until = self._writer, time.monotonic() + WRITE_WAIT
        async with self._writes.turn(share, patience=WRITE_WAIT):
            try:
                result = await in_thread(
                    writer, partial(run_write, writer._conn, self._ids, epoch, work, until)
                )
            except (sqlite3.Error, OutcomeUnknown) as error:
                raise self._translated(error) from (error.__cause__ or error)
        await self._log.wait()
        return result

    def commit_number(self) -> int | None:
        # Of this connection, which never writes: all commits are those of others.
        try:
            number: int = self._peeker.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            return None
        return number

    def hear_others(self, told: Callable[[], object]) -> None:
        """Hear nothing: a file tells of no commits."""

    async def write_beside(self, work: Work[T]) -> T:
        return await self.write(work)  # there is one writer, whatever it writes

    async def commit(
        self, work: Work[T], *, changes_routes: bool = True, part: bytes | None = None
    ) -> tuple[T, Durable]:
        return await self._here(MAIL, work, routes=changes_routes)

    async def _here(self, share: Share, work: Work[T], *, routes: bool) -> tuple[T, Durable]:
        self._log.check()
        epoch, until = self._epoch if routes else None, time.monotonic() + WRITE_WAIT
        async with self._writes.turn(share, patience=WRITE_WAIT):
            try:
                await self._begin_here(until)
                result = finish_write(self._quick, self._ids, epoch, work)
            except (sqlite3.Error, OutcomeUnknown) as error:
                raise self._translated(error) from (error.__cause__ or error)
        self._checkpoint_soon()
        return result, self._log.wait()

    def _checkpoint_soon(self) -> None:
        if self._checkpointing is None or self._checkpointing.done():
            self._checkpointing = asyncio.create_task(self._checkpoint())

    async def _checkpoint(self) -> None:
        """Move what a second of commits left in the log into the database file."""
        await asyncio.sleep(_CHECKPOINT_SECONDS)
        writer = self._writer
        try:
            restart = time.monotonic() >= self._restart_at
            if await in_thread(writer, partial(checkpoint, writer._conn, restart)):
                self._restart_at = time.monotonic() + _RESTART_AGAIN_SECONDS
        except sqlite3.Error as error:  # the log only grows until the next one
            logger.warning("checkpoint failed: %s", self._translated(error))

    def _translated(self, error: sqlite3.Error | OutcomeUnknown) -> Exception:
        """The error as ours; a sync that SQLite itself made and that failed counts as well."""
        cause = error if isinstance(error, sqlite3.Error) else error.__cause__
        if isinstance(cause, sqlite3.Error) and is_failed_sync(cause):
            self._log.fail(str(cause))
        return translated(error) if isinstance(error, sqlite3.Error) else error

    def fault(self) -> StoreFault | None:
        return self._log.fault()

    async def _begin_here(self, until: float) -> None:
        """Take the write lock for the connection of this thread; others hold it for a moment."""
        while not has_begun(self._quick):
            if time.monotonic() > until:
                raise StoreUnavailable("the store is locked")
            await asyncio.sleep(_POLL_HERE)

    async def abandon(self) -> None:
        """Closing would checkpoint pages that the disk may not hold.

        When only the log's name is lost, what it holds is moved into the store's file first.
        """
        if self._checkpointing is not None:
            self._checkpointing.cancel()
        if not self._files.log_is_lost():
            return
        try:
            saved = await in_thread(self._writer, partial(rescue, self._writer._conn))
            if saved:
                self._files.set_aside()
        except (sqlite3.Error, OSError) as error:
            saved = False
            logger.error("the lost log could not be moved into the store: %s", error)
        logger.error("log_lost rescued=%s", "yes" if saved else "no")

    async def close(self) -> None:
        await self._writes.settle()
        await self._reads.settle()
        if self._checkpointing is not None:
            self._checkpointing.cancel()
        self._log.begin_close()
        for connection in (*self._readers, self._writer):
            await connection.close()
        await super().close()
        self._quick.close()
        await self._log.close()


async def open_sqlite(data: Path, clock: Clock) -> SqliteDatabase:
    """Open (and make, when it is not there) the store in the directory `data`.

    Raises StoreUnavailable when the directory or file cannot be used.
    """
    try:
        path = _prepare_file(data)
        log = path.with_name(FILE_NAME + "-wal")
        forget_cached(log)
        epoch = RouteGeneration(path, writes=True)
        writer = await connect(path, query_only=False)
        readers = [await connect(path, query_only=True) for _ in range(_READERS)]
        peeker, quick = open_peeker(path), open_quick(path)
        files = StoreFiles(path, log)
    except sqlite3.Error as error:
        raise translated(error) from error
    except OSError as error:
        raise StoreUnavailable(f"cannot use {data}: {_cause(error)}") from error
    return SqliteDatabase(
        writer=writer,
        readers=readers,
        peeker=peeker,
        quick=quick,
        ids=IdSource(clock),
        files=files,
        epoch=epoch,
    )


def _cause(error: OSError) -> str:
    """Tell why the data directory cannot be used."""
    if isinstance(error, FileExistsError):
        return "it is no directory"
    if isinstance(error, PermissionError):
        return "Permission denied; run as the user that owns it"
    return error.strerror or str(error)


def _prepare_file(data: Path) -> Path:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data / FILE_NAME
    path.touch(mode=0o600, exist_ok=True)
    return path

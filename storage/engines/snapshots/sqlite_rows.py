"""A SQLite store that is filled with rows, around its seal: see `RowTarget`.

- A transaction survives the end of the process when it is committed, and a loss of power once the
  log is synced, which `settle` does; until then a loss of power costs the last ones.
- Foreign keys are not checked row by row: `settle` checks them all.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

from storage.database import T, Work
from storage.engines.snapshots.sqlite_reader import tables_in_order
from storage.engines.snapshots.tables import Add, Table, Values
from storage.engines.sqlite import FILE_NAME
from storage.engines.sqlite_connections import open_quick, translated
from storage.engines.sqlite_transactions import SqliteTx, drive, run_read
from storage.errors import Conflict, StoreDamaged, kind_of

# Large sorts go to files, so that memory stays bounded.
_SET_UP = """
    PRAGMA busy_timeout = 5000;
    PRAGMA foreign_keys = OFF;
    PRAGMA temp_store = FILE;
    PRAGMA cache_size = -65536;
    PRAGMA wal_autocheckpoint = 16000;
"""


class SqliteRows:
    """A store that is filled. Made by `open_sqlite_rows`; used by one task at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def all_tables(self) -> Sequence[Table]:
        return tables_in_order(self._connection)

    async def read(self, work: Work[T]) -> T:
        return await asyncio.to_thread(partial(run_read, self._connection, work))

    async def read_quick(self, work: Work[T]) -> T:
        return await self.read(work)

    async def write(self, work: Work[T]) -> T:
        return await asyncio.to_thread(partial(_run_write, self._connection, work))

    async def write_beside(self, work: Work[T]) -> T:
        return await self.write(work)

    async def close(self) -> None:
        """Nothing: `open_sqlite_rows` closes it."""

    @asynccontextmanager
    async def adding(self, table: Table) -> AsyncIterator[Add]:
        """See `RowTarget`."""
        places = ", ".join("?" * len(table.columns))
        query = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({places})"

        async def add(rows: Sequence[Values]) -> None:
            await asyncio.to_thread(_insert, self._connection, query, rows)

        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield add
            await asyncio.to_thread(_commit, self._connection)
        except BaseException:
            _roll_back(self._connection)
            raise

    async def settle(self) -> None:
        """See `RowTarget`. Raises StoreDamaged when a row names one that is not there."""
        await asyncio.to_thread(_settle, self._connection)


@asynccontextmanager
async def open_sqlite_rows(data: Path) -> AsyncIterator[SqliteRows]:
    """Open the store in `data`, which is there, to fill it.

    Raises Conflict when another process fills it, StoreUnavailable, StoreFull.
    """
    try:
        lock = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise kind_of(error)(f"{data}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with closing(open_quick(data / FILE_NAME)) as connection:
            connection.executescript(_SET_UP)
            yield SqliteRows(connection)
    except BlockingIOError:
        raise Conflict("copy_running", f"another copy is made into {data}") from None
    except sqlite3.Error as error:
        raise translated(error) from error
    finally:
        os.close(lock)


def _run_write(connection: sqlite3.Connection, work: Work[T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = drive(work, SqliteTx(connection, None))
        connection.execute("COMMIT")
        return result
    except BaseException:
        _roll_back(connection)
        raise


# A cursor must end in the thread that used it: later, elsewhere, it would reset the statement that
# the next page is using.
def _insert(connection: sqlite3.Connection, query: str, rows: Sequence[Values]) -> None:
    connection.executemany(query, rows)


def _commit(connection: sqlite3.Connection) -> None:
    connection.execute("COMMIT")


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # some errors have ended it already
        connection.execute("ROLLBACK")


def _settle(connection: sqlite3.Connection) -> None:
    for row in connection.execute("PRAGMA foreign_key_check"):
        raise StoreDamaged(f"a row of {row[0]} names one of {row[2]} that is not there")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

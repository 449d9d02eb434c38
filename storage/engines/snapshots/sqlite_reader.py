"""A SQLite store opened to be read only: nothing is made or changed in its directory.

- Without a write-ahead log the file is opened as immutable: no lock, no `-shm`, no `-wal`.
- With a log and its index (a server runs, or was killed) the connection shares both.
- With a log alone, or where the index may not be written, file and log are copied to a temporary
  directory and recovered there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

from storage.database import T, Work
from storage.engines.snapshots.tables import PAGE, Table, Values
from storage.engines.sqlite import FILE_NAME
from storage.engines.sqlite_connections import translated
from storage.engines.sqlite_transactions import run_read
from storage.errors import StoreUnavailable

_MOST_FAULTS = 1000
_PATIENCE_SECONDS = 5.0


class SqliteReader:
    """A store that is only read. Made by `open_reader`; used by one task at a time."""

    def __init__(self, connection: sqlite3.Connection, copy: Path | None) -> None:
        self._connection = connection
        self._copy = copy

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a snapshot. Raises StoreUnavailable, StoreDamaged."""
        try:
            return await asyncio.to_thread(partial(run_read, self._connection, work))
        except sqlite3.Error as error:
            raise translated(error) from error

    async def read_quick(self, work: Work[T]) -> T:
        """The same: a command has nobody who waits for its event loop."""
        return await self.read(work)

    async def all_tables(self) -> Sequence[Table]:
        """See `RowSource`."""
        return tables_in_order(self._connection)

    async def pages(
        self, table: Table, columns: Sequence[str], after: Sequence[object]
    ) -> AsyncGenerator[list[Values], None]:
        """See `RowSource`. Raises StoreUnavailable, StoreDamaged."""
        key = _names(table.key)
        behind = f"WHERE ({key}) > ({', '.join('?' * len(after))})" if after else ""
        query = f"SELECT {_names(columns)} FROM {table.name} {behind} ORDER BY {key}"
        cursor = self._connection.cursor()
        cursor.row_factory = None
        try:
            await asyncio.to_thread(cursor.execute, query, tuple(after))
            while rows := await asyncio.to_thread(cursor.fetchmany, PAGE):
                yield rows
        except sqlite3.Error as error:
            raise translated(error) from error
        finally:
            cursor.close()

    async def page_faults(self) -> list[str]:
        """The faults of SQLite's own integrity check over every page; none for a sound file."""
        return await asyncio.to_thread(_page_faults, self._connection)

    async def close(self) -> None:
        self._connection.close()
        if self._copy is not None:
            shutil.rmtree(self._copy, ignore_errors=True)


def open_reader(data: Path, name: str = FILE_NAME) -> SqliteReader:
    """Open the store in the directory `data`. Raises StoreUnavailable, StoreDamaged."""
    path = data / name
    try:
        if not _has_log(path):
            return SqliteReader(_connect(path, "mode=ro&immutable=1"), None)
        with contextlib.suppress(sqlite3.OperationalError):
            return SqliteReader(_connect_beside(path), None)
        return _open_copy(path)
    except sqlite3.Error as error:
        raise translated(error) from error
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}") from error


def tables_in_order(connection: sqlite3.Connection) -> list[Table]:
    """The tables of the store, parents before their children: as they were made."""
    return [
        Table(name, *_columns(connection, name))
        for (name,) in map(tuple, connection.execute(_TABLES))
    ]


def _columns(connection: sqlite3.Connection, table: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    rows = [tuple(row) for row in connection.execute(_COLUMNS, (table,))]
    key = sorted((place, name) for name, place in rows if place)
    return tuple(name for name, _ in rows), tuple(name for _, name in key)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)


_TABLES = """
    SELECT m.name FROM sqlite_master m
    JOIN pragma_table_list l ON l.schema = 'main' AND l.name = m.name AND l.type = 'table'
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY m.rowid
"""
_COLUMNS = "SELECT name, pk FROM pragma_table_info(?) ORDER BY cid"


def _has_log(path: Path) -> bool:
    try:
        return Path(f"{path}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def _connect_beside(path: Path) -> sqlite3.Connection:
    """Share the index of the log. Raises sqlite3.OperationalError when there is none to share."""
    index = Path(f"{path}-shm")
    if not index.exists():
        raise sqlite3.OperationalError("the log has no index")
    # An index that may not be written can be shared with a living server, but not rebuilt.
    shared = "" if os.access(index, os.W_OK) else "&readonly_shm=1"
    return _connect(path, f"mode=ro{shared}")


def _open_copy(path: Path) -> SqliteReader:
    directory = Path(tempfile.mkdtemp(prefix="postroom-"))
    try:
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", directory / f"{FILE_NAME}{suffix}")
        return SqliteReader(_connect(directory / FILE_NAME, "mode=rw"), directory)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _connect(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{how}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_PATIENCE_SECONDS,
    )
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA cache_size=-64000")
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _page_faults(connection: sqlite3.Connection) -> list[str]:
    faults: list[str] = []
    try:
        # Rows that were read before the check itself met a fault count, too.
        for row in connection.execute(f"PRAGMA integrity_check({_MOST_FAULTS})"):
            faults += [line for line in str(row[0]).splitlines() if line != "ok"]
    except sqlite3.DatabaseError as error:
        faults.append(str(error))
    return faults

"""Transactions on an open SQLite connection, each in one go on the thread that has it.

- A write keeps the highest id that was given, so no process gives one below it.
- Before its first migration a store has no such floor. A sealed one takes no write.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence

from storage.database import SEALED, Params, Row, T, Work
from storage.engines.route_generation import RouteGeneration
from storage.engines.sqlite_connections import is_locked
from storage.errors import OutcomeUnknown, StoreUnavailable
from storage.ids import IdSource

_POLL_LEAST = 0.00005
_POLL_MOST = 0.002

_DIALECT = {
    "engine": "sqlite",
    "id": "BLOB",
    "int64": "INTEGER",
    "bytes": "BLOB",
    "text": "TEXT",
    "clustered": "WITHOUT ROWID",
    "is_read_only": "0",
}


class SqliteTx:
    """A transaction on one connection; its coroutines finish without ever suspending."""

    __slots__ = ("_connection", "_ids")

    def __init__(self, connection: sqlite3.Connection, ids: IdSource | None) -> None:
        self._connection = connection
        self._ids = ids

    @property
    def dialect(self) -> Mapping[str, str]:
        return _DIALECT

    async def execute(self, sql: str, params: Params | None = None) -> int:
        return self._connection.execute(sql, params or ()).rowcount

    async def execute_many(self, sql: str, rows: Sequence[Params]) -> None:
        self._connection.executemany(sql, rows)

    async def execute_all(self, statements: Mapping[str, Sequence[Params]]) -> None:
        for sql, rows in statements.items():
            self._connection.executemany(sql, rows)

    async def execute_each(self, statements: Sequence[tuple[str, Params]]) -> list[int]:
        return [self._connection.execute(sql, row).rowcount for sql, row in statements]

    async def fetch_one(self, sql: str, params: Params | None = None) -> Row | None:
        row: Row | None = self._connection.execute(sql, params or ()).fetchone()
        return row

    async def fetch_all(self, sql: str, params: Params | None = None) -> list[Row]:
        return self._connection.execute(sql, params or ()).fetchall()

    async def fetch_each(self, queries: Sequence[tuple[str, Params]]) -> list[list[Row]]:
        return [self._connection.execute(sql, params).fetchall() for sql, params in queries]

    def new_id(self) -> bytes:
        if self._ids is None:
            raise RuntimeError("a read transaction makes no ids")
        return self._ids.next()


def run_read(connection: sqlite3.Connection, work: Work[T]) -> T:
    """Run `work` on one snapshot of an open connection; blocks. Raises sqlite3.Error."""
    connection.execute("BEGIN")
    try:
        return drive(work, SqliteTx(connection, None))
    finally:
        if connection.in_transaction:  # some errors have ended it already
            connection.execute("ROLLBACK")


def run_write(
    connection: sqlite3.Connection,
    ids: IdSource,
    epoch: RouteGeneration | None,
    work: Work[T],
    until: float,
) -> T:
    """Take the write lock until the time `until` (of `time.monotonic`), work and commit; blocks.

    Raises StoreUnavailable, OutcomeUnknown, sqlite3.Error.
    """
    _begin_immediate(connection, until)
    return finish_write(connection, ids, epoch, work)


def finish_write(
    connection: sqlite3.Connection, ids: IdSource, epoch: RouteGeneration | None, work: Work[T]
) -> T:
    """Do the work and commit; a given `epoch` (route generation) ends with this."""
    number = 0
    try:
        if epoch is not None:
            number = epoch.begin()
        before = _raise_floor(connection, ids)
        result = drive(work, SqliteTx(connection, ids))
        if ids.last != before:
            connection.execute(_KEEP_FLOOR, (ids.last,))
        _commit(connection)
        return result
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        if epoch is not None:
            epoch.end(number)


def _commit(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_IOERR:
            raise
        # It is rolled back; but who finds the log after a crash may find all of it there.
        raise OutcomeUnknown(f"a commit failed: {error}") from error


def _begin_immediate(connection: sqlite3.Connection, until: float) -> None:
    """Take the write lock; try often at first, since it is mostly held for a millisecond or two.

    SQLite's own waiting begins at 1 ms and soon sleeps 100.
    """
    began = time.monotonic()
    while not has_begun(connection):
        waited = time.monotonic() - began
        if time.monotonic() > until:
            raise StoreUnavailable("the store is locked")
        time.sleep(min(_POLL_MOST, _POLL_LEAST + waited / 8))


def has_begun(connection: sqlite3.Connection) -> bool:
    """Whether the write lock could be taken at once."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if not is_locked(error):
            raise
        return False
    return True


_FLOOR = """
    SELECT value, (SELECT value FROM store_state WHERE name = 'sealed')
    FROM store_state WHERE name = 'last_id'
"""
_KEEP_FLOOR = "UPDATE store_state SET value = ? WHERE name = 'last_id'"


def _raise_floor(connection: sqlite3.Connection, ids: IdSource) -> int:
    """Learn the highest id that any process gave; before the first migration there is none.

    Raises StoreUnavailable for a store that is sealed.
    """
    try:
        floor, sealed = next(iter(connection.execute(_FLOOR)))
    except sqlite3.OperationalError:
        return ids.last
    if sealed is not None:
        raise StoreUnavailable(SEALED)
    ids.rise_to(floor)
    return ids.last


def drive(work: Work[T], tx: SqliteTx) -> T:
    """Run `work` to its end in one go; blocks."""
    coroutine = work(tx)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("a transaction may wait on nothing but its store")

"""SQLite connections: how they are made, run in their own thread, and what their errors mean.

- Readers are query-only. A writer does not let SQLite wait for the lock, which sleeps long:
  `storage.engines.sqlite_transactions` retries itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import aiosqlite

from storage.database import T
from storage.errors import StoreDamaged, StoreFull, StoreUnavailable

PATIENCE = 5.0
_PEEK_MILLISECONDS = 100

_LOCK_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_FULL_CODES = {sqlite3.SQLITE_FULL}
_DAMAGE_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SYNC_CODES = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}
_AWAY_CODES = _LOCK_CODES | {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_PROTOCOL,
}


async def connect(path: Path, *, query_only: bool) -> aiosqlite.Connection:
    """A connection with a thread of its own."""
    connection = aiosqlite.Connection(partial(_opened, path), 64)
    connection._thread.daemon = True
    await connection
    await in_thread(connection, partial(_prepare, connection._conn, query_only))
    return connection


def open_peeker(path: Path) -> sqlite3.Connection:
    """A connection to look up with, in whatever thread; it waits a moment at most."""
    peeker = _opened(path)
    _prepare(peeker, True)
    peeker.execute(f"PRAGMA busy_timeout={_PEEK_MILLISECONDS}")
    return peeker


def open_quick(path: Path) -> sqlite3.Connection:
    """A connection to write with, in whatever thread, that never checkpoints."""
    quick = _opened(path)
    _prepare(quick, False)
    quick.execute("PRAGMA wal_autocheckpoint=0")
    return quick


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=512
    )


async def in_thread(connection: aiosqlite.Connection, call: Callable[[], T]) -> T:
    """Run `call` in the connection's own thread.

    aiosqlite has no public name for this; `tests/storage/engines/test_sqlite.py` holds it to its
    word.
    """
    return cast(T, await connection._execute(call))  # type: ignore[no-untyped-call]


def _prepare(connection: sqlite3.Connection, query_only: bool) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute(f"PRAGMA busy_timeout={int(PATIENCE * 1000)}")
    if not query_only:
        connection.execute("PRAGMA page_size=4096")
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint=4000")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA cache_size=-16000")
    if query_only:
        connection.execute("PRAGMA query_only=ON")
    else:
        connection.execute("PRAGMA busy_timeout=0")


def is_locked(error: sqlite3.Error) -> bool:
    """Whether somebody else holds the lock."""
    return error.sqlite_errorcode & 0xFF in _LOCK_CODES


def is_failed_sync(error: sqlite3.Error) -> bool:
    """Whether a sync that SQLite made failed."""
    return getattr(error, "sqlite_errorcode", 0) in _SYNC_CODES


def translated(error: sqlite3.Error) -> Exception:
    """Errors of the machine become ours; a fault in our SQL or data stays what it is."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _FULL_CODES:
        return StoreFull(str(error))
    if code in _DAMAGE_CODES:
        return StoreDamaged(str(error))
    if code in _AWAY_CODES:
        return StoreUnavailable(str(error))
    return error

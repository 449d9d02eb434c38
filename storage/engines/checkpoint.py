"""Moving what the write-ahead log holds into the store's file; runs in a connection's thread."""

from __future__ import annotations

import sqlite3

_LONG_LOG_PAGES = 4000
_RESTART_MILLISECONDS = 100
_RESCUE_MILLISECONDS = 2000


def checkpoint(connection: sqlite3.Connection) -> None:
    """Checkpoint beside readers and writers; when the log is long, let it begin anew.

    Only the short end of a restart needs the write lock, because nearly all is moved by then.
    """
    moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if moved[1] > _LONG_LOG_PAGES:
        connection.execute(f"PRAGMA busy_timeout={_RESTART_MILLISECONDS}")
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        connection.execute("PRAGMA busy_timeout=0")


def rescue(connection: sqlite3.Connection) -> bool:
    """Move all of a log that has lost its name, durably; whether all of it was moved."""
    connection.execute(f"PRAGMA busy_timeout={_RESCUE_MILLISECONDS}")
    connection.execute("PRAGMA synchronous=FULL")
    busy, pages, moved = connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
    return not busy and pages == moved

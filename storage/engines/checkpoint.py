"""Moving what the write-ahead log holds into the store's file; runs in a connection's thread."""

from __future__ import annotations

import sqlite3

_LONG_LOG_PAGES = 4000
_RESTART_MILLISECONDS = 100
_RESCUE_MILLISECONDS = 2000


def checkpoint(connection: sqlite3.Connection, restart: bool) -> bool:
    """Checkpoint beside readers and writers; whether a long log could not begin anew.

    Only the short end of a restart needs the write lock, because nearly all is moved by then. It
    waits for readers with that lock held, so a reader that stays, as a backup does, makes it wait
    in vain: then the caller leaves `restart` out for a while.
    """
    moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if not restart or moved[1] <= _LONG_LOG_PAGES:
        return False
    connection.execute(f"PRAGMA busy_timeout={_RESTART_MILLISECONDS}")
    busy = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0]
    connection.execute("PRAGMA busy_timeout=0")
    return bool(busy)


def rescue(connection: sqlite3.Connection) -> bool:
    """Move all of a log that has lost its name, durably; whether all of it was moved."""
    connection.execute(f"PRAGMA busy_timeout={_RESCUE_MILLISECONDS}")
    connection.execute("PRAGMA synchronous=FULL")
    busy, pages, moved = connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
    return not busy and pages == moved

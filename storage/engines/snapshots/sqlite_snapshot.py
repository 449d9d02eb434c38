"""A snapshot of a SQLite store in one file, by SQLite's online backup, beside running writers.

- One read transaction holds the snapshot; writers go on, and their log grows until it ends.
- The copy is made a few pages at a time, so that the command can report and be stopped.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from storage.engines.sqlite import FILE_NAME
from storage.engines.sqlite_connections import translated

_PAGES_AT_ONCE = 1024

Progress = Callable[[int, int], None]


def write_snapshot(data: Path, target: Path, progress: Progress) -> None:
    """Copy the store in `data` to the new file `target`; blocks.

    `progress` is called with the pages copied and the pages there are. The file is not synced.
    Raises StoreUnavailable, StoreFull, StoreDamaged.
    """

    def step(status: int, left: int, pages: int) -> None:
        progress(pages - left, pages)

    try:
        with (
            contextlib.closing(sqlite3.connect(data / FILE_NAME, isolation_level=None)) as source,
            contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            copy.execute("PRAGMA synchronous=OFF")
            source.execute("PRAGMA query_only=ON")
            source.execute("BEGIN")
            # The snapshot begins with the first read; without it each step could begin anew.
            source.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            source.backup(copy, pages=_PAGES_AT_ONCE, progress=step)
    except sqlite3.Error as error:
        raise translated(error) from error

"""A store opened as tables and rows, with the engine that its setting names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storage.engines.opening import EMBEDDED
from storage.engines.snapshots.tables import RowSource, RowTarget
from storage.engines.sqlite import FILE_NAME


@asynccontextmanager
async def open_source(store: str, data: Path) -> AsyncIterator[RowSource]:
    """Open a store to read all of it. Raises StoreUnavailable, StoreDamaged."""
    if store == EMBEDDED:
        from storage.engines.snapshots.sqlite_reader import open_reader

        reader = open_reader(data)
        try:
            yield reader
        finally:
            await reader.close()
        return
    from storage.engines.snapshots.postgres_snapshot import open_dump

    async with open_dump(store) as dump:
        yield dump


@asynccontextmanager
async def open_target(store: str, data: Path) -> AsyncIterator[RowTarget]:
    """Open a store, which is there, to fill it. Raises Conflict, StoreUnavailable, StoreFull."""
    if store == EMBEDDED:
        from storage.engines.snapshots.sqlite_rows import open_sqlite_rows

        async with open_sqlite_rows(data) as rows:
            yield rows
        return
    from storage.engines.snapshots.postgres_rows import open_postgres_rows

    async with open_postgres_rows(store) as filled:
        yield filled


async def has_store(store: str, data: Path) -> bool:
    """Whether there is a store, or anything in its schema. Raises StoreUnavailable."""
    if store == EMBEDDED:
        return (data / FILE_NAME).is_file()
    from storage.engines.snapshots.postgres_snapshot import has_tables

    return await has_tables(store)

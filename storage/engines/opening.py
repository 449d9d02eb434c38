"""Which engine a store has: the one place that knows there are two."""

from __future__ import annotations

from pathlib import Path

from storage.clock import Clock
from storage.database import Lookups, Reads, Store

EMBEDDED = "sqlite"


async def open_database(store: str, data: Path, clock: Clock) -> Store:
    """Open the store: `sqlite`, a file in the directory `data`, or a `postgresql://` URL.

    Raises StoreUnavailable. Where large contents lie is not known here (`storage.content.places`).
    """
    if store == EMBEDDED:
        from storage.engines.sqlite import open_sqlite

        return await open_sqlite(data, clock)
    from storage.engines.postgres import (
        open_postgres,  # a store without a server never needs psycopg
    )

    return await open_postgres(store, clock)


async def open_lookups(store: str, data: Path) -> Lookups:
    """Open the store for nothing but looking up. Raises StoreUnavailable."""
    if store == EMBEDDED:
        from storage.engines.sqlite import SqliteLookups

        return SqliteLookups.open(data)
    from storage.engines.postgres import open_postgres_lookups

    return await open_postgres_lookups(store)


async def open_to_read(store: str, data: Path) -> Reads:
    """Open the store to read it only; nothing is made or changed in the data directory.

    Raises StoreUnavailable, StoreDamaged.
    """
    if store == EMBEDDED:
        from storage.engines.snapshots.sqlite_reader import open_reader

        return open_reader(data)
    from storage.engines.postgres import open_postgres_lookups
    from storage.engines.postgres_connections import inspect

    await inspect(store)
    return await open_postgres_lookups(store)


async def damage(store: str, data: Path) -> list[str]:
    """Read every page of the database with the engine's own checks; a line for each fault."""
    if store == EMBEDDED:
        from storage.engines.snapshots.sqlite_reader import open_reader

        reader = open_reader(data)
        try:
            return await reader.page_faults()
        finally:
            await reader.close()
    from storage.engines.snapshots.postgres_snapshot import table_faults

    return await table_faults(store)

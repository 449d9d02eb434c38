"""The seal of a store that is copied: it is read as before, and takes no changes.

- The seal is a row that each write transaction looks for, in whatever process, before it does
  anything else (`storage.engines`). So what was acknowledged before it is in the copy, and nothing
  is acknowledged after it.
- It stays when the copy is complete: mail that came to the old store by mistake would be lost.
- A store into which a copy is made is sealed, too, and nobody opens it before it is complete.
"""

from __future__ import annotations

from functools import partial

from storage.clock import Clock
from storage.database import Tx
from storage.engines.opening import open_database, open_to_read
from storage.engines.snapshots.tables import RowTarget
from storage.engines.snapshots.whole_store import has_store, open_source, open_target
from storage.errors import Conflict
from storage.migrations import STEPS, copied_from, copy_begun, migrate, require_current, version
from storage.relocation.indexes import put_away_indexes
from storage.relocation.place import Place
from storage.tenant_wall import lower_walls


async def seal(source: Place, *, clock: Clock) -> int:
    """Seal a store, which is of this release; the number of its seal, new or old."""
    database = await open_database(source.store, source.data, clock)
    try:
        await require_current(database)
        found = await database.read(_seal_of)
        return found or await database.write(partial(_seal, now=clock()))
    finally:
        await database.close()


async def release(source: Place) -> bool:
    """Let a store take changes again; whether it was sealed. Raises Conflict, StoreUnavailable."""
    async with open_target(source.store, source.data) as store:
        if await copy_begun(store) is not None:
            raise Conflict("copy_begun", "a copy into this store is not complete")
        statement = "DELETE FROM store_state WHERE name = 'sealed'"
        return bool(await store.write(lambda tx: tx.execute(statement)))


async def require_free(target: Place) -> int | None:
    """The seal of the store that is being copied there; None where nothing is.

    Raises Conflict when there is a store of somebody's.
    """
    if not await has_store(target.store, target.data):
        return None
    async with open_source(target.store, target.data) as reader:
        steps = (await version(reader)).last
        begun = await copy_begun(reader)
        others = {one.name for one in await reader.all_tables()} - {"migrations"}
        if not steps and others:
            raise Conflict("not_empty", "there are tables already")
        if begun is not None and steps != len(STEPS):
            raise Conflict("not_empty", "it has a copy that another release began; empty it")
        if steps and begun is None and await reader.read(_has_tenant):
            raise Conflict("not_empty", "there is a store already")
        return begun


async def find_copied(target: Place) -> int | None:
    """The seal of the store that was copied there whole; None where none was."""
    if not await has_store(target.store, target.data):
        return None
    async with open_source(target.store, target.data) as reader:
        return await copied_from(reader)


async def make_target(target: Place, *, clock: Clock) -> None:
    """Make the tables of an empty store, or those that are missing."""
    database = await open_database(target.store, target.data, clock)
    try:
        await migrate(database, now=clock())
    finally:
        await database.close()


async def begin_copy(target: RowTarget, *, seal: int) -> None:
    """Seal an empty store, put its indexes away and its walls down; it is no store from here on."""

    async def begin(tx: Tx) -> None:
        if await _has_tenant(tx):
            raise Conflict("not_empty", "there is a store already")
        await tx.execute_many(
            "INSERT INTO store_state (name, value) VALUES (:name, :value)",
            [{"name": "sealed", "value": seal}, {"name": "copying", "value": seal}],
        )
        await put_away_indexes(tx)
        await lower_walls(tx)

    await target.write(begin)


async def read_seal(source: Place) -> int:
    """The number of the seal of a store of this release; 0 when it has none.

    Raises Conflict for one of another release, StoreUnavailable.
    """
    reader = await open_to_read(source.store, source.data)
    try:
        await require_current(reader)
        if (await version(reader)).last != len(STEPS):
            raise Conflict("other_release", "the old store was upgraded by a newer release")
        return await reader.read(_seal_of)
    finally:
        await reader.close()


async def _seal_of(tx: Tx) -> int:
    row = await tx.fetch_one("SELECT value FROM store_state WHERE name = 'sealed'")
    return int(row["value"]) if row else 0


async def _seal(tx: Tx, *, now: int) -> int:
    await tx.execute("INSERT INTO store_state (name, value) VALUES ('sealed', :now)", {"now": now})
    return now


async def _has_tenant(tx: Tx) -> bool:
    return await tx.fetch_one("SELECT 1 FROM tenants LIMIT 1") is not None

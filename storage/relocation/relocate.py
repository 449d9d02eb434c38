"""Copying a whole store to another place, on either engine, so that it can be used there instead.

- The old store is sealed first (`storage.relocation.seal`): it is read as before and takes no
  changes, so the copy is of one moment however often it is interrupted.
- The new one is an empty place, or one in which this very copy was begun. It is no store for
  anybody until its last step, one transaction.
- That step leaves the number of the seal, so a copy whose last answer was lost is known as complete
  when it is asked for again, also while the new store is in use.
- Every row is the same but for where large contents lie (`storage.relocation.large_contents`) and
  what the engines keep differently (`storage.relocation.rows`). Positions of jobs are rows: nothing
  is parsed or notified twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from storage import cursors
from storage.clock import Clock
from storage.content.message_bytes import ContentDirectory
from storage.database import Tx
from storage.engines.snapshots.tables import RowSource, RowTarget
from storage.engines.snapshots.whole_store import open_source, open_target
from storage.errors import Conflict, StoreDamaged
from storage.index.copy_index import index_all_copies
from storage.migrations import COPIED_FROM
from storage.relocation.indexes import TABLE as INDEXES
from storage.relocation.indexes import make_indexes
from storage.relocation.large_contents import (
    CopiedContents,
    copy_large_contents,
    count_large_contents,
)
from storage.relocation.place import Place
from storage.relocation.rows import (
    Progress,
    copy_rows,
    copy_search_index,
    count_rows,
    is_copied,
    tables_to_copy,
)
from storage.relocation.seal import (
    begin_copy,
    find_copied,
    make_target,
    read_seal,
    require_free,
    seal,
)
from storage.tenant_wall import raise_walls

# Each store has its own: a number for its objects, its backups, what is not filed, its steps.
_OWN_STATE = {
    *("content_store", "last_backup", "unfiled"),
    *("vouched_step", "oldest_step"),
    *("sealed", "copying", COPIED_FROM),
}
_SEARCH = "search_documents"


@dataclass(frozen=True, slots=True)
class CopyReport:
    """The rows of each table in the new store, and its large contents.

    `was_complete`: it was made before, and nothing was done now.
    """

    rows: Mapping[str, int]
    contents: CopiedContents
    was_complete: bool = False


async def copy_store(
    source: Place,
    target: Place,
    *,
    clock: Clock,
    old_contents: Callable[[RowSource], ContentDirectory],
    new_contents: Callable[[RowTarget], ContentDirectory],
    progress: Progress,
) -> CopyReport:
    """Seal a store and copy it, or go on with that.

    Raises Conflict when the target is not free or the copy in it is of another moment,
    StoreUnavailable, StoreFull, StoreDamaged.
    """
    sealed = await read_seal(source)
    if sealed and await find_copied(target) == sealed:
        return await _report_of(source)
    begun = await require_free(target)
    number = await seal(source, clock=clock)
    if begun is None:
        await make_target(target, clock=clock)
    elif begun != number:
        raise Conflict(
            "not_empty", "it has a copy from before the old store last changed; empty it"
        )
    async with (
        open_source(source.store, source.data) as old,
        open_target(target.store, target.data) as new,
    ):
        if begun is None:
            await begin_copy(new, seal=number)
        counts = await _copy_rows(old, new, progress)
        contents = new_contents(new)
        contents.prepare()
        large = await copy_large_contents(
            old,
            new,
            old=old_contents(old),
            new=contents,
            progress=lambda found: progress("large contents", found.count, found.count),
        )
        await _make_the_rest(new, counts, progress)
        if await read_seal(source) != number:
            raise Conflict("released", "the old store was released meanwhile; empty the new one")
        await new.write(partial(_open, state=await old.read(_state), seal=number))
    return CopyReport(counts, large)


async def _copy_rows(old: RowSource, new: RowTarget, progress: Progress) -> dict[str, int]:
    tables = await tables_to_copy(old, new)
    names = [*(table.name for table in tables), _SEARCH]
    counts = {name: await old.read(partial(count_rows, table=name)) for name in names}
    for table in tables:
        await copy_rows(old, new, table, counts[table.name], progress)
    await copy_search_index(old, new, counts[_SEARCH], progress)
    return counts


async def _make_the_rest(new: RowTarget, counts: Mapping[str, int], progress: Progress) -> None:
    """Make what is not copied, compare, and put all of it on stable storage."""
    progress("order of copies", 0, 1)
    await new.write(index_all_copies)
    await make_indexes(new, lambda done, total: progress("indexes", done, total))
    for name, count in counts.items():
        found = await new.read(partial(count_rows, table=name))
        if found != count:
            raise StoreDamaged(f"the new store has {found} rows of {name}, not {count}")
    await new.settle()


async def _state(tx: Tx) -> dict[str, int]:
    rows = await tx.fetch_all("SELECT name, value FROM store_state")
    return {row["name"]: row["value"] for row in rows if row["name"] not in _OWN_STATE}


async def _report_of(source: Place) -> CopyReport:
    """Tell what was copied of a store that has not changed since."""
    async with open_source(source.store, source.data) as old:
        names = [table.name for table in await old.all_tables() if is_copied(table.name)]
        rows = {name: await old.read(partial(count_rows, table=name)) for name in (*names, _SEARCH)}
        return CopyReport(rows, await count_large_contents(old), was_complete=True)


async def _open(tx: Tx, *, state: Mapping[str, int], seal: int) -> None:
    await tx.execute_many(
        """
        INSERT INTO store_state (name, value) VALUES (:name, :value)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value
        """,
        [{"name": name, "value": value} for name, value in {**state, COPIED_FROM: seal}.items()],
    )
    await cursors.adopt(tx)
    await tx.execute(f"DROP TABLE {INDEXES}")
    await raise_walls(tx)
    await tx.execute("DELETE FROM store_state WHERE name IN ('sealed', 'copying')")

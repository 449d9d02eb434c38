"""The rows of a store that is copied, table by table, in the order of their keys.

- A table of the new store says itself how far it is filled: rows are added in order, in
  transactions of about half a second. So a copy that was killed goes on behind the last of them.
- Things that the engines keep differently are made anew, never copied as they are: indexes,
  the full-text index, the order of copies. A table that only one engine has must be named here.
- While a page is written the next one is read; no more than two are in memory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial

from storage.database import Reads, T, Tx
from storage.engines.snapshots.tables import RowSource, RowTarget, Table
from storage.errors import Conflict
from storage.index.full_text import entries_after, index_in_order, last_entry
from storage.index.words import Entry
from storage.relocation.indexes import TABLE as INDEXES

# What is made anew, or belongs to the store itself.
_NOT_COPIED = {
    INDEXES,
    "migrations",
    "store_state",
    "route_leases",
    "content_pieces",
    "object_checksums",
    "search_documents",
    "search_texts",
    "filed_copies",
    "filing",
    "filings",
    "unread_blocks",
}
_TRANSACTION_SECONDS = 0.5
_ENTRIES = 64

Progress = Callable[[str, int, int], None]


def is_copied(table: str) -> bool:
    """Whether the rows of a table are copied as they are."""
    return table not in _NOT_COPIED


async def tables_to_copy(source: RowSource, target: RowTarget) -> list[Table]:
    """The tables of the new store whose rows are copied. Raises Conflict when they differ."""
    old = {one.name: one for one in await source.all_tables() if is_copied(one.name)}
    new = [one for one in await target.all_tables() if is_copied(one.name)]
    for one in new:
        other = old.pop(one.name, None)
        if other is None or {*other.columns} != {*one.columns} or other.key != one.key:
            raise Conflict(
                "other_tables", f"the table {one.name} is another one in the other store"
            )
    if old:
        raise Conflict("other_tables", f"the new store has no table {min(old)}")
    return new


async def copy_rows(
    source: RowSource, target: RowTarget, table: Table, total: int, progress: Progress
) -> None:
    """Copy the rows of a table that the new store does not have yet."""
    done = await target.read(partial(count_rows, table=table.name))
    progress(table.name, done, total)
    if done == total:
        return
    after = await target.read(partial(_last_key, table=table))
    async with aclosing(_ahead(source.pages(table, table.columns, after))) as pages:
        page = await anext(pages, None)
        while page:
            until = time.monotonic() + _TRANSACTION_SECONDS
            async with target.adding(table) as add:
                while page:
                    await add(page)
                    done += len(page)
                    page = await anext(pages, None)
                    if time.monotonic() > until:
                        break
            progress(table.name, done, total)


async def copy_search_index(
    source: RowSource, target: RowTarget, total: int, progress: Progress
) -> None:
    """Copy the words of all messages that the new store does not have yet."""
    done = await target.read(partial(count_rows, table="search_documents"))
    after = await target.read(last_entry)
    async with aclosing(_ahead(_entries(source, after))) as pages:
        async for page in pages:
            progress("search", done, total)
            await target.write(partial(index_in_order, entries=page))
            done += len(page)


async def _entries(source: Reads, after: bytes) -> AsyncGenerator[list[Entry], None]:
    while found := await source.read(partial(entries_after, message_id=after, limit=_ENTRIES)):
        after = found[-1][0]
        yield found


async def _ahead(pages: AsyncGenerator[list[T], None]) -> AsyncGenerator[list[T], None]:
    """The same pages, each read while the one before it is used."""
    async with aclosing(pages):
        coming = asyncio.create_task(_next(pages))
        try:
            while page := await coming:
                coming = asyncio.create_task(_next(pages))
                yield page
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _next(pages: AsyncGenerator[list[T], None]) -> list[T]:
    return await anext(pages, [])


async def count_rows(tx: Tx, *, table: str) -> int:
    """Count the rows of a table."""
    row = await tx.fetch_one(f"SELECT COUNT(*) AS count FROM {table}")
    return int(row["count"]) if row else 0


async def _last_key(tx: Tx, *, table: Table) -> Sequence[object]:
    keys = ", ".join(table.key)
    order = ", ".join(f"{name} DESC" for name in table.key)
    row = await tx.fetch_one(f"SELECT {keys} FROM {table.name} ORDER BY {order} LIMIT 1")
    return () if row is None else [row[name] for name in table.key]

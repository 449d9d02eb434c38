"""The large contents of a store that is copied: to where the new store puts those that come.

- Each keeps its content id, so a copy that was interrupted is made again under the same name.
- It is compared with its SHA-256 on the way. The row of the new store names the copy once that is
  durable.
- Two stores never share an object.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial

from storage.content.message_bytes import (
    Content,
    ContentDamaged,
    ContentDirectory,
    content_name,
    is_file,
)
from storage.content.object_store import SCHEME as OBJECTS
from storage.database import Reads, Tx
from storage.engines.snapshots.tables import RowTarget
from storage.maintenance.content_move import large_after

_TABLES = {"contents": "message_id", "uploads": "upload_id"}


@dataclass(slots=True)
class CopiedContents:
    """Large contents that are in the new store, their octets, and the faults of the others."""

    count: int = 0
    octets: int = 0
    faults: list[str] = field(default_factory=list)


async def count_large_contents(source: Reads) -> CopiedContents:
    """Count those of a store, without reading them."""
    report = CopiedContents()
    async for _, content in _large_in(source):
        report.count += 1
        report.octets += content.size
    return report


async def copy_large_contents(
    source: Reads,
    target: RowTarget,
    *,
    old: ContentDirectory,
    new: ContentDirectory,
    progress: Callable[[CopiedContents], None],
) -> CopiedContents:
    """Copy all that the new store does not have yet. Raises StoreFull, StoreUnavailable."""
    report = CopiedContents()
    async for row, content in _large_in(source):
        if not await _is_there(target, new, row, content):
            try:
                await _copy(target, row, content, old=old, new=new)
            except ContentDamaged as error:
                report.faults.append(f"content {content.file}: {error}")
        report.count += 1
        report.octets += content.size
        progress(report)
    return report


async def _large_in(source: Reads) -> AsyncIterator[tuple[_Row, Content]]:
    """Walk the large contents of a store, each with the row that names it."""
    for table, key in _TABLES.items():
        after = ""
        while page := await source.read(partial(large_after, after=after, table=table, key=key)):
            for row_id, content in page:
                after = content.file or ""
                yield _Row(table, key, row_id), content


@dataclass(frozen=True, slots=True)
class _Row:
    """A row that names a content: its table, the column of its key, and its key."""

    table: str
    key: str
    row_id: bytes


async def _is_there(target: RowTarget, new: ContentDirectory, row: _Row, content: Content) -> bool:
    async def location(tx: Tx) -> str:
        found = await tx.fetch_one(
            f"SELECT file FROM {row.table} WHERE {row.key} = :row_id", {"row_id": row.row_id}
        )
        assert found is not None
        return str(found["file"])

    named = await target.read(location)
    if named != content.file:  # a row names a copy that is complete
        return True
    if named.startswith(OBJECTS) or not new.is_in_place(named):
        return False
    if is_file(named):
        with contextlib.suppress(FileNotFoundError):
            return (new.files / named).stat().st_size == content.size
        return False
    return new.elsewhere is not None and await new.elsewhere.fault(content) is None


async def _copy(
    target: RowTarget,
    row: _Row,
    content: Content,
    *,
    old: ContentDirectory,
    new: ContentDirectory,
) -> None:
    """Raises ContentDamaged; the row then names a content that is missing."""
    assert content.file is not None
    digits = re.split("[/:]", content.file.partition("?")[0])[-1]
    content_id = bytes.fromhex(digits)
    new.new_spool(content_id).discard()
    await target.write(partial(_forget, content_id=content_id))
    try:
        async with contextlib.aclosing(old.chunks(content)) as chunks:
            copied = await new.take(content, chunks, content_id)
    except ContentDamaged:
        if content.file.startswith(OBJECTS):
            await target.write(partial(_name, row=row, file=content_name(digits)))
        raise
    await target.write(partial(_name, row=row, file=copied.file or ""))


async def _name(tx: Tx, *, row: _Row, file: str) -> None:
    await tx.execute(
        f"UPDATE {row.table} SET file = :file WHERE {row.key} = :row_id",
        {"file": file, "row_id": row.row_id},
    )


async def _forget(tx: Tx, *, content_id: bytes) -> None:
    """Remove what an interrupted copy of a content left in the database."""
    for table in ("content_pieces", "object_checksums"):
        await tx.execute(
            f"DELETE FROM {table} WHERE content_id = :content_id", {"content_id": content_id}
        )

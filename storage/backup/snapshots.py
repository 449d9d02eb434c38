"""A snapshot of either engine, as a backup takes it: pieces of the database, and content files.

- The snapshot is one moment of the store; whatever it names must be in the backup.
- `contents` are the files that the snapshot names, with their SHA-256 in hex.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storage.backup.manifest import TablePieces
from storage.backup.pieces import Piece, PieceWriter, RowCutter, by_size
from storage.database import QuickReads, Row, Tx
from storage.engines.opening import EMBEDDED
from storage.engines.snapshots.sqlite_reader import open_reader
from storage.engines.snapshots.sqlite_snapshot import write_snapshot
from storage.engines.snapshots.tables import Table
from storage.engines.sqlite import FILE_NAME

if TYPE_CHECKING:  # a store without a server never needs psycopg
    from storage.engines.snapshots.postgres_snapshot import Dump

Contents = dict[str, str]
Progress = Callable[[int, int], None]
FetchAll = Callable[[str], Awaitable[list[Row]]]

# Those in the database are in its pieces.
_CONTENTS = """
    SELECT file, sha256 FROM contents WHERE file IS NOT NULL AND file NOT LIKE 'database:%'
"""
_UPLOADS = "SELECT file, sha256 FROM uploads WHERE file NOT LIKE 'database:%'"
# A store of an older release, which has no uploads, is backed up before its upgrade.
_HAS_UPLOADS = "SELECT 1 FROM migrations WHERE name LIKE '%drafts'"
_SCHEMA = "SELECT COALESCE(MAX(number), 0) AS number FROM migrations"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The database of one moment, cut into pieces."""

    engine: str
    schema: int
    tables: tuple[TablePieces, ...]
    contents: Contents


async def take_snapshot(
    store: str, data: Path, writer: PieceWriter, scratch: Path, progress: Progress
) -> Snapshot:
    """Take the database at this moment into pieces. Raises StoreUnavailable, StoreFull.

    `scratch` is a file name on the file system of the backup, which is used meanwhile.
    """
    if store == EMBEDDED:
        return await _of_sqlite(data, writer, scratch, progress)
    return await _of_postgres(store, writer)


def log_of(store: str, data: Path) -> Path | None:
    """The write-ahead log of a store that is a file; it grows while mail is written."""
    return data / f"{FILE_NAME}-wal" if store == EMBEDDED else None


async def present_contents(store: str, data: Path) -> Contents:
    """The content files that the store names now. Raises StoreUnavailable."""
    if store == EMBEDDED:
        reader = open_reader(data)
        try:
            return await _contents(reader)
        finally:
            await reader.close()
    from storage.engines.snapshots.postgres_snapshot import open_dump

    async with open_dump(store) as dump:
        return await _named_files(dump.fetch_all)


async def _of_sqlite(
    data: Path, writer: PieceWriter, scratch: Path, progress: Progress
) -> Snapshot:
    scratch.unlink(missing_ok=True)
    try:
        await asyncio.to_thread(write_snapshot, data, scratch, progress)
        reader = open_reader(scratch.parent, scratch.name)
        try:
            contents, schema = await _contents(reader), await _schema(reader)
        finally:
            await reader.close()
        pieces = await asyncio.to_thread(_cut, writer, by_size(scratch), "")
    finally:
        scratch.unlink(missing_ok=True)
    return Snapshot("sqlite", schema, (TablePieces("", (), pieces),), contents)


async def _of_postgres(store: str, writer: PieceWriter) -> Snapshot:
    from storage.engines.snapshots.postgres_snapshot import open_dump

    async with open_dump(store) as dump:
        tables = [await _table(dump, table, writer) for table in dump.tables]
        contents = await _named_files(dump.fetch_all)
        (row,) = await dump.fetch_all(_SCHEMA)
    return Snapshot("postgres", row["number"], tuple(tables), contents)


async def _table(dump: Dump, table: Table, writer: PieceWriter) -> TablePieces:
    pieces: list[Piece] = []
    cutter = RowCutter()
    async for row in dump.rows(table):
        if data := cutter.add(row):
            pieces += await asyncio.to_thread(_cut, writer, [data], f"{table.name}/", len(pieces))
    if data := cutter.rest():
        pieces += await asyncio.to_thread(_cut, writer, [data], f"{table.name}/", len(pieces))
    return TablePieces(table.name, table.columns, tuple(pieces))


def _cut(
    writer: PieceWriter, pieces: Iterable[bytes], folder: str, first: int = 0
) -> tuple[Piece, ...]:
    return tuple(
        writer.add(f"database/{folder}{number:06d}", data)
        for number, data in enumerate(pieces, first)
    )


async def _contents(reader: QuickReads) -> Contents:
    async def work(tx: Tx) -> Contents:
        return await _named_files(tx.fetch_all)

    return await reader.read_quick(work)


async def _schema(reader: QuickReads) -> int:
    async def work(tx: Tx) -> Row | None:
        return await tx.fetch_one(_SCHEMA)

    row = await reader.read_quick(work)
    return row["number"] if row else 0


async def _named_files(fetch_all: FetchAll) -> Contents:
    rows = await fetch_all(_CONTENTS)
    if await fetch_all(_HAS_UPLOADS):
        rows += await fetch_all(_UPLOADS)
    return {row["file"]: bytes(row["sha256"]).hex() for row in rows}

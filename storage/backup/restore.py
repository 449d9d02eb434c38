"""Restoring a backup into an empty place.

- Every piece is compared with its SHA-256 before it is used; all faults are told, not the first.
- Nothing is overwritten: the data directory, and on PostgreSQL the schema, must be empty.
- The database gets its name last, so an interrupted restore is no store.
- Objects of the store that was backed up become files: two stores never share an object.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from storage.backup.manifest import Manifest, TablePieces, complete_backups, read_manifest
from storage.backup.pieces import Piece, digested, read_piece, translating, write_synced
from storage.clock import Clock
from storage.content.object_store import file_name_of, forget_store_number
from storage.database import Tx
from storage.disk import sync_directory
from storage.engines.opening import EMBEDDED, open_database
from storage.engines.snapshots.tables import Table
from storage.engines.sqlite import FILE_NAME
from storage.errors import BackupUnusable, Conflict
from storage.migrations import STEPS, migrate_to

_RESTORING = FILE_NAME + ".restoring"


def find_backup(directory: Path) -> Path:
    """The backup that `directory` is, or the newest one in it. Raises BackupUnusable."""
    if (directory / "manifest.json").is_file():
        return directory
    found = complete_backups(directory)
    if not found:
        raise BackupUnusable(f"there is no complete backup in {directory}")
    return found[-1]


async def restore_backup(store: str, data: Path, backup: Path, *, clock: Clock) -> Manifest:
    """Put the store of `backup` into `data` and `store`, which are empty; its manifest.

    Raises Conflict when they are not empty or the engine is another one, BackupUnusable when a
    piece is damaged or it is of a newer release, StoreUnavailable, StoreFull.
    """
    manifest = read_manifest(backup)
    engine = "sqlite" if store == EMBEDDED else "postgres"
    if manifest.engine != engine:
        raise Conflict("other_engine", f"the backup is of {manifest.engine}, the store is {engine}")
    if manifest.schema > len(STEPS):
        raise BackupUnusable("it was written by a newer release of Postroom")
    if data.is_dir() and any(data.iterdir()):
        raise Conflict("not_empty", f"{data} is not empty")
    if store != EMBEDDED and await _has_tables(store):
        raise Conflict("not_empty", "the schema of the store has tables already")
    await asyncio.to_thread(_check, backup, manifest)
    await asyncio.to_thread(_contents, backup, data, manifest)
    if store == EMBEDDED:
        await asyncio.to_thread(_sqlite, backup, data, manifest)
    else:
        await _postgres(store, data, backup, manifest, clock)
    await _name_files(store, data, clock)
    return manifest


def _check(backup: Path, manifest: Manifest) -> None:
    """Raises BackupUnusable with the name of every piece that is missing or damaged."""
    wrong = [piece.name for piece in manifest.pieces if not _is_intact(backup, piece)]
    if wrong:
        raise BackupUnusable("missing or damaged in it: " + ", ".join(wrong))


def _is_intact(backup: Path, piece: Piece) -> bool:
    digest = hashlib.sha256()
    try:
        with (backup / piece.name).open("rb") as source:
            for _ in digested(source, digest):
                pass
    except OSError:
        return False
    return digest.hexdigest() == piece.sha256


def _contents(backup: Path, data: Path, manifest: Manifest) -> None:
    with translating(str(data)):
        for directory in (data, data / "content", data / "spool"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for piece in manifest.contents:
            with (backup / piece.name).open("rb") as source:
                write_synced(data / piece.name, digested(source, hashlib.sha256()))
        for folder, _, _ in os.walk(data, topdown=False):
            sync_directory(Path(folder))


def _sqlite(backup: Path, data: Path, manifest: Manifest) -> None:
    (table,) = manifest.tables
    with translating(str(data)):
        write_synced(data / _RESTORING, _pieces(backup, table))
        (data / _RESTORING).rename(data / FILE_NAME)
        sync_directory(data)


async def _postgres(store: str, data: Path, backup: Path, manifest: Manifest, clock: Clock) -> None:
    database = await open_database(store, data, clock)
    try:
        await migrate_to(database, manifest.schema, now=clock())
    finally:
        await database.close()
    from storage.engines.snapshots.postgres_snapshot import load

    await load(
        store,
        {Table(one.name, one.columns, ()): _pieces(backup, one) for one in manifest.tables},
    )


async def _name_files(store: str, data: Path, clock: Clock) -> None:
    """Name the files that were objects, and leave the objects to the store that was backed up."""
    database = await open_database(store, data, clock)
    try:
        await database.write(_leave_objects)
    finally:
        await database.close()


async def _leave_objects(tx: Tx) -> None:
    await forget_store_number(tx)
    if await tx.fetch_one(_MAY_HAVE_OBJECTS) is None:
        return
    for table in ("contents", "uploads"):
        objects = await tx.fetch_all(f"SELECT file FROM {table} WHERE file LIKE 's3:%'")
        await tx.execute_many(
            f"UPDATE {table} SET file = :file WHERE file IS NOT NULL AND file = :location",
            [{"location": row["file"], "file": file_name_of(row["file"])} for row in objects],
        )
    await tx.execute("DELETE FROM object_checksums")


_MAY_HAVE_OBJECTS = "SELECT 1 FROM migrations WHERE name LIKE '%content_places'"


async def _has_tables(store: str) -> bool:
    from storage.engines.snapshots.postgres_snapshot import has_tables

    return await has_tables(store)


def _pieces(backup: Path, table: TablePieces) -> Iterator[bytes]:
    """The octets of a table. Raises BackupUnusable for a piece that changed meanwhile."""
    for piece in table.pieces:
        data = read_piece(backup, piece)
        if data is None:
            raise BackupUnusable(f"missing or damaged in it: {piece.name}")
        yield data

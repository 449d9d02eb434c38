"""Making a backup beside a running server: a directory that holds one moment of the store.

- Content files are copied before the snapshot is taken, and further ones that it names after it. A
  file that was deleted in between is no fault: then a new snapshot is taken.
- An object is fetched and stored as the file that it would be; one of the last backup is linked.
- A backup is made under another name and gets its own when its manifest is on stable storage.
- Files equal to those of the last backup are linked, so each directory is whole by itself and any
  of them may be removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from storage.backup.manifest import Manifest, complete_backups, read_manifest, write_manifest
from storage.backup.pace import Pace
from storage.backup.pieces import Piece, PieceWriter, Written, translating
from storage.backup.snapshots import Contents, Snapshot, log_of, present_contents, take_snapshot
from storage.clock import Clock, rfc3339
from storage.content.message_bytes import ContentDamaged, is_file
from storage.content.object_store import file_name_of
from storage.database import Database, Tx
from storage.disk import sync_directory
from storage.errors import BackupUnusable, Conflict, StorageError

_TRIES = 5
_PARTIAL = ".partial"

Progress = Callable[[str, int, int], None]
Fetch = Callable[[str], AbstractAsyncContextManager[Path]]


@dataclass(frozen=True, slots=True)
class BackupReport:
    """Where the backup is, what was written for it, and what the store could not give."""

    path: Path
    manifest: Manifest
    octets: Written


def _no_objects(location: str) -> AbstractAsyncContextManager[Path]:
    raise FileNotFoundError(location)


@dataclass(slots=True)
class _Contents:
    """Large contents that are in the backup, and those that cannot be, by their location."""

    writer: PieceWriter
    files: Path
    fetch: Fetch
    progress: Progress
    kept: dict[str, Piece] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)

    async def keep(self, wanted: Contents) -> None:
        """Take the contents that are not in the backup yet."""
        new = [location for location in sorted(wanted) if location not in self.kept]
        for number, location in enumerate(new):
            self.progress("contents", number, len(new))
            try:
                piece = await self._piece(location, wanted[location])
            except (FileNotFoundError, ContentDamaged):
                piece = None
            if piece is None:
                self.damaged.add(location)
            else:
                self.kept[location] = piece
                self.damaged.discard(location)

    async def _piece(self, location: str, sha256: str) -> Piece | None:
        add = self.writer.add_file
        if is_file(location):
            name = f"content/{location}"
            return await asyncio.to_thread(add, name, self.files / location, sha256)
        name = f"content/{file_name_of(location)}"
        shared = await asyncio.to_thread(self.writer.link, name, sha256)
        if shared is not None:
            return shared
        async with self.fetch(location) as path:
            return await asyncio.to_thread(add, name, path, sha256)


async def make_backup(
    store: str,
    data: Path,
    target: Path,
    *,
    clock: Clock,
    release: str,
    progress: Progress,
    fetch: Fetch = _no_objects,
) -> BackupReport:
    """Back the store up into a new directory below `target`.

    `fetch` gives the file of a content that is neither in the database nor in `data`.

    Raises StoreUnavailable, StoreFull, StoreDamaged, BackupUnusable, and Conflict when another
    backup is being made there.
    """
    with _only_one(target):
        last, pieces = _last_backup(target)
        partial = target / _PARTIAL
        shutil.rmtree(partial, ignore_errors=True)
        began_at = clock()
        pace = Pace(log_of(store, data))
        writer = PieceWriter(partial, last, pieces, pace)
        with translating(str(partial)):
            partial.mkdir(mode=0o700)
        contents = _Contents(writer, data / "content", fetch, progress)
        snapshot = await _consistent(store, data, contents, partial, pace)
        manifest = Manifest(
            engine=snapshot.engine,
            schema=snapshot.schema,
            release=release,
            began_at=began_at,
            ended_at=clock(),
            tables=snapshot.tables,
            contents=tuple(
                contents.kept[name] for name in sorted(snapshot.contents) if name in contents.kept
            ),
            faults=tuple(
                f"content {name} is missing or is not what was stored"
                for name in sorted(contents.damaged & set(snapshot.contents))
            ),
        )
        path = await asyncio.to_thread(_complete, partial, target, manifest)
    return BackupReport(path, manifest, writer.octets)


async def _consistent(
    store: str, data: Path, contents: _Contents, partial: Path, pace: Pace
) -> Snapshot:
    """A snapshot whose contents are all kept, or noted as damaged."""

    def copied(done: int, pages: int) -> None:
        contents.progress("database", done, pages)
        pace.rest_with_snapshot()

    for tries_left in range(_TRIES - 1, -1, -1):
        await contents.keep(await present_contents(store, data))
        snapshot = await take_snapshot(
            store,
            data,
            contents.writer,
            partial / "snapshot.db",
            copied,
        )
        await contents.keep(snapshot.contents)
        missing = contents.damaged & set(snapshot.contents)
        if not missing:
            break
        # A file may be gone because its last copy was deleted since the snapshot.
        deleted = missing - set(await present_contents(store, data))
        if not deleted or not tries_left:
            break
        contents.damaged -= deleted
        shutil.rmtree(partial / "database", ignore_errors=True)
    return snapshot


def _last_backup(target: Path) -> tuple[Path | None, list[Piece]]:
    """The newest backup whose manifest can be read; what is shared with it need not be written."""
    for path in reversed(complete_backups(target)):
        with contextlib.suppress(StorageError):
            return path, read_manifest(path).pieces
    return None, []


def _complete(partial: Path, target: Path, manifest: Manifest) -> Path:
    with translating(str(partial)):
        for folder, _, _ in os.walk(partial, topdown=False):
            sync_directory(Path(folder))
        write_manifest(partial, manifest)
        name = rfc3339(manifest.began_at)[:19].replace(":", "-") + "Z"
        path = target / name
        number = 1
        while path.exists():
            number += 1
            path = target / f"{name}-{number}"
        partial.rename(path)
        sync_directory(target)
    return path


@contextlib.contextmanager
def _only_one(target: Path) -> Iterator[None]:
    """Hold the lock of a directory of backups. Raises Conflict, BackupUnusable."""
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(target / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BackupUnusable(f"cannot write to {target}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("backup_running", f"another backup is made in {target}") from None
        yield
    finally:
        os.close(descriptor)


def remove_older(target: Path, keep: int) -> list[Path]:
    """Remove all but the newest `keep` backups in `target`; those that were removed."""
    with _only_one(target):
        gone = complete_backups(target)[: -max(keep, 1)]
        for path in gone:
            shutil.rmtree(path)
    return gone


async def record_backup(database: Database, *, now: int) -> None:
    """Remember in the store that a good backup was made at `now`; `/metrics` shows its age."""

    async def work(tx: Tx) -> None:
        await tx.execute(
            """
            INSERT INTO store_state (name, value) VALUES ('last_backup', :now)
            ON CONFLICT (name) DO UPDATE SET value = excluded.value
            """,
            {"now": now},
        )

    await database.write(work)

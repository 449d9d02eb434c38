"""The manifest of a backup: what it holds, with a checksum of itself; written last.

- A directory without a manifest is no backup: it was interrupted.
- `schema` is the number of the last migration, `pieces` are the database in order, `contents` the
  message files by their name in the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from storage.backup.pieces import Piece, write_synced
from storage.disk import sync_directory
from storage.errors import BackupUnusable

FILE_NAME = "manifest.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class TablePieces:
    """The pieces of one table, with the columns of its rows. SQLite has one, without a name."""

    name: str
    columns: tuple[str, ...]
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup. `began_at` and `ended_at` are microseconds since the epoch."""

    engine: str
    schema: int
    release: str
    began_at: int
    ended_at: int
    tables: tuple[TablePieces, ...]
    contents: tuple[Piece, ...]
    faults: tuple[str, ...] = ()
    format: int = field(default=FORMAT)

    @property
    def pieces(self) -> list[Piece]:
        """All files of the backup but the manifest."""
        return [piece for table in self.tables for piece in table.pieces] + [*self.contents]


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write it to stable storage, as the last file of the backup; blocks. Raises OSError."""
    body = orjson.dumps(asdict(manifest), option=orjson.OPT_SORT_KEYS)
    sealed = {"manifest": orjson.Fragment(body), "sha256": hashlib.sha256(body).hexdigest()}
    write_synced(directory / FILE_NAME, (orjson.dumps(sealed),))
    sync_directory(directory)


def read_manifest(directory: Path) -> Manifest:
    """Raises BackupUnusable when there is none, or when it is not what was written."""
    path = directory / FILE_NAME
    try:
        sealed = orjson.loads(path.read_bytes())
        body = orjson.dumps(sealed["manifest"], option=orjson.OPT_SORT_KEYS)
        intact = hashlib.sha256(body).hexdigest() == sealed["sha256"]
    except OSError as error:
        raise BackupUnusable(f"{path}: {error.strerror}") from error
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise BackupUnusable(f"{path} is not a manifest") from error
    if not intact:
        raise BackupUnusable(f"{path} is not what was written")
    if sealed["manifest"]["format"] > FORMAT:
        raise BackupUnusable(f"{path} was written by a newer release of Postroom")
    return _manifest(sealed["manifest"])


def complete_backups(directory: Path) -> list[Path]:
    """The backups in `directory` that have a manifest, oldest first."""
    return sorted(path.parent for path in directory.glob(f"[0-9]*/{FILE_NAME}"))


def _manifest(record: dict[str, Any]) -> Manifest:
    tables = tuple(
        TablePieces(one["name"], tuple(one["columns"]), _pieces(one["pieces"]))
        for one in record["tables"]
    )
    rest = record | {
        "tables": tables,
        "contents": _pieces(record["contents"]),
        "faults": tuple(record["faults"]),
    }
    return Manifest(**rest)


def _pieces(records: Sequence[dict[str, Any]]) -> tuple[Piece, ...]:
    return tuple(Piece(one["name"], one["sha256"], one["size"]) for one in records)

"""Files that lie within a part, as in winmail.dat."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m019_inner_files(tx: Tx) -> None:
    """Tell how many octets of a decoded part come before its file."""
    await run_schema(tx, "ALTER TABLE attachments ADD COLUMN part_skip {int64} NOT NULL DEFAULT 0")

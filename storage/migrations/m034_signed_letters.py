"""Files that lie within what is signed, in a letter that is signed as a whole."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m034_signed_letters(tx: Tx) -> None:
    """Tell the way from a part on to the file: JSON, empty where the part is the file."""
    await run_schema(tx, "ALTER TABLE attachments ADD COLUMN part_steps {text} NOT NULL DEFAULT ''")

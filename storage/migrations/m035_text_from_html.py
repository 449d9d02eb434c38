"""Whether the text of a message was made from its HTML, or is its own."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m035_text_from_html(tx: Tx) -> None:
    """Say of text that is stored already that it was made from HTML: nearly all of it was."""
    await run_schema(tx, "ALTER TABLE bodies ADD COLUMN text_from_html INTEGER NOT NULL DEFAULT 1")

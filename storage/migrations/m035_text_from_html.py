"""Whether the text of a message was made from its HTML, or is its own."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m035_text_from_html(tx: Tx) -> None:
    """Take text that is kept for made from HTML: none other was, but of packed letters."""
    await run_schema(tx, "ALTER TABLE bodies ADD COLUMN text_from_html INTEGER NOT NULL DEFAULT 1")

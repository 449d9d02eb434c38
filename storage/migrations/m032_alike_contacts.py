"""An index of cards by name and text: which card of a book a card of a file is."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m032_alike_contacts(tx: Tx) -> None:
    """Find the cards of one name that say the same; thousands may have one name."""
    await run_schema(tx, _INDEX)


# 300 signs: what PostgreSQL takes into an index has a limit, and they tell nearly all cards apart.
_INDEX = """
CREATE INDEX contacts_by_text
    ON contacts (inbox_id, sort_key, substr(search, 1, 300), contact_id)
"""

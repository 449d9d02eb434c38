"""Columns and indexes for a page: unread mail, changes of copies, shared read state."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m021_page(tx: Tx) -> None:
    """Index the few copies that a count or a filter is about, whatever the folder holds."""
    copies = "filed_copies" if tx.dialect["engine"] == "sqlite" else "copies"
    await run_schema(tx, _SCHEMA.replace("COPIES", copies))


# The mark is in each index, too: of two that fit, a planner without statistics takes the one with
# more columns that are given.
# Lists of before show nobody what their members have read, until an admin says so.
_SCHEMA = """
ALTER TABLE lists ADD COLUMN share_read_state INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN message_ids {bytes};
CREATE INDEX copies_unread ON COPIES (inbox_id, folder, is_read, message_id, route)
    WHERE is_read = 0;
CREATE INDEX copies_flagged ON COPIES (inbox_id, folder, is_flagged, message_id)
    WHERE is_flagged = 1
"""

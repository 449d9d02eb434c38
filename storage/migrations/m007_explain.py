"""What explains a delivery later: by which rule a route was found, what was not done, and why."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m007_explain(tx: Tx) -> None:
    """Make room for what nobody could find out afterwards."""
    await run_schema(tx, _EXPLAIN)


# `repeated_routes` are recipients who had their copies from an earlier delivery of the same bytes.
# `deleted_copies` keeps who had a copy, and by which routes, while others still have theirs.
_EXPLAIN = """
ALTER TABLE routes ADD COLUMN rule {text} NOT NULL DEFAULT 'address';

CREATE TABLE repeated_routes (
    message_id {id} NOT NULL,
    position INTEGER NOT NULL,
    recipient {text} NOT NULL,
    address {text} NOT NULL,
    list_id {id},
    rule {text} NOT NULL,
    PRIMARY KEY (message_id, position)
) {clustered};

CREATE TABLE deleted_copies (
    message_id {id} NOT NULL,
    inbox_id {id} NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (message_id, inbox_id, position)
) {clustered}
"""

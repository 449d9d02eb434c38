"""Events that can be read: by inbox, by message, by thread."""

from __future__ import annotations

from storage.database import Tx
from storage.ids import from_text
from storage.migrations.schema import run_schema


async def m010_event_log(tx: Tx) -> None:
    """Let an inbox find its events without a look at everybody's mail."""
    await run_schema(tx, _INDEXES)
    rows = await tx.fetch_all("SELECT event_id, actor FROM events WHERE actor IS NOT NULL")
    await tx.execute_many(
        "UPDATE events SET by_inbox_id = :inbox_id WHERE event_id = :event_id",
        [{"event_id": row["event_id"], "inbox_id": from_text("inb", row["actor"])} for row in rows],
    )
    await tx.execute("ALTER TABLE events DROP COLUMN actor")


# Of these a delivery writes `events_by_message` alone, in place of the index by tenant.
_INDEXES = """
ALTER TABLE events ADD COLUMN by_inbox_id {id};
DROP INDEX events_by_tenant;
CREATE INDEX events_by_message ON events (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX events_by_inbox ON events (inbox_id, event_id) WHERE inbox_id IS NOT NULL;
CREATE INDEX events_of_threads ON events (tenant_id, event_id)
    WHERE inbox_id IS NULL AND message_id IS NULL
"""

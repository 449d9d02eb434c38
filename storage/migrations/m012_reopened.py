"""Which message reopened a thread, so that only who sees it hears of that."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m012_reopened(tx: Tx) -> None:
    """Put the message on record beside the act; of earlier acts it is found where it is there."""
    await run_schema(tx, _REOPENED)


# A thread is reopened in the transaction of the message, at its time, and just before its id.
_CAUSE = """
    SELECT m.message_id FROM messages m
    WHERE m.thread_id = {table}.thread_id AND m.message_id > {table}.{key}
      AND m.received_at = {table}.created_at
    ORDER BY m.message_id LIMIT 1
"""
_REOPENED = f"""
ALTER TABLE events ADD COLUMN by_message_id {{id}};
ALTER TABLE thread_history ADD COLUMN by_message_id {{id}};
UPDATE events SET by_message_id = ({_CAUSE.format(table="events", key="event_id")})
    WHERE type = 'thread.reopened' AND by_inbox_id IS NULL;
UPDATE thread_history
    SET by_message_id = ({_CAUSE.format(table="thread_history", key="entry_id")})
    WHERE type = 'reopened' AND by_inbox_id IS NULL
"""

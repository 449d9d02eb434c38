"""Public messages of a thread: mail that came, and letters that were sent.

A letter that waits, is held for approval, was cancelled or dropped is in the thread for its author
alone, and has been read by nobody outside: no other letter is late because of it.
"""

from __future__ import annotations

from storage.database import Tx
from storage.mailbox.visibility import VISIBLE, View

PUBLIC = """(
    NOT EXISTS (SELECT 1 FROM letters unsent WHERE unsent.message_id = m.message_id)
    OR EXISTS (SELECT 1 FROM letters sent
               WHERE sent.message_id = m.message_id AND sent.attempts > 0)
    OR EXISTS (SELECT 1 FROM letter_recipients to_one
               WHERE to_one.message_id = m.message_id
                 AND to_one.state NOT IN ('held', 'waiting', 'cancelled', 'dropped'))
)"""


async def newest_public(tx: Tx, *, view: View, thread_id: bytes) -> bytes | None:
    """Return the newest public message of the thread that the viewer sees."""
    row = await tx.fetch_one(
        f"""
        SELECT m.message_id FROM messages m
        WHERE m.thread_id = :thread_id AND m.tenant_id = :tenant_id AND {VISIBLE} AND {PUBLIC}
        ORDER BY m.message_id DESC LIMIT 1
        """,
        {**view.params, "thread_id": thread_id},
    )
    return None if row is None else bytes(row["message_id"])

"""Recording events: each is written in the transaction that causes it.

- An event holds ids, inbox and time only, never a text.
- `inbox_id` is the inbox it is addressed to; without one it is for every inbox that sees the
  thread.
- Visibility is checked at delivery, by `storage.events.log`, not here.
"""

from __future__ import annotations

from collections.abc import Collection

from storage.database import Tx

CHECKED = "message.checked"
BOUNCED = "message.bounced"


async def record_event(
    tx: Tx,
    kind: str,
    *,
    tenant_id: bytes,
    now: int,
    inbox_id: bytes | None = None,
    thread_id: bytes | None = None,
    note_id: bytes | None = None,
    task_id: bytes | None = None,
    contact_id: bytes | None = None,
    share_id: bytes | None = None,
    approval_id: bytes | None = None,
    by_inbox_id: bytes | None = None,
    message_ids: Collection[bytes] = (),
) -> None:
    """Record one event of the type `kind`; `by_inbox_id` is the inbox that acted."""
    await tx.execute(
        """
        INSERT INTO events
            (event_id, tenant_id, type, inbox_id, thread_id, note_id, task_id, contact_id,
             share_id, approval_id, by_inbox_id, message_ids, created_at)
        VALUES
            (:event_id, :tenant_id, :type, :inbox_id, :thread_id, :note_id, :task_id, :contact_id,
             :share_id, :approval_id, :by_inbox_id, :message_ids, :now)
        """,
        {
            "event_id": tx.new_id(),
            "tenant_id": tenant_id,
            "type": kind,
            "inbox_id": inbox_id,
            "thread_id": thread_id,
            "note_id": note_id,
            "task_id": task_id,
            "contact_id": contact_id,
            "share_id": share_id,
            "approval_id": approval_id,
            "by_inbox_id": by_inbox_id,
            "message_ids": b"".join(message_ids) or None,
            "now": now,
        },
    )


async def record_for_holders(
    tx: Tx,
    kind: str,
    *,
    held: bytes,
    tenant_id: bytes,
    message_id: bytes,
    thread_id: bytes,
    now: int,
) -> None:
    """Record an event about a message for each inbox that has a copy of the message `held`.

    A delivery's event is one row, found by the copies in their order; such a one comes later, in no
    order, so its events are found by their inbox.
    """
    rows = await tx.fetch_all(
        "SELECT inbox_id FROM copies WHERE message_id = :message_id ORDER BY inbox_id",
        {"message_id": held},
    )
    await tx.execute_many(
        """
        INSERT INTO events
            (event_id, tenant_id, type, inbox_id, message_id, thread_id, created_at)
        VALUES (:event_id, :tenant_id, :type, :inbox_id, :message_id, :thread_id, :now)
        """,
        [
            {
                "event_id": tx.new_id(),
                "tenant_id": tenant_id,
                "type": kind,
                "inbox_id": row["inbox_id"],
                "message_id": message_id,
                "thread_id": thread_id,
                "now": now,
            }
            for row in rows
        ],
    )

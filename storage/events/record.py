"""Events: what happened, written in the transaction that made it happen.

- An event tells ids, inbox and time only, never a text.
- `inbox_id` is whom it concerns; without one it concerns every inbox that sees the thread.
- What an inbox may see of it is judged when it is told, by `storage.events.log`, not here.
"""

from __future__ import annotations

from storage.database import Tx


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
    by_inbox_id: bytes | None = None,
) -> None:
    """Put one event of the type `kind` on record; `by_inbox_id` is the inbox that acted."""
    await tx.execute(
        """
        INSERT INTO events
            (event_id, tenant_id, type, inbox_id, thread_id, note_id, task_id, contact_id,
             share_id, by_inbox_id, created_at)
        VALUES
            (:event_id, :tenant_id, :type, :inbox_id, :thread_id, :note_id, :task_id, :contact_id,
             :share_id, :by_inbox_id, :now)
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
            "by_inbox_id": by_inbox_id,
            "now": now,
        },
    )

"""Tasks for the author of a letter that needs a person.

One of each title is open in a thread at a time: fifty reports about one letter make one task.
"""

from __future__ import annotations

from storage.database import Tx
from storage.teamwork.tasks import Draft, create_task, titled

NOT_DELIVERED, PERHAPS_SENT = "Not delivered", "Perhaps sent"
_KIND = "letter"


async def ask_author(
    tx: Tx, *, letter_id: bytes, about: str, description: str | None, now: int
) -> None:
    """Put `[about] {subject}` on the agenda of the inbox that wrote the letter."""
    row = await tx.fetch_one(
        """
        SELECT l.tenant_id, l.inbox_id, l.thread_id, m.subject
        FROM letters l JOIN messages m ON m.message_id = l.message_id
        JOIN inboxes i ON i.inbox_id = l.inbox_id AND i.deleted_at IS NULL
        WHERE l.message_id = :letter_id
        """,
        {"letter_id": letter_id},
    )
    if row is None:
        return
    key = {name: bytes(row[name]) for name in ("tenant_id", "inbox_id")}
    thread_id, title = bytes(row["thread_id"]), titled(about, row["subject"])
    present = await tx.fetch_one(
        """
        SELECT 1 FROM tasks
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id AND thread_id = :thread_id
          AND type = :kind AND title = :title AND completed_at IS NULL
        """,
        {**key, "thread_id": thread_id, "kind": _KIND, "title": title},
    )
    if present is None:
        draft = Draft(_KIND, title, description, thread_id=thread_id)
        await create_task(tx, **key, draft=draft, created_by=None, now=now)

"""The history of a thread: assignments, closings and reopenings, with actor and time.

Entries stay as long as their thread; `storage.mailbox.visibility` decides which an inbox sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from storage.database import Tx
from storage.mailbox.visibility import VISIBLE_ACT, View

Kind = Literal["assigned", "unassigned", "closed", "reopened"]


@dataclass(frozen=True, slots=True)
class Party:
    """An inbox in the history; the address is None once the inbox is deleted permanently."""

    inbox_id: bytes
    address: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One act on a thread.

    `assignee` is the inbox that got or lost the thread; `by` is None when a new message reopened
    it; `user_id` names the person, if any.
    """

    kind: str
    assignee: Party | None
    by: Party | None
    user_id: bytes | None
    created_at: int


async def record_history(
    tx: Tx,
    kind: Kind,
    *,
    tenant_id: bytes,
    thread_id: bytes,
    assignee: bytes | None = None,
    by_inbox_id: bytes | None,
    by_user_id: bytes | None,
    now: int,
) -> None:
    """Record one act."""
    await tx.execute(
        """
        INSERT INTO thread_history
            (entry_id, tenant_id, thread_id, type, inbox_id, by_inbox_id, by_user_id, created_at)
        VALUES
            (:entry_id, :tenant_id, :thread_id, :type, :inbox_id, :by_inbox_id, :by_user_id, :now)
        """,
        {
            "entry_id": tx.new_id(),
            "tenant_id": tenant_id,
            "thread_id": thread_id,
            "type": kind,
            "inbox_id": assignee,
            "by_inbox_id": by_inbox_id,
            "by_user_id": by_user_id,
            "now": now,
        },
    )


async def thread_history(tx: Tx, *, view: View, thread_id: bytes, limit: int) -> list[Entry]:
    """Return the newest `limit` entries that the viewer sees, oldest first."""
    rows = await tx.fetch_all(
        f"""
        SELECT h.type, h.inbox_id, h.by_inbox_id, h.by_user_id, h.created_at,
               a.address AS assignee_address, b.address AS by_address
        FROM thread_history h
        LEFT JOIN inboxes a ON a.inbox_id = h.inbox_id
        LEFT JOIN inboxes b ON b.inbox_id = h.by_inbox_id
        WHERE h.tenant_id = :tenant_id AND h.thread_id = :thread_id AND {VISIBLE_ACT}
        ORDER BY h.entry_id DESC LIMIT :limit
        """,
        {**view.params, "thread_id": thread_id, "limit": limit},
    )
    return [
        Entry(
            row["type"],
            _party(row["inbox_id"], row["assignee_address"]),
            _party(row["by_inbox_id"], row["by_address"]),
            row["by_user_id"],
            row["created_at"],
        )
        for row in reversed(rows)
    ]


def _party(inbox_id: bytes | None, address: str | None) -> Party | None:
    return None if inbox_id is None else Party(bytes(inbox_id), address)

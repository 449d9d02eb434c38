"""Recording events: each is written in the transaction that causes it.

- An event holds ids, inbox and time only, never a text.
- `inbox_id` is the inbox it is addressed to; without one it is for every inbox that sees the
  thread.
- Visibility is checked at delivery, by `storage.events.log`, not here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

from storage.database import Tx
from storage.sql import in_list, padded

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


class About(NamedTuple):
    """An event about a message, for each inbox that has a copy of the message `held`."""

    held: bytes
    tenant_id: bytes
    message_id: bytes
    thread_id: bytes


async def record_for_holders(tx: Tx, kind: str, events: Sequence[About], *, now: int) -> None:
    """Record events of the type `kind`, each for the inboxes that hold its message.

    A delivery's event is one row, found by the copies in their order; such a one comes later, in no
    order, so its events are found by their inbox.
    """
    if not events:
        return
    chosen, names = in_list(padded([one.held for one in events]))
    rows = await tx.fetch_all(_HOLDERS.format(chosen), names)
    holders: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for row in rows:
        holders[bytes(row["message_id"])].append(bytes(row["inbox_id"]))
    await tx.execute_many(
        _FOR_HOLDER,
        [
            {
                "event_id": tx.new_id(),
                "tenant_id": one.tenant_id,
                "type": kind,
                "inbox_id": inbox_id,
                "message_id": one.message_id,
                "thread_id": one.thread_id,
                "now": now,
            }
            for one in events
            for inbox_id in holders[one.held]
        ],
    )


_HOLDERS = """
    SELECT message_id, inbox_id FROM copies WHERE message_id IN ({}) ORDER BY inbox_id
"""
_FOR_HOLDER = """
    INSERT INTO events
        (event_id, tenant_id, type, inbox_id, message_id, thread_id, created_at)
    VALUES (:event_id, :tenant_id, :type, :inbox_id, :message_id, :thread_id, :now)
"""

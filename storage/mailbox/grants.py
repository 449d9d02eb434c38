"""Grants: messages that one inbox may see because another holds copies of them.

`storage.mailbox.visibility` reads them.

- A grant on a thread is one row, whatever the number of messages: the giver's copies decide which.
  It ends before the next id at the time it ends.
- When the giver's copy is deleted permanently, its grants are recorded message by message.
"""

from __future__ import annotations

from storage.database import Tx


async def grant_thread(
    tx: Tx, *, tenant_id: bytes, thread_id: bytes, to_inbox_id: bytes, by_inbox_id: bytes
) -> bool:
    """Grant an inbox the giver's present and future copies in a thread, until closed; whether new.

    An inbox grants nothing to itself.
    """
    # A grant to oneself would outlive one's own copies.
    if to_inbox_id == by_inbox_id:
        return False
    opened = await tx.execute(
        """
        INSERT INTO thread_openings (to_inbox_id, thread_id, by_inbox_id, tenant_id)
        VALUES (:to_inbox_id, :thread_id, :by_inbox_id, :tenant_id)
        ON CONFLICT (to_inbox_id, thread_id, by_inbox_id) DO UPDATE
        SET ended_before = NULL, since = NULL
        WHERE thread_openings.ended_before IS NOT NULL OR thread_openings.since IS NOT NULL
        """,
        {
            "to_inbox_id": to_inbox_id,
            "thread_id": thread_id,
            "by_inbox_id": by_inbox_id,
            "tenant_id": tenant_id,
        },
    )
    return opened > 0


async def close_thread(tx: Tx, *, tenant_id: bytes, thread_id: bytes, to_inbox_id: bytes) -> None:
    """Grant nothing further of the thread to an inbox; granted messages stay visible."""
    await tx.execute(
        """
        UPDATE thread_openings SET ended_before = :next_id
        WHERE to_inbox_id = :to_inbox_id AND thread_id = :thread_id AND tenant_id = :tenant_id
          AND ended_before IS NULL
        """,
        {
            # By id, not by time: a clock that is set back must not grant later messages.
            "next_id": tx.new_id(),
            "to_inbox_id": to_inbox_id,
            "thread_id": thread_id,
            "tenant_id": tenant_id,
        },
    )


async def preserve_grants_of_copy(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, message_id: bytes
) -> None:
    """Record the grants on this copy message by message; call it before the copy is deleted."""
    await tx.execute(
        """
        INSERT INTO message_openings (inbox_id, message_id, thread_id)
        SELECT o.to_inbox_id, m.message_id, o.thread_id
        FROM messages m JOIN thread_openings o
            ON o.thread_id = m.thread_id AND o.by_inbox_id = :inbox_id
        WHERE m.message_id = :message_id AND m.tenant_id = :tenant_id
          AND (o.since IS NULL OR m.message_id > o.since)
          AND (o.ended_before IS NULL OR m.message_id < o.ended_before)
        ON CONFLICT (inbox_id, message_id) DO NOTHING
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id, "message_id": message_id},
    )


async def forget_message(tx: Tx, *, message_id: bytes) -> None:
    """Drop the grants of a message that is deleted."""
    await tx.execute(
        "DELETE FROM message_openings WHERE message_id = :message_id", {"message_id": message_id}
    )


async def drop_grants_of_inbox(tx: Tx, *, inbox_id: bytes) -> None:
    """Drop the grants on threads to and by an inbox whose copies are all deleted."""
    for column in ("to_inbox_id", "by_inbox_id"):
        await tx.execute(
            f"DELETE FROM thread_openings WHERE {column} = :inbox_id", {"inbox_id": inbox_id}
        )

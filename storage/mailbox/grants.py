"""Openings: what one inbox was given to see of another's copies. `storage.mailbox.visibility` reads
them.

- An opening of a thread is one row, whatever the number of messages: which they are follows from
  the giver's copies. It ends before the id that is next when it ends.
- When the giver's copy is deleted for good, what it had opened is kept message by message.
"""

from __future__ import annotations

from storage.database import Tx


async def grant_thread(
    tx: Tx, *, tenant_id: bytes, thread_id: bytes, to_inbox_id: bytes, by_inbox_id: bytes
) -> bool:
    """Open to one inbox what another holds and gets copies of in a thread, until it is closed;
    whether it was not open.

    Nobody opens anything to themselves.
    """
    if to_inbox_id == by_inbox_id:
        return False
    opened = await tx.execute(
        """
        INSERT INTO thread_openings (to_inbox_id, thread_id, by_inbox_id, tenant_id)
        VALUES (:to_inbox_id, :thread_id, :by_inbox_id, :tenant_id)
        ON CONFLICT (to_inbox_id, thread_id, by_inbox_id) DO UPDATE SET ended_before = NULL
        WHERE thread_openings.ended_before IS NOT NULL
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
    """Open nothing further of the thread to an inbox; what it was given to see stays."""
    await tx.execute(
        """
        UPDATE thread_openings SET ended_before = :next_id
        WHERE to_inbox_id = :to_inbox_id AND thread_id = :thread_id AND tenant_id = :tenant_id
          AND ended_before IS NULL
        """,
        {
            "next_id": tx.new_id(),
            "to_inbox_id": to_inbox_id,
            "thread_id": thread_id,
            "tenant_id": tenant_id,
        },
    )


async def preserve_grants_of_copy(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, message_id: bytes
) -> None:
    """Put on record to whom this copy is open; to be called before it goes for good."""
    await tx.execute(
        """
        INSERT INTO message_openings (inbox_id, message_id, thread_id)
        SELECT o.to_inbox_id, m.message_id, o.thread_id
        FROM messages m JOIN thread_openings o
            ON o.thread_id = m.thread_id AND o.by_inbox_id = :inbox_id
        WHERE m.message_id = :message_id AND m.tenant_id = :tenant_id
          AND (o.ended_before IS NULL OR m.message_id < o.ended_before)
        ON CONFLICT (inbox_id, message_id) DO NOTHING
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id, "message_id": message_id},
    )


async def forget_message(tx: Tx, *, message_id: bytes) -> None:
    """Drop the openings of a message that is gone."""
    await tx.execute(
        "DELETE FROM message_openings WHERE message_id = :message_id", {"message_id": message_id}
    )


async def drop_grants_of_inbox(tx: Tx, *, inbox_id: bytes) -> None:
    """Drop the openings of threads to and by an inbox whose copies are all gone."""
    for column in ("to_inbox_id", "by_inbox_id"):
        await tx.execute(
            f"DELETE FROM thread_openings WHERE {column} = :inbox_id", {"inbox_id": inbox_id}
        )

"""Delivery attempts at lists without members (450): how many, and when last.

The senders keep that mail and try again, so this counts attempts, not messages. It begins anew when
the list gets a member.
"""

from __future__ import annotations

from collections.abc import Mapping

from storage.database import Tx


async def add_deferred(tx: Tx, attempts: Mapping[bytes, int], *, now: int) -> None:
    """Count attempts by list; skip a list that was deleted or has a member by now."""
    # Counts come some time after the replies: by now the list may have its first member.
    await tx.execute_many(
        """
        INSERT INTO deferred_lists (list_id, tenant_id, deferred, last_at)
        SELECT l.list_id, l.tenant_id, :attempts, :now FROM lists l
        WHERE l.list_id = :list_id
          AND NOT EXISTS (SELECT 1 FROM list_members m WHERE m.list_id = l.list_id)
        ON CONFLICT (list_id) DO UPDATE
        SET deferred = deferred_lists.deferred + excluded.deferred, last_at = excluded.last_at
        """,
        [{"list_id": one, "attempts": count, "now": now} for one, count in attempts.items()],
    )


async def forget_deferred(tx: Tx, *, list_id: bytes) -> None:
    """Reset the count: the list has a member, or is deleted."""
    await tx.execute("DELETE FROM deferred_lists WHERE list_id = :list_id", {"list_id": list_id})

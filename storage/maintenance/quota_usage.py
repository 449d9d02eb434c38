"""The octets of mail that tenants and inboxes hold, for quotas, and the task that warns of one.

- A message counts once for its tenant, and once for each inbox that has a copy, in any folder.
- Messages are counted in the order of their ids, so that a later count reads the new ones only.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from storage.database import Tx
from storage.teamwork.tasks import Draft, create_task

KIND = "quota"
BEFORE_ALL = bytes(16)


@dataclass(frozen=True, slots=True)
class Usage:
    """Octets by tenant and by inbox, of the messages up to `last`."""

    tenants: dict[bytes, int]
    inboxes: dict[bytes, int]
    last: bytes


async def usage_since(tx: Tx, *, after: bytes) -> Usage:
    """Count the messages with an id above `after`."""
    newest = await tx.fetch_one("SELECT message_id FROM messages ORDER BY message_id DESC LIMIT 1")
    if newest is None or newest["message_id"] <= after:
        return Usage({}, {}, after)
    span = {"after": after, "last": newest["message_id"]}
    tenants = await tx.fetch_all(
        """
        SELECT tenant_id, SUM(size) AS octets FROM messages
        WHERE message_id > :after AND message_id <= :last GROUP BY tenant_id
        """,
        span,
    )
    inboxes = await tx.fetch_all(
        """
        SELECT c.inbox_id, SUM(m.size) AS octets FROM copies c
        JOIN messages m ON m.message_id = c.message_id
        WHERE c.message_id > :after AND c.message_id <= :last GROUP BY c.inbox_id
        """,
        span,
    )
    return Usage(
        {row["tenant_id"]: int(row["octets"]) for row in tenants},
        {row["inbox_id"]: int(row["octets"]) for row in inboxes},
        newest["message_id"],
    )


async def lists_with(tx: Tx, inboxes: Collection[bytes]) -> set[bytes]:
    """The lists that one of these inboxes is a member of."""
    found: set[bytes] = set()
    for inbox_id in inboxes:
        rows = await tx.fetch_all(
            "SELECT list_id FROM list_members WHERE inbox_id = :inbox_id", {"inbox_id": inbox_id}
        )
        found.update(row["list_id"] for row in rows)
    return found


async def warn_of_inbox(tx: Tx, *, inbox_id: bytes, octets: int, quota: int, now: int) -> None:
    """Put a task on the agendas of the tenant's admins: this inbox has used most of its quota."""
    inbox = await tx.fetch_one(
        "SELECT tenant_id, address FROM inboxes WHERE inbox_id = :inbox_id AND deleted_at IS NULL",
        {"inbox_id": inbox_id},
    )
    if inbox is not None:
        title = f"[Quota] {inbox['address']}"
        draft = Draft(KIND, title, _told(octets, quota))
        await _warn_admins(tx, tenant_id=inbox["tenant_id"], draft=draft, now=now)


async def warn_of_tenant(tx: Tx, *, tenant_id: bytes, octets: int, quota: int, now: int) -> None:
    """Put a task on the agendas of the tenant's admins: all its mail has used most of its quota."""
    draft = Draft(KIND, "[Quota] All inboxes together", _told(octets, quota))
    await _warn_admins(tx, tenant_id=tenant_id, draft=draft, now=now)


def _told(octets: int, quota: int) -> str:
    return (
        f"{octets * 100 // quota} % of the quota of {quota} bytes is used. "
        "Over it, new mail has to wait at its senders."
    )


async def _warn_admins(tx: Tx, *, tenant_id: bytes, draft: Draft, now: int) -> None:
    # Not where such a task is open: an inbox that stays full must not fill the agenda.
    rows = await tx.fetch_all(
        """
        SELECT i.inbox_id FROM inboxes i
        JOIN users u ON u.user_id = i.owner_user_id AND u.role IN ('owner', 'admin')
        WHERE i.tenant_id = :tenant_id AND i.deleted_at IS NULL
          AND NOT EXISTS (
              SELECT 1 FROM tasks t WHERE t.inbox_id = i.inbox_id AND t.type = :kind
                AND t.title = :title AND t.completed_at IS NULL)
        ORDER BY i.inbox_id
        """,
        {"tenant_id": tenant_id, "kind": KIND, "title": draft.title},
    )
    for row in rows:
        key = {"tenant_id": tenant_id, "inbox_id": row["inbox_id"]}
        await create_task(tx, **key, draft=draft, created_by=None, now=now)

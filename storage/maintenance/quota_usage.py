"""The octets of mail that tenants and inboxes hold, for quotas, and the task that warns of one.

- A message counts once for its tenant, and once for each inbox that has a copy, in any folder.
- Messages are counted in the order of their ids within a partition (`storage.cursors`), so that a
  later count reads the new ones only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from storage import cursors
from storage.database import Tx
from storage.teamwork.tasks import Draft, create_task

KIND = "quota"


@dataclass(slots=True)
class Usage:
    """Octets by tenant and by inbox, of the messages up to `last` of each partition."""

    tenants: dict[bytes, int] = field(default_factory=dict)
    inboxes: dict[bytes, int] = field(default_factory=dict)
    last: dict[bytes, bytes] = field(default_factory=dict)


async def usage_since(tx: Tx, *, after: Mapping[bytes, bytes]) -> Usage:
    """Count the messages behind those up to which a former count went."""
    usage = Usage(last={**after})
    for part, newest in await _newest(tx):
        before = after.get(part, cursors.BEGINNING)
        if newest > before:
            await _add(tx, usage, {"part": part, "after": before, "last": newest})
            usage.last[part] = newest
    return usage


async def _newest(tx: Tx) -> list[tuple[bytes, bytes]]:
    """Return each partition that has messages, with the newest of them."""
    if cursors.in_one(tx):
        newest = await tx.fetch_one(
            "SELECT message_id FROM messages ORDER BY message_id DESC LIMIT 1"
        )
        return [(cursors.WHOLE, bytes(newest["message_id"]))] if newest else []
    rows = await tx.fetch_all(
        """
        SELECT t.tenant_id, newest.message_id FROM tenants t CROSS JOIN LATERAL (
            SELECT m.message_id FROM messages m WHERE m.tenant_id = t.tenant_id
            ORDER BY m.message_id DESC LIMIT 1) newest
        """
    )
    return [(bytes(row["tenant_id"]), bytes(row["message_id"])) for row in rows]


async def _add(tx: Tx, usage: Usage, span: Mapping[str, object]) -> None:
    tenants = await tx.fetch_all(
        f"""
        SELECT tenant_id, SUM(size) AS octets FROM messages
        WHERE message_id > :after AND message_id <= :last
          AND {cursors.in_partition(tx, "tenant_id")}
        GROUP BY tenant_id
        """,
        span,
    )
    inboxes = await tx.fetch_all(
        f"""
        SELECT c.inbox_id, SUM(m.size) AS octets FROM copies c
        JOIN messages m ON m.message_id = c.message_id
        WHERE c.message_id > :after AND c.message_id <= :last
          AND {cursors.in_partition(tx, "m.tenant_id")}
        GROUP BY c.inbox_id
        """,
        span,
    )
    usage.tenants |= {bytes(row["tenant_id"]): int(row["octets"]) for row in tenants}
    usage.inboxes |= {bytes(row["inbox_id"]): int(row["octets"]) for row in inboxes}


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

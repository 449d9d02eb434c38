"""Deleting and restoring an inbox, and the permanent deletion of its mail.

- A deleted inbox is off every list, its tokens are revoked, its alerts are deleted, and it takes no
  mail; its address stays taken and its mail stays stored for 30 days. Until then it can be
  restored, without its memberships, tokens and alerts.
- After that its copies are deleted, a few in each transaction, then its rows and its address. A
  content is deleted with its last copy.
- A new kind of object that belongs to an inbox must be ended in `_let_go` and deleted in `_MANY`,
  nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.accounts.tokens import revoke_tokens_of_inbox
from storage.alerts.alerts import delete_alerts_of_inbox
from storage.clock import DAY
from storage.database import Tx
from storage.directory.inboxes import Inbox, find_inbox
from storage.directory.lists import leave_all_lists
from storage.errors import Conflict, NotFound
from storage.index.copy_index import fetch_newest
from storage.mailbox.deletion import delete_copy
from storage.mailbox.grants import drop_grants_of_inbox
from storage.sharing.resolutions import forget_shares_of, lapse_shares_of
from storage.teamwork.assignment import unassign_all

GRACE = 30 * DAY

_COPIES_AT_ONCE = 100
_ROWS_AT_ONCE = 250
# Tables whose rows belong to one inbox, in the order in which they refer to each other: those of
# which it may have many, with what tells them apart, and then the few that are left.
_MANY = {
    "tasks": "task_id",
    "note_mentions": "note_id",
    "message_openings": "message_id",
    "contact_addresses": "canonical",
    "contact_merges": "merge_id",
    "contacts": "contact_id",
    "relationships": "canonical",
    "activity": "activity_id",
    "uploads": "upload_id",
    "drafts": "draft_id",
    "approvals": "approval_id",
}
# At the end: nobody may take the address while mail to its former owner is stored.
_FINAL = ("tokens", "addresses", "inboxes")


@dataclass(frozen=True, slots=True)
class DeletedInbox:
    """An inbox in its 30 days of grace."""

    inbox_id: bytes
    tenant_id: bytes
    deleted_at: int
    address: str


async def delete_inbox(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, now: int) -> None:
    """Raises NotFound, also for one that is deleted already."""
    await find_inbox(tx, tenant_id=tenant_id, inbox_id=inbox_id)
    await _let_go(tx, tenant_id=tenant_id, inbox_id=inbox_id, now=now)
    await tx.execute(
        """
        UPDATE inboxes SET deleted_at = :now
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id
        """,
        {"now": now, "tenant_id": tenant_id, "inbox_id": inbox_id},
    )


async def _let_go(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, now: int) -> None:
    """End everything that a deleted inbox cannot have."""
    await delete_alerts_of_inbox(tx, tenant_id=tenant_id, inbox_id=inbox_id)
    await leave_all_lists(tx, tenant_id=tenant_id, inbox_id=inbox_id, now=now)
    await revoke_tokens_of_inbox(tx, tenant_id=tenant_id, inbox_id=inbox_id)
    await unassign_all(tx, tenant_id=tenant_id, inbox_id=inbox_id, now=now)
    await lapse_shares_of(tx, tenant_id=tenant_id, inbox_id=inbox_id, now=now)


async def find_deleted_inbox(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes | None, canonical: str | None, now: int
) -> DeletedInbox:
    """Return the tenant's deleted inbox with this id or address, while it can be restored.

    Raises NotFound, and Conflict `not_deleted` for an inbox that is not deleted.
    """
    row = await tx.fetch_one(
        """
        SELECT inbox_id, deleted_at, address FROM inboxes
        WHERE tenant_id = :tenant_id AND (inbox_id = :inbox_id OR canonical = :canonical)
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id, "canonical": canonical},
    )
    if row is None:
        raise NotFound("no such inbox")
    if row["deleted_at"] is None:
        raise Conflict("not_deleted", "This inbox is not deleted.")
    # Some of its mail may be deleted already: it would come back by half.
    if row["deleted_at"] <= now - GRACE:
        raise NotFound("its mail is going already")
    return DeletedInbox(bytes(row["inbox_id"]), tenant_id, row["deleted_at"], row["address"])


async def list_deleted_inboxes(tx: Tx, *, tenant_id: bytes, now: int) -> list[DeletedInbox]:
    """The tenant's deleted inboxes that can be restored, oldest first."""
    rows = await tx.fetch_all(
        """
        SELECT inbox_id, deleted_at, address FROM inboxes
        WHERE tenant_id = :tenant_id AND deleted_at > :since ORDER BY inbox_id
        """,
        {"tenant_id": tenant_id, "since": now - GRACE},
    )
    return [
        DeletedInbox(bytes(row["inbox_id"]), tenant_id, row["deleted_at"], row["address"])
        for row in rows
    ]


async def restore_inbox(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, now: int) -> Inbox:
    """Restore a deleted inbox and its mail. Raises NotFound, Conflict `not_deleted`."""
    await find_deleted_inbox(tx, tenant_id=tenant_id, inbox_id=inbox_id, canonical=None, now=now)
    await tx.execute(
        """
        UPDATE inboxes SET deleted_at = NULL
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id},
    )
    return await find_inbox(tx, tenant_id=tenant_id, inbox_id=inbox_id)


@dataclass(frozen=True, slots=True)
class Purged:
    """The deletions of one transaction: copies, and the content files to remove after the commit.

    With `whole` the inbox was deleted too.
    """

    copies: int
    files: tuple[str, ...]
    whole: bool


async def purge_some(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, now: int) -> Purged:
    """Delete some of the mail of an inbox whose grace is over; with the last of it the inbox.

    An inbox that was restored meanwhile, or is deleted already, is left alone.
    """
    key = {"tenant_id": tenant_id, "inbox_id": inbox_id, "since": now - GRACE}
    due = await tx.fetch_one(
        """
        SELECT 1 FROM inboxes
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id AND deleted_at <= :since
        """,
        key,
    )
    if due is None:
        return Purged(0, (), False)
    rows = await fetch_newest(tx, _SOME_COPIES.format, key, limit=_COPIES_AT_ONCE)
    files = [
        await delete_copy(tx, tenant_id=tenant_id, inbox_id=inbox_id, message_id=row["message_id"])
        for row in rows
    ]
    # Without a message there is nothing to count; the copy is deleted all the same.
    await tx.execute_many(
        "DELETE FROM copies WHERE inbox_id = :inbox_id AND message_id = :message_id",
        [{"inbox_id": inbox_id, "message_id": row["message_id"]} for row in rows],
    )
    whole = len(rows) < _COPIES_AT_ONCE and await _drop_rows(tx, inbox_id)
    if whole:
        await drop_grants_of_inbox(tx, inbox_id=inbox_id)
        await forget_shares_of(tx, inbox_id=inbox_id)
        for table in _FINAL:
            await tx.execute(f"DELETE FROM {table} WHERE inbox_id = :inbox_id", key)
    return Purged(len(rows), tuple(file for file in files if file), whole)


_SOME_COPIES = "SELECT message_id FROM {} c WHERE inbox_id = :inbox_id LIMIT :limit"


async def _drop_rows(tx: Tx, inbox_id: bytes) -> bool:
    """Delete some of the rows of an inbox; whether those were the last."""
    for table, column in _MANY.items():
        dropped = await tx.execute(
            f"""
            DELETE FROM {table} WHERE inbox_id = :inbox_id AND {column} IN (
                SELECT {column} FROM {table} WHERE inbox_id = :inbox_id LIMIT {_ROWS_AT_ONCE})
            """,
            {"inbox_id": inbox_id},
        )
        if dropped >= _ROWS_AT_ONCE:
            return False
    return True

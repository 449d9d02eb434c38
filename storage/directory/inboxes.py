"""Inboxes: the mailboxes that copies are delivered to; each has one address that never changes.

- A deleted inbox is invisible to everybody, but keeps its address until its mail is deleted
  permanently (`storage.maintenance.inbox_removal`).
- When an inbox gets another owner, the same transaction revokes the tokens that the former owner
  made for it and may no longer have, and disables that owner's alerts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.accounts.tokens import revoke_without_right
from storage.address import Address, canonical_or_none
from storage.alerts.maker_rights import disable_without_right
from storage.database import Row, Tx
from storage.directory.domains import require_verified
from storage.errors import Conflict, FieldFault, Invalid, NotFound
from storage.keyset import ALL, Keyset


@dataclass(frozen=True, slots=True)
class Inbox:
    """A stored inbox; `address` is as first written, `canonical` is for comparing.

    `signature` is put under its letters by the page.
    """

    inbox_id: bytes
    tenant_id: bytes
    address: str
    canonical: str
    display_name: str
    owner_user_id: bytes | None
    default_timezone: str
    share_relationships: bool
    created_at: int
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Alias:
    """A list's address through which an inbox gets mail."""

    address: str
    list_id: bytes


async def create_inbox(
    tx: Tx,
    *,
    tenant_id: bytes,
    address: Address,
    display_name: str,
    owner_user_id: bytes | None,
    now: int,
) -> Inbox:
    """Make an inbox on a verified domain of the tenant.

    Raises Invalid (`domain_not_verified`, or an owner that is not a user of the tenant) and
    Conflict `address_taken`.
    """
    canonical = address.canonical
    name = canonical.rpartition("@")[2]
    domain = await require_verified(tx, tenant_id=tenant_id, name=name, field="address")
    await _check_owner(tx, tenant_id, owner_user_id)
    await require_free(tx, canonical)
    inbox = Inbox(
        tx.new_id(),
        tenant_id,
        address.text,
        canonical,
        display_name,
        owner_user_id,
        "UTC",
        True,
        now,
    )
    await _insert(tx, inbox, domain.domain_id)
    return inbox


async def _insert(tx: Tx, inbox: Inbox, domain_id: bytes) -> None:
    """Insert the inbox, and mark its address as taken."""
    row = {
        "inbox_id": inbox.inbox_id,
        "tenant_id": inbox.tenant_id,
        "domain_id": domain_id,
        "address": inbox.address,
        "canonical": inbox.canonical,
        "display_name": inbox.display_name,
        "owner_user_id": inbox.owner_user_id,
        "now": inbox.created_at,
    }
    await tx.execute(
        """
        INSERT INTO inboxes
            (inbox_id, tenant_id, domain_id, address, canonical, display_name, owner_user_id,
             default_timezone, share_relationships, created_at)
        VALUES
            (:inbox_id, :tenant_id, :domain_id, :address, :canonical, :display_name,
             :owner_user_id, 'UTC', 1, :now)
        """,
        row,
    )
    await tx.execute(
        """
        INSERT INTO addresses (canonical, tenant_id, domain_id, inbox_id)
        VALUES (:canonical, :tenant_id, :domain_id, :inbox_id)
        """,
        row,
    )


async def require_free(tx: Tx, canonical: str) -> None:
    """Raises Conflict `address_taken` when an inbox or a list has this address."""
    # A deleted inbox counts too: until its mail is purged it can come back with this address.
    taken = await tx.fetch_one(
        "SELECT 1 FROM addresses WHERE canonical = :canonical", {"canonical": canonical}
    )
    if taken is not None:
        raise Conflict("address_taken", "This address is already taken.")


async def _check_owner(tx: Tx, tenant_id: bytes, owner_user_id: bytes | None) -> None:
    if owner_user_id is not None:
        await require_owner(tx, tenant_id=tenant_id, user_id=owner_user_id, field="owner_user_id")


async def require_owner(tx: Tx, *, tenant_id: bytes, user_id: bytes, field: str) -> None:
    """Raises Invalid on `field` when the owner is not a user of the tenant."""
    row = await tx.fetch_one(
        "SELECT 1 FROM users WHERE tenant_id = :tenant_id AND user_id = :user_id",
        {"tenant_id": tenant_id, "user_id": user_id},
    )
    if row is None:
        raise Invalid(FieldFault(field, "is not a user of this tenant"))


async def update_inbox(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    display_name: str | None = None,
    default_timezone: str | None = None,
    share_relationships: bool | None = None,
    signature: str | None = None,
) -> Inbox:
    """Change the given values; None leaves a value as it is. Raises NotFound."""
    await tx.execute(
        """
        UPDATE inboxes
        SET display_name = COALESCE(:display_name, display_name),
            default_timezone = COALESCE(:default_timezone, default_timezone),
            share_relationships = COALESCE(:share_relationships, share_relationships),
            signature = COALESCE(:signature, signature)
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id AND deleted_at IS NULL
        """,
        {
            "display_name": display_name,
            "default_timezone": default_timezone,
            "share_relationships": None
            if share_relationships is None
            else int(share_relationships),
            "signature": signature,
            "tenant_id": tenant_id,
            "inbox_id": inbox_id,
        },
    )
    return await find_inbox(tx, tenant_id=tenant_id, inbox_id=inbox_id)


async def set_inbox_owner(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, owner_user_id: bytes | None, now: int
) -> Inbox:
    """Give the inbox to a user, or to nobody. Raises NotFound, Invalid on `owner_user_id`."""
    await find_inbox(tx, tenant_id=tenant_id, inbox_id=inbox_id)
    await _check_owner(tx, tenant_id, owner_user_id)
    await tx.execute(
        """
        UPDATE inboxes SET owner_user_id = :owner_user_id
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id
        """,
        {"owner_user_id": owner_user_id, "tenant_id": tenant_id, "inbox_id": inbox_id},
    )
    # In this transaction: a token of the former owner must not read one message more.
    await revoke_without_right(tx, tenant_id=tenant_id, inbox_id=inbox_id)
    await disable_without_right(tx, tenant_id=tenant_id, inbox_id=inbox_id, now=now)
    return await find_inbox(tx, tenant_id=tenant_id, inbox_id=inbox_id)


async def find_inbox(tx: Tx, *, tenant_id: bytes, inbox_id: bytes) -> Inbox:
    """Raises NotFound; a deleted inbox is not found."""
    row = await tx.fetch_one(
        _INBOX + " AND inbox_id = :inbox_id", {"tenant_id": tenant_id, "inbox_id": inbox_id}
    )
    if row is None:
        raise NotFound("no such inbox")
    return _inbox(row)


async def find_inbox_by_address(tx: Tx, *, tenant_id: bytes, canonical: str) -> Inbox:
    """Raises NotFound; a list's address is not an inbox."""
    row = await tx.fetch_one(
        _INBOX + " AND canonical = :canonical", {"tenant_id": tenant_id, "canonical": canonical}
    )
    if row is None:
        raise NotFound("no such inbox")
    return _inbox(row)


async def list_deleted_inboxes(
    tx: Tx, *, tenant_id: bytes, since: int, span: Keyset = ALL
) -> list[tuple[Inbox, int]]:
    """The inboxes deleted after `since`, oldest inbox first, and when each was deleted."""
    rows = await tx.fetch_all(
        f"""
        {_COLUMNS}, deleted_at FROM inboxes
        WHERE tenant_id = :tenant_id AND deleted_at > :since {span.sql("inbox_id")}
        """,
        {"tenant_id": tenant_id, "since": since, **span.params},
    )
    return [(_inbox(row), row["deleted_at"]) for row in rows]


async def list_inboxes(tx: Tx, *, tenant_id: bytes, span: Keyset = ALL) -> list[Inbox]:
    """Return the tenant's inboxes, oldest first."""
    rows = await tx.fetch_all(
        f"{_INBOX} {span.sql('inbox_id')}", {"tenant_id": tenant_id, **span.params}
    )
    return [_inbox(row) for row in rows]


async def aliases(tx: Tx, *, tenant_id: bytes) -> dict[bytes, list[Alias]]:
    """Map each inbox on a list to the lists' addresses, in the order in which it was added."""
    rows = await tx.fetch_all(_ALIAS + " ORDER BY m.member_id", {"tenant_id": tenant_id})
    found: dict[bytes, list[Alias]] = {}
    for row in rows:
        found.setdefault(row["inbox_id"], []).append(Alias(row["address"], row["list_id"]))
    return found


async def aliases_of(tx: Tx, *, tenant_id: bytes, inbox_id: bytes) -> list[Alias]:
    """Return the addresses of the lists of one inbox, in the order in which it was added."""
    rows = await tx.fetch_all(
        _ALIAS + " AND m.inbox_id = :inbox_id ORDER BY m.member_id",
        {"tenant_id": tenant_id, "inbox_id": inbox_id},
    )
    return [Alias(row["address"], row["list_id"]) for row in rows]


_ALIAS = """
    SELECT m.inbox_id, l.address, l.list_id FROM list_members m
    JOIN lists l ON l.list_id = m.list_id
    WHERE l.tenant_id = :tenant_id
"""
_COLUMNS = """
    SELECT inbox_id, tenant_id, address, canonical, display_name, owner_user_id,
           default_timezone, share_relationships, created_at, signature
"""
_INBOX = f"""
    {_COLUMNS} FROM inboxes WHERE tenant_id = :tenant_id AND deleted_at IS NULL
"""


def _inbox(row: Row) -> Inbox:
    return Inbox(
        row["inbox_id"],
        row["tenant_id"],
        row["address"],
        row["canonical"],
        row["display_name"],
        row["owner_user_id"],
        row["default_timezone"],
        bool(row["share_relationships"]),
        row["created_at"],
        row["signature"],
    )


async def find_teammates(
    tx: Tx, *, tenant_id: bytes, named: Sequence[tuple[str, str]]
) -> list[Inbox]:
    """Return the inbox of each of `named`, pairs of a field and an address.

    Raises Invalid on every field whose address is not an inbox of the tenant: unknown, another
    tenant's, a list's, a subaddress, a login or a deleted inbox's, all with the same message.
    """
    found, faults = [], []
    for field, address in named:
        inbox = await _teammate(tx, tenant_id, address)
        if inbox is None:
            faults.append(FieldFault(field, "is not an inbox of this tenant"))
        else:
            found.append(inbox)
    if faults:
        raise Invalid(*faults)
    return found


async def _teammate(tx: Tx, tenant_id: bytes, address: str) -> Inbox | None:
    canonical = canonical_or_none(address)
    if canonical is None:
        return None
    try:
        return await find_inbox_by_address(tx, tenant_id=tenant_id, canonical=canonical)
    except NotFound:
        return None

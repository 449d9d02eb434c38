"""Distribution lists: a shared address whose mail is delivered to every member's inbox.

- The address is on a verified domain of the tenant and never changes.
- Adding a member twice makes one membership; the second call says that it existed.
- Every change of membership writes its event in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from storage.address import Address, canonical_or_none
from storage.database import Row, Tx
from storage.directory.domains import require_verified
from storage.directory.empty_list_attempts import forget_deferred
from storage.directory.inboxes import require_free
from storage.errors import FieldFault, Invalid, NotFound
from storage.ids import from_text
from storage.keyset import ALL, Keyset

ReplyAs = Literal["list", "member", "either"]
ReplyName = Literal["list", "member", "both"]


@dataclass(frozen=True, slots=True)
class DistributionList:
    """A stored list; `created_by` is None for a list made on the command line.

    `share_read_state`: its members see who of them has read what came by it. `reply_as` says from
    which address its members answer, `reply_name` under which name; `signature` is put under their
    letters by the page.

    `deferred` is the number of deferred delivery attempts, and the time of the last, while the list
    has no members.
    """

    list_id: bytes
    tenant_id: bytes
    address: str
    name: str
    created_by: bytes | None
    created_at: int
    member_count: int
    share_read_state: bool = True
    reply_as: str = "list"
    reply_name: str = "both"
    signature: str = ""
    deferred: int = 0
    last_deferred_at: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """The membership of one inbox in one list."""

    member_id: bytes
    inbox_id: bytes
    inbox_address: str
    added_at: int


async def create_list(
    tx: Tx, *, tenant_id: bytes, address: Address, name: str, created_by: bytes | None, now: int
) -> DistributionList:
    """Make a list without members.

    Raises Invalid on `address` (`domain_not_verified`) and Conflict `address_taken`.
    """
    canonical = address.canonical
    domain_name = canonical.rpartition("@")[2]
    domain = await require_verified(tx, tenant_id=tenant_id, name=domain_name, field="address")
    await require_free(tx, canonical)
    made = DistributionList(tx.new_id(), tenant_id, address.text, name, created_by, now, 0)
    row = {
        "list_id": made.list_id,
        "tenant_id": tenant_id,
        "domain_id": domain.domain_id,
        "address": made.address,
        "canonical": canonical,
        "name": name,
        "created_by": created_by,
        "now": now,
    }
    await tx.execute(
        """
        INSERT INTO lists
            (list_id, tenant_id, domain_id, address, canonical, name, created_by, created_at,
             share_read_state)
        VALUES
            (:list_id, :tenant_id, :domain_id, :address, :canonical, :name, :created_by, :now, 1)
        """,
        row,
    )
    await tx.execute(
        """
        INSERT INTO addresses (canonical, tenant_id, domain_id, list_id)
        VALUES (:canonical, :tenant_id, :domain_id, :list_id)
        """,
        row,
    )
    return made


async def update_list(
    tx: Tx,
    *,
    tenant_id: bytes,
    list_id: bytes,
    name: str | None = None,
    share_read_state: bool | None = None,
    reply_as: ReplyAs | None = None,
    reply_name: ReplyName | None = None,
    signature: str | None = None,
) -> DistributionList:
    """Change the given values; None leaves a value as it is. Raises NotFound."""
    shared = None if share_read_state is None else int(share_read_state)
    await tx.execute(
        """
        UPDATE lists
        SET name = COALESCE(:name, name),
            share_read_state = COALESCE(:shared, share_read_state),
            reply_as = COALESCE(:reply_as, reply_as),
            reply_name = COALESCE(:reply_name, reply_name),
            signature = COALESCE(:signature, signature)
        WHERE tenant_id = :tenant_id AND list_id = :list_id
        """,
        {
            "name": name,
            "shared": shared,
            "reply_as": reply_as,
            "reply_name": reply_name,
            "signature": signature,
            "tenant_id": tenant_id,
            "list_id": list_id,
        },
    )
    return await find_list(tx, tenant_id=tenant_id, list_id=list_id)


async def delete_list(tx: Tx, *, tenant_id: bytes, list_id: bytes, now: int) -> None:
    """Remove the list, its address and its memberships; delivered copies stay.

    Raises NotFound.
    """
    await find_list(tx, tenant_id=tenant_id, list_id=list_id)
    # Before the rows go: every member hears that it is none any more.
    for member in await list_members(tx, tenant_id=tenant_id, list_id=list_id):
        await _record(
            tx,
            "list.member_removed",
            tenant_id=tenant_id,
            list_id=list_id,
            inbox_id=member.inbox_id,
            now=now,
        )
    key = {"list_id": list_id}
    await tx.execute("DELETE FROM list_members WHERE list_id = :list_id", key)
    await tx.execute("DELETE FROM addresses WHERE list_id = :list_id", key)
    await forget_deferred(tx, list_id=list_id)
    await tx.execute("DELETE FROM lists WHERE list_id = :list_id", key)


async def find_list(tx: Tx, *, tenant_id: bytes, list_id: bytes) -> DistributionList:
    """Raises NotFound."""
    row = await tx.fetch_one(
        _LIST + " AND l.list_id = :list_id", {"tenant_id": tenant_id, "list_id": list_id}
    )
    if row is None:
        raise NotFound("no such list")
    return _list(row)


async def list_named(tx: Tx, *, tenant_id: bytes, name: str) -> bytes | None:
    """Return the id of the tenant's list with this id or address (`name`)."""
    row = await tx.fetch_one(
        """
        SELECT list_id FROM lists
        WHERE tenant_id = :tenant_id AND (list_id = :list_id OR canonical = :canonical)
        """,
        {
            "tenant_id": tenant_id,
            "list_id": from_text("lst", name) or b"",
            "canonical": canonical_or_none(name) or "",
        },
    )
    return None if row is None else bytes(row["list_id"])


async def find_list_by_address(tx: Tx, *, canonical: str) -> DistributionList:
    """Find a list of any tenant by its address, for the operator. Raises NotFound."""
    row = await tx.fetch_one(
        "SELECT tenant_id, list_id FROM lists WHERE canonical = :canonical",
        {"canonical": canonical},
    )
    if row is None:
        raise NotFound("no such list")
    return await find_list(tx, tenant_id=row["tenant_id"], list_id=row["list_id"])


async def all_lists(tx: Tx, *, tenant_id: bytes, span: Keyset = ALL) -> list[DistributionList]:
    """Return the tenant's lists, oldest first."""
    rows = await tx.fetch_all(
        f"{_LIST} {span.sql('l.list_id')}", {"tenant_id": tenant_id, **span.params}
    )
    return [_list(row) for row in rows]


_LIST = """
    SELECT l.list_id, l.tenant_id, l.address, l.name, l.created_by, l.created_at,
           l.share_read_state, l.reply_as, l.reply_name, l.signature,
           (SELECT COUNT(*) FROM list_members m WHERE m.list_id = l.list_id) AS member_count,
           d.deferred, d.last_at
    FROM lists l LEFT JOIN deferred_lists d ON d.list_id = l.list_id
    WHERE l.tenant_id = :tenant_id
"""


def _list(row: Row) -> DistributionList:
    return DistributionList(
        row["list_id"],
        row["tenant_id"],
        row["address"],
        row["name"],
        row["created_by"],
        row["created_at"],
        row["member_count"],
        bool(row["share_read_state"]),
        row["reply_as"],
        row["reply_name"],
        row["signature"],
        row["deferred"] or 0,
        row["last_at"],
    )


async def list_members(
    tx: Tx, *, tenant_id: bytes, list_id: bytes, span: Keyset = ALL
) -> list[Member]:
    """Return the members in the order they were added. Raises NotFound for the list."""
    await find_list(tx, tenant_id=tenant_id, list_id=list_id)
    rows = await tx.fetch_all(
        f"{_MEMBER} WHERE m.list_id = :list_id {span.sql('m.member_id')}",
        {"list_id": list_id, **span.params},
    )
    return [_member(row) for row in rows]


async def add_member(
    tx: Tx, *, tenant_id: bytes, list_id: bytes, inbox_id: bytes, now: int
) -> tuple[Member, bool]:
    """Return the membership, and whether it is new.

    Raises NotFound for the list, Invalid on `inbox_id` for an inbox the tenant does not have.
    """
    await find_list(tx, tenant_id=tenant_id, list_id=list_id)
    # After the list (404 before 400): no answer on a foreign list may depend on the inbox.
    inbox = await tx.fetch_one(
        """
        SELECT 1 FROM inboxes
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id AND deleted_at IS NULL
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id},
    )
    if inbox is None:
        raise Invalid(FieldFault("inbox_id", "is not an inbox of this tenant"))
    added = await tx.execute(
        """
        INSERT INTO list_members (list_id, inbox_id, member_id, added_at)
        VALUES (:list_id, :inbox_id, :member_id, :now)
        ON CONFLICT (list_id, inbox_id) DO NOTHING
        """,
        {"list_id": list_id, "inbox_id": inbox_id, "member_id": tx.new_id(), "now": now},
    )
    # Of two parallel calls only the one that made the row is an event.
    if added:
        await forget_deferred(tx, list_id=list_id)
        await _record(
            tx,
            "list.member_added",
            tenant_id=tenant_id,
            list_id=list_id,
            inbox_id=inbox_id,
            now=now,
        )
    row = await tx.fetch_one(
        _MEMBER + " WHERE m.list_id = :list_id AND m.inbox_id = :inbox_id",
        {"list_id": list_id, "inbox_id": inbox_id},
    )
    assert row is not None
    return _member(row), bool(added)


async def remove_member(
    tx: Tx, *, tenant_id: bytes, list_id: bytes, inbox_id: bytes, now: int
) -> None:
    """Raises NotFound for the list, and for an inbox that is not a member."""
    await find_list(tx, tenant_id=tenant_id, list_id=list_id)
    removed = await tx.execute(
        "DELETE FROM list_members WHERE list_id = :list_id AND inbox_id = :inbox_id",
        {"list_id": list_id, "inbox_id": inbox_id},
    )
    if not removed:
        raise NotFound("no such member")
    await _record(
        tx,
        "list.member_removed",
        tenant_id=tenant_id,
        list_id=list_id,
        inbox_id=inbox_id,
        now=now,
    )


async def leave_all_lists(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, now: int) -> None:
    """Remove an inbox from every list."""
    key = {"inbox_id": inbox_id}
    rows = await tx.fetch_all(
        "SELECT list_id FROM list_members WHERE inbox_id = :inbox_id ORDER BY member_id", key
    )
    await tx.execute("DELETE FROM list_members WHERE inbox_id = :inbox_id", key)
    for row in rows:
        await _record(
            tx,
            "list.member_removed",
            tenant_id=tenant_id,
            list_id=row["list_id"],
            inbox_id=inbox_id,
            now=now,
        )


_MEMBER = """
    SELECT m.member_id, m.inbox_id, i.address AS inbox_address, m.added_at
    FROM list_members m JOIN inboxes i ON i.inbox_id = m.inbox_id
"""


def _member(row: Row) -> Member:
    return Member(row["member_id"], row["inbox_id"], row["inbox_address"], row["added_at"])


async def _record(
    tx: Tx, event: str, *, tenant_id: bytes, list_id: bytes, inbox_id: bytes, now: int
) -> None:
    await tx.execute(
        """
        INSERT INTO events (event_id, tenant_id, type, inbox_id, list_id, created_at)
        VALUES (:event_id, :tenant_id, :type, :inbox_id, :list_id, :now)
        """,
        {
            "event_id": tx.new_id(),
            "tenant_id": tenant_id,
            "type": event,
            "inbox_id": inbox_id,
            "list_id": list_id,
            "now": now,
        },
    )

"""Shares: a card offered to a teammate, or asked for, and what becomes of it.

- An offer goes to who shall have the card, a request to who is thought to have it: a request says
  nothing about whether there is such a card until its receiver accepts.
- Only the receiver accepts or declines, only the sender withdraws. What was resolved stays so: of
  two at once the second is a Conflict.
- A pending share lapses after 30 days by itself, also before anybody has written that down; what
  was resolved is gone after 7 days, what was withdrawn at once.
- The receiver has a task for it, which is completed with it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from storage.activity import Happening, record_activity
from storage.address import canonical_or_none
from storage.clock import DAY
from storage.contacts import Contact, contacts_with, find_contact
from storage.database import Row, Tx
from storage.errors import Conflict, NotFound
from storage.events import record_event
from storage.received_cards import receive_card
from storage.tasks import Draft, complete_task, create_task, find_task

LAPSE = 30 * DAY
KEPT = 7 * DAY

Direction = Literal["incoming", "outgoing"]
Status = Literal["pending", "accepted", "declined", "lapsed"]
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Share:
    """A share as stored. `address` is what the card was asked for by, or its first address."""

    share_id: bytes
    type: str
    status: str
    from_inbox_id: bytes
    to_inbox_id: bytes
    contact_id: bytes | None
    address: str | None
    include_notes: bool
    note: str | None
    labels: tuple[str, ...]
    created_at: int
    resolved_at: int | None

    @property
    def canonical(self) -> str | None:
        return canonical_or_none(self.address) if self.address else None

    @property
    def giver(self) -> bytes:
        """Whose card it is."""
        return self.from_inbox_id if self.type == "offer" else self.to_inbox_id

    @property
    def taker(self) -> bytes:
        """Who gets the copy."""
        return self.to_inbox_id if self.type == "offer" else self.from_inbox_id


async def offer_contact(
    tx: Tx,
    *,
    tenant_id: bytes,
    contact: Contact,
    to_inbox_id: bytes,
    include_notes: bool,
    now: int,
) -> tuple[Share, bool]:
    """Offer a card of one's book to a teammate; the share, and whether it is a new one."""
    emails = contact.card.emails
    share = Share(
        tx.new_id(),
        "offer",
        "pending",
        contact.inbox_id,
        to_inbox_id,
        contact.contact_id,
        emails[0].address if emails else None,
        include_notes,
        None,
        (),
        now,
        None,
    )
    title = f"[Contact offered] {contact.card.title}"
    return await _propose(tx, tenant_id, share, title, now)


async def request_contact(
    tx: Tx,
    *,
    tenant_id: bytes,
    from_inbox_id: bytes,
    to_inbox_id: bytes,
    address: str,
    note: str | None,
    labels: Sequence[str],
    now: int,
) -> tuple[Share, bool]:
    """Ask a teammate for the card with an address; the share, and whether it is a new one."""
    share = Share(
        tx.new_id(),
        "request",
        "pending",
        from_inbox_id,
        to_inbox_id,
        None,
        address,
        False,
        note,
        tuple(dict.fromkeys(labels)),
        now,
        None,
    )
    return await _propose(tx, tenant_id, share, f"[Contact requested] {address}", now)


async def _propose(
    tx: Tx, tenant_id: bytes, share: Share, title: str, now: int
) -> tuple[Share, bool]:
    pending = await _same_pending(tx, tenant_id, share, now)
    if pending is not None:
        return pending, False
    await _insert(tx, tenant_id, share)
    draft = Draft(
        "contact_share",
        title,
        description=share.note,
        share_id=share.share_id,
    )
    await create_task(
        tx,
        tenant_id=tenant_id,
        inbox_id=share.to_inbox_id,
        draft=draft,
        created_by=share.from_inbox_id,
        now=now,
    )
    await _tell(
        tx,
        "contact.share_received",
        tenant_id,
        share,
        inbox_id=share.to_inbox_id,
        by_inbox_id=share.from_inbox_id,
        now=now,
    )
    kind = "offered" if share.type == "offer" else "requested"
    await _record(tx, tenant_id, share, kind, now=now)
    return share, True


async def _same_pending(tx: Tx, tenant_id: bytes, share: Share, now: int) -> Share | None:
    """The pending share of the same kind between the same two about the same card."""
    same = "contact_id = :contact_id" if share.canonical is None else "canonical = :canonical"
    row = await tx.fetch_one(
        f"""
        {_SHARE} AND status = 'pending' AND created_at > :since AND type = :type
          AND from_inbox_id = :from_inbox_id AND to_inbox_id = :to_inbox_id AND {same}
        ORDER BY share_id LIMIT 1
        """,
        {
            "tenant_id": tenant_id,
            "since": now - LAPSE,
            "type": share.type,
            "from_inbox_id": share.from_inbox_id,
            "to_inbox_id": share.to_inbox_id,
            "contact_id": share.contact_id,
            "canonical": share.canonical,
        },
    )
    return _share(row) if row else None


async def _insert(tx: Tx, tenant_id: bytes, share: Share) -> None:
    await tx.execute(
        """
        INSERT INTO shares
            (share_id, tenant_id, type, status, from_inbox_id, to_inbox_id, contact_id, address,
             canonical, include_notes, note, labels, created_at)
        VALUES
            (:share_id, :tenant_id, :type, :status, :from_inbox_id, :to_inbox_id, :contact_id,
             :address, :canonical, :include_notes, :note, :labels, :created_at)
        """,
        {
            "share_id": share.share_id,
            "tenant_id": tenant_id,
            "type": share.type,
            "status": share.status,
            "from_inbox_id": share.from_inbox_id,
            "to_inbox_id": share.to_inbox_id,
            "contact_id": share.contact_id,
            "address": share.address,
            "canonical": share.canonical,
            "include_notes": int(share.include_notes),
            "note": share.note,
            "labels": json.dumps(share.labels),
            "created_at": share.created_at,
        },
    )


async def find_share(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, share_id: bytes, direction: Direction, now: int
) -> Share:
    """The share that came to, or went out from, an inbox. Raises NotFound, also for the other."""
    row = await tx.fetch_one(
        f"{_SHARE} AND share_id = :share_id AND {_PARTY[direction]} = :inbox_id",
        {"tenant_id": tenant_id, "share_id": share_id, "inbox_id": inbox_id},
    )
    if row is None:
        raise NotFound("no such share")
    share = _at(_share(row), now)
    if share.resolved_at is not None and share.resolved_at <= now - KEPT:
        raise NotFound("no such share any more")
    return share


async def list_shares(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    direction: Direction,
    status: Status,
    after: bytes | None,
    limit: int,
    now: int,
) -> list[Share]:
    """The shares that came to, or went out from, an inbox, oldest first, behind `after`."""
    rows = await tx.fetch_all(
        f"""
        {_SHARE} AND {_PARTY[direction]} = :inbox_id AND {_STATUS[status]} AND share_id > :after
        ORDER BY share_id LIMIT :limit
        """,
        {
            "tenant_id": tenant_id,
            "inbox_id": inbox_id,
            "status": status,
            "alive": now - LAPSE,
            "kept": now - KEPT,
            "long_gone": now - LAPSE - KEPT,
            "after": after or b"",
            "limit": limit,
        },
    )
    return [_at(_share(row), now) for row in rows]


_PARTY = {"incoming": "to_inbox_id", "outgoing": "from_inbox_id"}
_RESOLVED = "(status = :status AND resolved_at > :kept)"
_STATUS: dict[Status, str] = {
    "pending": "status = 'pending' AND created_at > :alive",
    "accepted": _RESOLVED,
    "declined": _RESOLVED,
    "lapsed": f"""({_RESOLVED} OR (status = 'pending' AND created_at <= :alive
                                   AND created_at > :long_gone))""",
}


def _at(share: Share, now: int) -> Share:
    """The share as it is now: nobody has to write down that it lapsed."""
    if share.status == "pending" and share.created_at <= now - LAPSE:
        return replace(share, status="lapsed", resolved_at=share.created_at + LAPSE)
    return share


async def accept_share(tx: Tx, *, tenant_id: bytes, share: Share, now: int) -> Share:
    """Copy the card into the book of who shall have it.

    Raises Conflict: `share_resolved`, and `contact_missing` when there is no such card.
    """
    _require_pending(share)
    given = await _card_of(tx, tenant_id, share)
    card = given.card if share.include_notes else replace(given.card, notes="")
    received = await receive_card(
        tx,
        tenant_id=tenant_id,
        from_inbox_id=share.giver,
        to_inbox_id=share.taker,
        card=replace(card, labels=tuple(dict.fromkeys([*card.labels, *share.labels]))),
        now=now,
    )
    if share.contact_id is None:
        share = replace(share, contact_id=received.contact_id)
    return await _resolve(
        tx,
        tenant_id,
        share,
        "accepted",
        by_inbox_id=share.to_inbox_id,
        now=now,
        received=received,
    )


async def _card_of(tx: Tx, tenant_id: bytes, share: Share) -> Contact:
    missing = Conflict("contact_missing", "There is no such card in the book of its holder.")
    if share.type == "request":
        found = await contacts_with(
            tx, tenant_id=tenant_id, inbox_id=share.giver, canonicals=[share.canonical or ""]
        )
        if not found:
            raise missing
        return found[0]
    try:
        return await find_contact(
            tx, tenant_id=tenant_id, inbox_id=share.giver, contact_id=share.contact_id or b""
        )
    except NotFound:
        raise missing from None


async def decline_share(tx: Tx, *, tenant_id: bytes, share: Share, now: int) -> Share:
    """Say no. Raises Conflict `share_resolved`."""
    _require_pending(share)
    return await _resolve(tx, tenant_id, share, "declined", by_inbox_id=share.to_inbox_id, now=now)


async def withdraw_share(tx: Tx, *, tenant_id: bytes, share: Share, now: int) -> None:
    """Take a pending share back, as if it had never been. Raises Conflict `share_resolved`."""
    _require_pending(share)
    await _close(tx, tenant_id, share, share.from_inbox_id, now)
    await _record(tx, tenant_id, share, "withdrawn", now=now)
    await tx.execute(
        "DELETE FROM shares WHERE tenant_id = :tenant_id AND share_id = :share_id",
        {"tenant_id": tenant_id, "share_id": share.share_id},
    )


async def withdraw_offers_of(tx: Tx, *, tenant_id: bytes, contact: Contact, now: int) -> None:
    """Take back the offers of a card that is being deleted."""
    rows = await tx.fetch_all(
        f"{_SHARE} AND from_inbox_id = :inbox_id AND status = 'pending' AND contact_id = :id",
        {"tenant_id": tenant_id, "inbox_id": contact.inbox_id, "id": contact.contact_id},
    )
    for row in rows:
        await withdraw_share(tx, tenant_id=tenant_id, share=_share(row), now=now)


async def lapse_shares_of(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, now: int) -> None:
    """End the pending shares of an inbox that is going."""
    rows = await tx.fetch_all(
        f"""
        {_SHARE} AND status = 'pending'
          AND (from_inbox_id = :inbox_id OR to_inbox_id = :inbox_id)
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id},
    )
    for row in rows:
        await _resolve(tx, tenant_id, _share(row), "lapsed", by_inbox_id=None, now=now)


async def lapse_some(tx: Tx, *, now: int) -> int:
    """Write down some of what has lapsed; how many shares."""
    rows = await tx.fetch_all(
        f"""
        SELECT {_COLUMNS} FROM shares WHERE status = 'pending' AND created_at <= :since
        ORDER BY created_at LIMIT {_AT_ONCE}
        """,
        {"since": now - LAPSE},
    )
    for row in rows:
        tenant_id = bytes(row["tenant_id"])
        await _resolve(tx, tenant_id, _share(row), "lapsed", by_inbox_id=None, now=now)
    return len(rows)


async def forget_shares(tx: Tx, *, now: int) -> int:
    """Drop what was resolved more than seven days ago; how many shares."""
    return await tx.execute(
        "DELETE FROM shares WHERE status <> 'pending' AND resolved_at <= :since",
        {"since": now - KEPT},
    )


async def forget_shares_of(tx: Tx, *, inbox_id: bytes) -> None:
    """Drop the shares of an inbox that is gone."""
    await tx.execute(
        "DELETE FROM shares WHERE from_inbox_id = :inbox_id OR to_inbox_id = :inbox_id",
        {"inbox_id": inbox_id},
    )


def _require_pending(share: Share) -> None:
    if share.status != "pending":
        raise Conflict("share_resolved", "This share was resolved already.")


async def _resolve(
    tx: Tx,
    tenant_id: bytes,
    share: Share,
    status: Status,
    *,
    by_inbox_id: bytes | None,
    now: int,
    received: Contact | None = None,
) -> Share:
    changed = await tx.execute(
        """
        UPDATE shares SET status = :status, resolved_at = :now, contact_id = :contact_id
        WHERE tenant_id = :tenant_id AND share_id = :share_id AND status = 'pending'
        """,
        {
            "status": status,
            "now": now,
            "contact_id": share.contact_id,
            "tenant_id": tenant_id,
            "share_id": share.share_id,
        },
    )
    if not changed:
        raise Conflict("share_resolved", "This share was resolved already.")
    await _close(tx, tenant_id, share, by_inbox_id, now)
    await _record(tx, tenant_id, share, status, now=now, received=received)
    return replace(share, status=status, resolved_at=now)


async def _close(
    tx: Tx, tenant_id: bytes, share: Share, by_inbox_id: bytes | None, now: int
) -> None:
    """Complete the receiver's task and tell both."""
    tasks = await tx.fetch_all(
        """
        SELECT task_id FROM tasks
        WHERE tenant_id = :tenant_id AND share_id = :share_id AND inbox_id = :inbox_id
        """,
        {"tenant_id": tenant_id, "share_id": share.share_id, "inbox_id": share.to_inbox_id},
    )
    for row in tasks:
        task = await find_task(
            tx,
            tenant_id=tenant_id,
            inbox_id=share.to_inbox_id,
            task_id=bytes(row["task_id"]),
            now=now,
        )
        await complete_task(tx, tenant_id=tenant_id, task=task, by_inbox_id=by_inbox_id, now=now)
    for party in (share.from_inbox_id, share.to_inbox_id):
        await _tell(
            tx,
            "contact.share_resolved",
            tenant_id,
            share,
            inbox_id=party,
            by_inbox_id=by_inbox_id,
            now=now,
        )


async def _tell(
    tx: Tx,
    kind: str,
    tenant_id: bytes,
    share: Share,
    *,
    inbox_id: bytes,
    by_inbox_id: bytes | None,
    now: int,
) -> None:
    await record_event(
        tx,
        kind,
        tenant_id=tenant_id,
        inbox_id=inbox_id,
        share_id=share.share_id,
        by_inbox_id=by_inbox_id,
        now=now,
    )


async def _record(
    tx: Tx,
    tenant_id: bytes,
    share: Share,
    kind: str,
    *,
    now: int,
    received: Contact | None = None,
) -> None:
    """Put it into the feed of both parties; what came with it is marked for who got it."""
    for party, other in (
        (share.from_inbox_id, share.to_inbox_id),
        (share.to_inbox_id, share.from_inbox_id),
    ):
        got = received is not None and party == share.taker
        contact_id = share.contact_id if party == share.giver and share.type == "offer" else None
        happening = Happening(
            f"contact.share_{kind}",
            (share.canonical,) if share.canonical else (),
            received.contact_id if got and received else contact_id,
            share.share_id,
            other,
            share.giver if got else None,
        )
        await record_activity(tx, tenant_id=tenant_id, inbox_id=party, happening=happening, now=now)


_COLUMNS = """
    share_id, tenant_id, type, status, from_inbox_id, to_inbox_id, contact_id, address,
    include_notes, note, labels, created_at, resolved_at
"""
_SHARE = f"SELECT {_COLUMNS} FROM shares WHERE tenant_id = :tenant_id"


def _share(row: Row) -> Share:
    return Share(
        bytes(row["share_id"]),
        row["type"],
        row["status"],
        bytes(row["from_inbox_id"]),
        bytes(row["to_inbox_id"]),
        None if row["contact_id"] is None else bytes(row["contact_id"]),
        row["address"],
        bool(row["include_notes"]),
        row["note"],
        tuple(json.loads(row["labels"])),
        row["created_at"],
        row["resolved_at"],
    )

"""Resolutions of shares: accepted, declined, withdrawn, expired, and later deleted.

- Only the receiver accepts or declines, only the sender withdraws. A resolved share stays resolved:
  of two concurrent resolutions the second is a Conflict.
- A resolution completes the receiver's task and notifies both parties.
- An accepted share names the card that its taker has.
"""

from __future__ import annotations

from dataclasses import replace

from storage.contacts.contacts import Contact, contacts_with, find_contact
from storage.contacts.receive_card import receive_card
from storage.database import Tx
from storage.errors import Conflict, NotFound
from storage.sharing.shares import (
    COLUMNS,
    LAPSE,
    SHARE,
    Share,
    Status,
    record_step,
    share_of,
    tell_party,
)
from storage.teamwork.tasks import complete_task, find_task

_AT_ONCE = 100


async def accept_share(
    tx: Tx, *, tenant_id: bytes, share: Share, most_contacts: int, now: int
) -> Share:
    """Copy the card into the taker's book.

    Raises Conflict: `share_resolved`, `contact_missing` when there is no such card, and as
    `receive_card`.
    """
    _require_pending(share)
    given = await _card_of(tx, tenant_id, share)
    card = given.card if share.include_notes else replace(given.card, notes="")
    # The card as it is now, not as it was offered: its holder may have corrected it since.
    received = await receive_card(
        tx,
        tenant_id=tenant_id,
        from_inbox_id=share.giver,
        to_inbox_id=share.taker,
        card=replace(card, labels=tuple(dict.fromkeys([*card.labels, *share.labels]))),
        most_contacts=most_contacts,
        now=now,
    )
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
    missing = Conflict("contact_missing", "The holder has no such card.")
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
    """Decline a share. Raises Conflict `share_resolved`."""
    _require_pending(share)
    return await _resolve(tx, tenant_id, share, "declined", by_inbox_id=share.to_inbox_id, now=now)


async def withdraw_share(tx: Tx, *, tenant_id: bytes, share: Share, now: int) -> None:
    """Delete a pending share, with its task. Raises Conflict `share_resolved`."""
    _require_pending(share)
    await _close(tx, tenant_id, share, share.from_inbox_id, now)
    await record_step(tx, tenant_id, share, "withdrawn", now=now)
    await tx.execute(
        "DELETE FROM shares WHERE tenant_id = :tenant_id AND share_id = :share_id",
        {"tenant_id": tenant_id, "share_id": share.share_id},
    )


async def withdraw_offers_of(tx: Tx, *, tenant_id: bytes, contact: Contact, now: int) -> None:
    """Withdraw the offers of a card that is being deleted."""
    rows = await tx.fetch_all(
        f"{SHARE} AND from_inbox_id = :inbox_id AND status = 'pending' AND contact_id = :id",
        {"tenant_id": tenant_id, "inbox_id": contact.inbox_id, "id": contact.contact_id},
    )
    for row in rows:
        await withdraw_share(tx, tenant_id=tenant_id, share=share_of(row), now=now)


async def accept_offers_of(
    tx: Tx, *, tenant_id: bytes, contact: Contact, to_inbox_id: bytes, received: Contact, now: int
) -> None:
    """Resolve the pending offers of a card to the inbox that it was handed over to."""
    rows = await tx.fetch_all(
        f"""
        {SHARE} AND from_inbox_id = :inbox_id AND to_inbox_id = :to_inbox_id
          AND type = 'offer' AND status = 'pending' AND contact_id = :id AND created_at > :alive
        """,
        {
            "tenant_id": tenant_id,
            "inbox_id": contact.inbox_id,
            "to_inbox_id": to_inbox_id,
            "id": contact.contact_id,
            "alive": now - LAPSE,
        },
    )
    for row in rows:
        await _resolve(
            tx,
            tenant_id,
            share_of(row),
            "accepted",
            by_inbox_id=contact.inbox_id,
            now=now,
            received=received,
        )


async def lapse_shares_of(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, now: int) -> None:
    """End the pending shares of an inbox that is deleted."""
    rows = await tx.fetch_all(
        f"""
        {SHARE} AND status = 'pending'
          AND (from_inbox_id = :inbox_id OR to_inbox_id = :inbox_id)
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id},
    )
    for row in rows:
        await _resolve(tx, tenant_id, share_of(row), "lapsed", by_inbox_id=None, now=now)


async def lapse_some(tx: Tx, *, now: int) -> int:
    """Record the expiry of some shares; how many."""
    rows = await tx.fetch_all(
        f"""
        SELECT {COLUMNS} FROM shares WHERE status = 'pending' AND created_at <= :since
        ORDER BY created_at LIMIT {_AT_ONCE}
        """,
        {"since": now - LAPSE},
    )
    for row in rows:
        tenant_id = bytes(row["tenant_id"])
        await _resolve(tx, tenant_id, share_of(row), "lapsed", by_inbox_id=None, now=now)
    return len(rows)


async def forget_shares_of(tx: Tx, *, inbox_id: bytes) -> None:
    """Delete the shares of an inbox that is deleted permanently."""
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
    contact_id = received.contact_id if received else share.contact_id
    # Of two resolutions at one time one changes the row: a card is not given and declined at once.
    changed = await tx.execute(
        """
        UPDATE shares SET status = :status, resolved_at = :now, contact_id = :contact_id
        WHERE tenant_id = :tenant_id AND share_id = :share_id AND status = 'pending'
        """,
        {
            "status": status,
            "now": now,
            "contact_id": contact_id,
            "tenant_id": tenant_id,
            "share_id": share.share_id,
        },
    )
    if not changed:
        raise Conflict("share_resolved", "This share was resolved already.")
    await _close(tx, tenant_id, share, by_inbox_id, now)
    await record_step(tx, tenant_id, share, status, now=now, received=received)
    return replace(share, status=status, contact_id=contact_id, resolved_at=now)


async def _close(
    tx: Tx, tenant_id: bytes, share: Share, by_inbox_id: bytes | None, now: int
) -> None:
    """Complete the receiver's task and notify both parties."""
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
        await tell_party(
            tx,
            "contact.share_resolved",
            tenant_id,
            share,
            inbox_id=party,
            by_inbox_id=by_inbox_id,
            now=now,
        )

"""Offers and requests of cards: a pending share, and a task for its receiver.

A second share of the same kind, between the same two about the same card, returns the first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from storage.contacts.contacts import Contact
from storage.database import Tx
from storage.sharing.shares import LAPSE, SHARE, Share, record_step, share_of, tell_party
from storage.teamwork.tasks import Draft, create_task


async def offer_contact(
    tx: Tx,
    *,
    tenant_id: bytes,
    contact: Contact,
    to_inbox_id: bytes,
    include_notes: bool,
    now: int,
) -> tuple[Share, bool]:
    """Offer a card to a teammate; the share, and whether it is new."""
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
    """Ask a teammate for the card with an address; the share, and whether it is new."""
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
    # An offer made again and again must not fill the receiver's agenda.
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
    await tell_party(
        tx,
        "contact.share_received",
        tenant_id,
        share,
        inbox_id=share.to_inbox_id,
        by_inbox_id=share.from_inbox_id,
        now=now,
    )
    kind = "offered" if share.type == "offer" else "requested"
    await record_step(tx, tenant_id, share, kind, now=now)
    return share, True


async def _same_pending(tx: Tx, tenant_id: bytes, share: Share, now: int) -> Share | None:
    """Find the pending share of the same kind between the same two about the same card."""
    same = "contact_id = :contact_id" if share.canonical is None else "canonical = :canonical"
    row = await tx.fetch_one(
        f"""
        {SHARE} AND status = 'pending' AND created_at > :since AND type = :type
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
    return share_of(row) if row else None


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

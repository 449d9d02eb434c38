"""Handoff of a contact card: the receiver owns it immediately, the giver keeps a read-only copy.

It resolves a pending offer of the card to the same receiver.
"""

from __future__ import annotations

from storage.contacts.contacts import Contact, replace_card, require_own
from storage.contacts.receive_card import receive_card
from storage.database import Tx
from storage.events.record import record_event
from storage.sharing.contact_activity import Happening, record_activity
from storage.sharing.resolutions import accept_offers_of
from storage.teamwork.tasks import Draft, create_task


async def hand_over(
    tx: Tx,
    *,
    tenant_id: bytes,
    contact: Contact,
    to_inbox_id: bytes,
    note: str | None,
    most_contacts: int,
    now: int,
) -> Contact:
    """Hand over the card with labels and relationship; return the giver's copy.

    Raises Conflict `read_only` for a card that was handed over already, and as `receive_card`.
    """
    require_own(contact)
    received = await receive_card(
        tx,
        tenant_id=tenant_id,
        from_inbox_id=contact.inbox_id,
        to_inbox_id=to_inbox_id,
        card=contact.card,
        most_contacts=most_contacts,
        now=now,
    )
    copy = await replace_card(
        tx, tenant_id=tenant_id, contact=contact, card=contact.card, read_only=True, now=now
    )
    await accept_offers_of(
        tx,
        tenant_id=tenant_id,
        contact=contact,
        to_inbox_id=to_inbox_id,
        received=received,
        now=now,
    )
    await _notify_receiver(
        tx,
        tenant_id=tenant_id,
        contact=contact,
        to_inbox_id=to_inbox_id,
        received=received,
        note=note,
        now=now,
    )
    await _record_both_sides(
        tx,
        tenant_id=tenant_id,
        contact=contact,
        to_inbox_id=to_inbox_id,
        received=received,
        now=now,
    )
    return copy


async def _notify_receiver(
    tx: Tx,
    *,
    tenant_id: bytes,
    contact: Contact,
    to_inbox_id: bytes,
    received: Contact,
    note: str | None,
    now: int,
) -> None:
    await create_task(
        tx,
        tenant_id=tenant_id,
        inbox_id=to_inbox_id,
        draft=Draft(
            "contact_handoff",
            f"[Contact handed over] {contact.card.title}",
            description=note,
            contact_id=received.contact_id,
        ),
        created_by=contact.inbox_id,
        now=now,
    )
    await record_event(
        tx,
        "contact.handoff_received",
        tenant_id=tenant_id,
        inbox_id=to_inbox_id,
        contact_id=received.contact_id,
        by_inbox_id=contact.inbox_id,
        now=now,
    )


async def _record_both_sides(
    tx: Tx,
    *,
    tenant_id: bytes,
    contact: Contact,
    to_inbox_id: bytes,
    received: Contact,
    now: int,
) -> None:
    giver, canonicals = contact.inbox_id, contact.card.canonicals
    given = Happening(
        "contact.handed_over", canonicals, contact.contact_id, other_inbox_id=to_inbox_id
    )
    got = Happening(
        "contact.handoff_received",
        canonicals,
        received.contact_id,
        other_inbox_id=giver,
        source_inbox_id=giver,
    )
    await record_activity(tx, tenant_id=tenant_id, inbox_id=giver, happening=given, now=now)
    await record_activity(tx, tenant_id=tenant_id, inbox_id=to_inbox_id, happening=got, now=now)

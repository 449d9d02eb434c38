"""A card received from another book, by an accepted share or a handoff.

- It is joined to the card of the receiver's book that has one of its addresses, else it is a new
  one. Nothing in the book is lost. When several cards have its addresses, it joins the oldest,
  without the addresses of the others.
- The origin and time of each received part are stored.
- The giver's relationships with these addresses raise the receiver's, including mail that no job
  has counted yet.
"""

from __future__ import annotations

from dataclasses import replace

from storage.contacts.cards import GROUPS, Card, groups_brought, joined_within
from storage.contacts.contacts import Contact, Source, contacts_with, create_contact, replace_card
from storage.contacts.relationships import count_before_seeding, seed_relationship
from storage.database import Tx


async def receive_card(
    tx: Tx,
    *,
    tenant_id: bytes,
    from_inbox_id: bytes,
    to_inbox_id: bytes,
    card: Card,
    most_contacts: int,
    now: int,
) -> Contact:
    """Put `card`, out of the book of `from_inbox_id`, into that of `to_inbox_id`.

    Raises Conflict: `card_too_large` when both together are, `contact_limit` in a full book.
    """
    source = Source(from_inbox_id, now)
    there = await contacts_with(
        tx, tenant_id=tenant_id, inbox_id=to_inbox_id, canonicals=card.canonicals
    )
    if there:
        first, *others = there
        # An address is on one card of a book: those of the other cards stay where they are.
        taken = {canonical for other in others for canonical in other.card.canonicals}
        free = tuple(email for email in card.emails if email.canonical not in taken)
        after = joined_within(first.card, replace(card, emails=free))
        brought = dict.fromkeys(groups_brought(first.card, after), source)
        contact = await replace_card(
            tx,
            tenant_id=tenant_id,
            contact=first,
            card=after,
            sources={**first.sources, **brought},
            now=now,
        )
    else:
        filled = [part for part in GROUPS if getattr(card, part)]
        contact = await create_contact(
            tx,
            tenant_id=tenant_id,
            inbox_id=to_inbox_id,
            card=card,
            sources=dict.fromkeys(filled, source),
            most_contacts=most_contacts,
            now=now,
        )
    await count_before_seeding(tx, tenant_id=tenant_id)
    await seed_relationship(
        tx,
        tenant_id=tenant_id,
        from_inbox_id=from_inbox_id,
        to_inbox_id=to_inbox_id,
        canonicals=card.canonicals,
        now=now,
    )
    return contact

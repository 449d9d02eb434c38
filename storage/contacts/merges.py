"""Merging two cards of one book, and undoing it within 30 days.

The merged card is stored whole, beside the former state of the other one; the last merge of a card
is undone first. Later changes of the card stay.
"""

from __future__ import annotations

from storage.clock import DAY
from storage.contacts.cards import joined_within, packed, parted, unpacked
from storage.contacts.contacts import (
    Contact,
    create_contact,
    find_contact,
    pack_sources,
    remove_contact,
    replace_card,
    require_own,
    unpack_sources,
)
from storage.database import Tx
from storage.errors import Conflict

UNDO = 30 * DAY


async def merge_contacts(
    tx: Tx, *, tenant_id: bytes, kept: Contact, other: Contact, now: int
) -> Contact:
    """Put everything of `other` on `kept`; `other` goes.

    Raises Conflict: `read_only`, `card_too_large` when both together are.
    """
    require_own(kept)
    require_own(other)
    # First: an address is on one card of a book, so it has to be free for the card that stays.
    await remove_contact(tx, tenant_id=tenant_id, contact=other)
    merged = await replace_card(
        tx,
        tenant_id=tenant_id,
        contact=kept,
        card=joined_within(kept.card, other.card),
        sources={**other.sources, **kept.sources},
        now=now,
    )
    await tx.execute(
        """
        INSERT INTO contact_merges
            (merge_id, tenant_id, inbox_id, contact_id, before_card, before_sources,
             other_id, other_card, other_sources, merged_at)
        VALUES
            (:merge_id, :tenant_id, :inbox_id, :contact_id, :before_card, :before_sources,
             :other_id, :other_card, :other_sources, :now)
        """,
        {
            "merge_id": tx.new_id(),
            "tenant_id": tenant_id,
            "inbox_id": kept.inbox_id,
            "contact_id": kept.contact_id,
            "before_card": packed(kept.card),
            "before_sources": pack_sources(kept.sources),
            "other_id": other.contact_id,
            "other_card": packed(other.card),
            "other_sources": pack_sources(other.sources),
            "now": now,
        },
    )
    await tx.execute(
        """
        UPDATE shares SET contact_id = :kept
        WHERE tenant_id = :tenant_id AND contact_id = :other AND status = 'pending'
        """,
        {"kept": kept.contact_id, "other": other.contact_id, "tenant_id": tenant_id},
    )
    return merged


async def unmerge_contact(
    tx: Tx, *, tenant_id: bytes, contact: Contact, most_contacts: int, now: int
) -> Contact:
    """Take the last merge of a card back; both cards have what was theirs.

    Raises Conflict: `not_merged` when there is none that can be, `read_only`, `address_taken`,
    `contact_limit`.
    """
    require_own(contact)
    key = {
        "tenant_id": tenant_id,
        "inbox_id": contact.inbox_id,
        "contact_id": contact.contact_id,
        "since": now - UNDO,
    }
    row = await tx.fetch_one(
        """
        SELECT merge_id, before_card, before_sources, other_id, other_card, other_sources
        FROM contact_merges
        WHERE tenant_id = :tenant_id AND inbox_id = :inbox_id AND contact_id = :contact_id
          AND merged_at > :since
        ORDER BY merge_id DESC LIMIT 1
        """,
        key,
    )
    if row is None:
        raise Conflict("not_merged", "There is no merge of the last 30 days to undo.")
    # The card gives up what the other brought before that one takes its addresses back.
    other = unpacked(row["other_card"])
    await replace_card(
        tx,
        tenant_id=tenant_id,
        contact=contact,
        card=parted(contact.card, unpacked(row["before_card"]), other),
        sources=unpack_sources(row["before_sources"]),
        now=now,
    )
    await create_contact(
        tx,
        tenant_id=tenant_id,
        inbox_id=contact.inbox_id,
        card=other,
        sources=unpack_sources(row["other_sources"]),
        most_contacts=most_contacts,
        contact_id=bytes(row["other_id"]),
        now=now,
    )
    await tx.execute(
        "DELETE FROM contact_merges WHERE merge_id = :merge_id", {"merge_id": row["merge_id"]}
    )
    return await find_contact(
        tx, tenant_id=tenant_id, inbox_id=contact.inbox_id, contact_id=contact.contact_id
    )

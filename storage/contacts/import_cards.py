"""Taking cards in from a file: which card of the book each one is, and what becomes of it.

- A card that has an address of a card in the book is that card; without an address in common, the
  one with its UID; else one of its name (`storage.contacts.same_card`); else it is new. Nothing
  that is in the book is lost or replaced, so taking the same file in twice changes nothing.
- A card whose addresses stand on two cards of the book is left out: which of them it is, nobody
  can say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from storage.contacts.cards import Card, joined
from storage.contacts.contacts import (
    Contact,
    contact_ids,
    contact_with_uid,
    contacts_with,
    create_contact,
    create_contacts,
    find_contact,
    known_uids,
    replace_card,
)
from storage.contacts.same_card import met_names, same_named_card
from storage.database import Tx
from storage.errors import NotFound
from storage.ids import from_text, to_text


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one card; `contact_id` is None when it was left out."""

    status: Literal["created", "merged", "unchanged", "skipped"]
    contact_id: bytes | None
    message: str = ""


async def import_cards(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, cards: Sequence[Card], now: int
) -> list[Imported]:
    """Take some cards in; what became of each, in their order.

    Those that are clearly new go in together; the others one by one, after them.
    """
    fresh = await _fresh(tx, tenant_id, inbox_id, cards)
    made = await create_contacts(
        tx,
        tenant_id=tenant_id,
        inbox_id=inbox_id,
        cards=[cards[place] for place in fresh],
        now=now,
    )
    done = {place: Imported("created", made_id) for place, made_id in zip(fresh, made, strict=True)}
    for place, card in enumerate(cards):
        if place not in done:
            done[place] = await _import(
                tx, tenant_id=tenant_id, inbox_id=inbox_id, card=card, now=now
            )
    return [done[place] for place in range(len(cards))]


async def _fresh(tx: Tx, tenant_id: bytes, inbox_id: bytes, cards: Sequence[Card]) -> list[int]:
    """The places of the cards of which no address, UID or name has come before."""
    canonicals = {canonical for card in cards for canonical in card.canonicals}
    uids = {card.uid for card in cards if card.uid}
    met: set[str] = {*await contact_ids(tx, inbox_id=inbox_id, canonicals=canonicals)}
    met_uids = await known_uids(tx, tenant_id=tenant_id, inbox_id=inbox_id, uids=uids)
    met_uids |= {uid for uid in uids if from_text("ctc", uid) is not None}
    names = {*await met_names(tx, tenant_id=tenant_id, inbox_id=inbox_id, cards=cards)}
    fresh = []
    for place, card in enumerate(cards):
        is_new = card.uid not in met_uids and card.sort_key not in names
        if is_new and met.isdisjoint(card.canonicals):
            fresh.append(place)
        names.add(card.sort_key)
        met.update(card.canonicals)
        met_uids |= {card.uid} - {""}
    return fresh


async def _import(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, card: Card, now: int) -> Imported:
    there = await contacts_with(
        tx, tenant_id=tenant_id, inbox_id=inbox_id, canonicals=card.canonicals
    )
    if len(there) > 1:
        return Imported("skipped", None, "Its addresses are on several cards of this inbox.")
    same = there[0] if there else await _with_uid(tx, tenant_id, inbox_id, card.uid)
    same = same or await same_named_card(
        tx, tenant_id=tenant_id, inbox_id=inbox_id, card=card, now=now
    )
    if same is None:
        made = await create_contact(tx, tenant_id=tenant_id, inbox_id=inbox_id, card=card, now=now)
        return Imported("created", made.contact_id)
    if card.uid == to_text("ctc", same.contact_id):
        card = replace(card, uid="")  # it is the name that an export gave to what has none
    after = joined(same.card, card)
    if after == same.card:
        return Imported("unchanged", same.contact_id)
    if same.read_only:
        return Imported("skipped", None, "Its card was handed over and can only be read.")
    await replace_card(tx, tenant_id=tenant_id, contact=same, card=after, now=now)
    return Imported("merged", same.contact_id)


async def _with_uid(tx: Tx, tenant_id: bytes, inbox_id: bytes, uid: str) -> Contact | None:
    """The card with this UID; one without its own is exported with its id as UID."""
    if not uid:
        return None
    contact_id = from_text("ctc", uid)
    if contact_id is not None:
        try:
            return await find_contact(
                tx, tenant_id=tenant_id, inbox_id=inbox_id, contact_id=contact_id
            )
        except NotFound:
            pass
    return await contact_with_uid(tx, tenant_id=tenant_id, inbox_id=inbox_id, uid=uid)

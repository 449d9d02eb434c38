"""Taking cards in from a file: which card of the book each one is, and what becomes of it.

- A card that has an address of a card in the book is that card; without an address in common, the
  one with its UID; else it is new. Nothing that is in the book is lost or replaced, so taking the
  same file in twice changes nothing.
- A card whose addresses stand on two cards of the book is left out: which of them it is, nobody
  can say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from storage.cards import Card, joined
from storage.contacts import (
    Contact,
    contact_with_uid,
    contacts_with,
    create_contact,
    find_contact,
    replace_card,
)
from storage.database import Tx
from storage.errors import NotFound
from storage.ids import from_text


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one card; `contact_id` is None when it was left out."""

    status: Literal["created", "merged", "unchanged", "skipped"]
    contact_id: bytes | None
    message: str = ""


async def import_card(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, card: Card, now: int
) -> Imported:
    """Take one card in."""
    there = await contacts_with(
        tx, tenant_id=tenant_id, inbox_id=inbox_id, canonicals=card.canonicals
    )
    if len(there) > 1:
        return Imported("skipped", None, "Its addresses are on several cards of this inbox.")
    same = there[0] if there else await _with_uid(tx, tenant_id, inbox_id, card.uid)
    if same is None:
        made = await create_contact(tx, tenant_id=tenant_id, inbox_id=inbox_id, card=card, now=now)
        return Imported("created", made.contact_id)
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

"""Which card of the book a card of a file is, when it has neither address nor UID in common.

- A card of the same name to which the card adds nothing is that card: so the same file again
  changes nothing, also where programs write neither address nor UID.
- A card of the same name with a telephone number in common is that card too, if it was in the book
  before the file: within a file two cards are two people, who may share a line.
- Two cards with a UID each are two cards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from storage.contacts.cards import Card, joined
from storage.contacts.contacts import Contact


def same_named_card(named: Sequence[Contact], card: Card, now: int) -> Contact | None:
    """The card of these, all of its name, that this one is; `now` is that of the whole file."""
    there = [one for one in named if "" in (one.card.uid, card.uid)]
    return next(_same(there, card, now), None)


def _same(there: Sequence[Contact], card: Card, now: int) -> Iterator[Contact]:
    for one in there:
        if _adds_nothing(one.card, card) and (
            # In one file only equal cards are one: else a bare card would vanish in a namesake's.
            one.created_at < now or _adds_nothing(card, one.card)
        ):
            yield one
    digits = {phone.digits for phone in card.phones}
    for one in there:
        is_older = one.created_at < now and not one.read_only
        if is_older and digits.intersection(phone.digits for phone in one.card.phones):
            yield one


def _adds_nothing(kept: Card, other: Card) -> bool:
    return joined(kept, replace(other, uid=kept.uid)) == kept

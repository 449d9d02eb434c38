"""Which card of the book a card of a file is, when it has neither address nor UID in common.

- A card of the same name to which the card adds nothing is that card: so the same file again
  changes nothing, also where programs write neither address nor UID.
- A card of the same name with a telephone number in common is that card too, if it was in the book
  before the file: within a file two cards are two people, who may share a line.
- Two cards with a UID each are two cards.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from storage.contacts.cards import Card, joined
from storage.contacts.contacts import Contact
from storage.vcard.content_lines import without_group


def same_named_card(named: Sequence[Contact], card: Card, now: int) -> Contact | None:
    """The card of these, all of its name, that this one is; `now` is that of the whole file."""
    there = [one for one in named if "" in (one.card.uid, card.uid)]
    return next(_same(there, card, now), None)


def likeness(card: Card) -> Hashable:
    """Equal for two cards when neither adds anything to the other, their UIDs aside."""
    return (
        *(card.full_name, card.organization, card.notes),
        frozenset(card.canonicals),
        _digits(card),
        frozenset(card.labels),
        frozenset((day.type, day.date) for day in card.anniversaries),
        *(frozenset(map(without_group, lines)) for lines in (card.lines, card.also)),
    )


def _same(there: Sequence[Contact], card: Card, now: int) -> Iterator[Contact]:
    digits = _digits(card)
    numbers = [(one, _digits(one.card)) for one in there]
    for one, known in numbers:
        # Numbers and notes first: namesakes mostly differ in them, and the rest takes far longer.
        if not (digits <= known and card.notes in one.card.notes):
            continue
        # In one file only equal cards are one: else a bare card would vanish in a namesake's.
        is_older = one.created_at < now
        if _adds_nothing(one.card, card) and (is_older or _adds_nothing(card, one.card)):
            yield one
    for one, known in numbers:
        if digits & known and one.created_at < now and not one.read_only:
            yield one


def _digits(card: Card) -> frozenset[str]:
    return frozenset(phone.digits for phone in card.phones)


def _adds_nothing(kept: Card, other: Card) -> bool:
    return joined(kept, replace(other, uid=kept.uid)) == kept

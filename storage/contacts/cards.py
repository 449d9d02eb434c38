"""A contact card as a value: what it holds, how two become one, and how that is taken back.

- Joining loses nothing: what stands in one place only (name, organisation) is kept as it was on the
  card that stays, and what the other card had there becomes a line of the notes.
- Taking a join back leaves alone what was changed since.
- A card that others were joined to is held to the limits of a card (`why_too_large`).
- Addresses compare by their canonical form, telephone numbers by their digits.
- `lines` are the vCard properties that have no place of their own, as they came, and `also` those
  that say again, in other words, what the card says (`storage.contacts.vcards`). Each is an entry
  (`storage.vcard.content_lines`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeVar
from unicodedata import normalize

from storage.address import canonical_or_none
from storage.errors import Conflict
from storage.vcard.content_lines import bundled, without_group

T = TypeVar("T")

MAX_CARD = 512 * 1024
MAX_ITEMS = 100
MAX_NAME = 500
MAX_NOTES = 100_000
BETWEEN_NOTES = "\n\n"


@dataclass(frozen=True, slots=True)
class Email:
    """An address as it was written; the label may be empty."""

    label: str
    address: str

    @property
    def canonical(self) -> str:
        return canonical_or_none(self.address) or self.address


@dataclass(frozen=True, slots=True)
class Phone:
    """A number as it was written; the label may be empty."""

    label: str
    number: str

    @property
    def digits(self) -> str:
        """The number without what only parts it; as written when it has no digits."""
        kept = [sign for sign in self.number if sign.isdigit() or sign in "+*#"]
        return "".join(kept) or self.number


@dataclass(frozen=True, slots=True)
class Anniversary:
    """A day that comes again: `2001-02-28`, or `--02-29` when nobody knows the year."""

    type: str
    date: str


@dataclass(frozen=True, slots=True)
class Card:
    """The fields of a contact card."""

    full_name: str = ""
    emails: tuple[Email, ...] = ()
    phones: tuple[Phone, ...] = ()
    organization: str = ""
    notes: str = ""
    labels: tuple[str, ...] = ()
    anniversaries: tuple[Anniversary, ...] = ()
    uid: str = ""
    lines: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name to show for the card."""
        first = self.emails[0].address if self.emails else ""
        return self.full_name or first or self.organization or "(no name)"

    @property
    def canonicals(self) -> tuple[str, ...]:
        """The addresses, as they compare."""
        return tuple(dict.fromkeys(email.canonical for email in self.emails))

    @property
    def sort_key(self) -> str:
        return folded(self.title)[:200]

    @property
    def search_text(self) -> str:
        """The text that a search matches: names, addresses, numbers, organisation, labels."""
        parts = [self.full_name, self.organization, *self.labels]
        for email in self.emails:
            parts += [email.address, email.canonical]
        for phone in self.phones:
            parts += [phone.number, phone.digits]
        return folded("\n".join(parts))


# The parts of a card that can come from somebody else.
GROUPS = ("full_name", "emails", "phones", "organization", "notes", "labels", "anniversaries")


def folded(text: str) -> str:
    """Text in the form in which it is looked for."""
    return normalize("NFKC", normalize("NFKC", text).casefold()).replace("\x00", "\ufffd")


def joined(kept: Card, other: Card) -> Card:
    """`kept` with everything that only `other` has."""
    return Card(
        full_name=kept.full_name or other.full_name,
        emails=_union(kept.emails, other.emails, lambda email: email.canonical),
        phones=_union(kept.phones, other.phones, lambda phone: phone.digits),
        organization=kept.organization or other.organization,
        notes=BETWEEN_NOTES.join(_notes(kept, other)),
        labels=_union(kept.labels, other.labels, str),
        anniversaries=_union(kept.anniversaries, other.anniversaries, _itself),
        uid=kept.uid or other.uid,
        lines=_union(kept.lines, other.lines, without_group),
        also=_union(kept.also, other.also, without_group),
    )


def why_too_large(card: Card) -> str:
    """Which limit of a card it is over; empty when it is within all."""
    lists = (card.emails, card.phones, card.labels, card.anniversaries)
    if any(len(one) > MAX_ITEMS for one in lists):
        return f"The card has more than {MAX_ITEMS} of something."
    if len(card.full_name) > MAX_NAME or len(card.organization) > MAX_NAME:
        return f"A name has more than {MAX_NAME} characters."
    if len(card.notes) > MAX_NOTES:
        return f"The note has more than {MAX_NOTES} characters."
    if octets_of(card) > MAX_CARD:
        return f"The card has more than {MAX_CARD} octets beside its fields."
    return ""


def joined_within(kept: Card, other: Card) -> Card:
    """`joined`, of what stays within the limits of a card. Raises Conflict `card_too_large`."""
    card = joined(kept, other)
    too_large = why_too_large(card)
    # A card that is too large already (made before the limits) may take what adds nothing.
    if too_large and card != kept:
        raise Conflict("card_too_large", f"Both cards together: {too_large}")
    return card


def octets_of(card: Card) -> int:
    """How much the card holds beside its fields, in UTF-8."""
    # A lone surrogate out of a file must not raise here.
    return sum(len(one.encode("utf-8", "surrogatepass")) for one in (*card.lines, *card.also))


def _notes(kept: Card, other: Card) -> Iterable[str]:
    lost = [
        f"{what}: {theirs}"
        for what, ours, theirs in (
            ("Name", kept.full_name, other.full_name),
            ("Organization", kept.organization, other.organization),
        )
        if ours and theirs and ours != theirs
    ]
    if kept.notes:
        yield kept.notes
    for text in ("\n".join(lost), other.notes):
        # Not twice: to join the same card once more must change nothing.
        if text and text not in kept.notes:
            yield text


def groups_brought(before: Card, after: Card) -> tuple[str, ...]:
    """The parts of the card in which a join changed something."""
    return tuple(name for name in GROUPS if getattr(before, name) != getattr(after, name))


def parted(current: Card, before: Card, other: Card) -> Card:
    """Return `current` without the part that joining `other` to `before` brought."""
    after = joined(before, other)
    return replace(
        current,
        full_name=_undone(current.full_name, before.full_name, after.full_name),
        organization=_undone(current.organization, before.organization, after.organization),
        notes=_undone(current.notes, before.notes, after.notes),
        uid=_undone(current.uid, before.uid, after.uid),
        emails=_without(current.emails, before.emails, other.emails, lambda one: one.canonical),
        phones=_without(current.phones, before.phones, other.phones, lambda one: one.digits),
        labels=_without(current.labels, before.labels, other.labels, str),
        anniversaries=_without(
            current.anniversaries, before.anniversaries, other.anniversaries, _itself
        ),
        lines=_without(current.lines, before.lines, other.lines, without_group),
        also=_without(current.also, before.also, other.also, without_group),
    )


def _undone(current: str, before: str, after: str) -> str:
    # Another value was typed since the join: that one stays.
    return before if current == after else current


def _union(first: Sequence[T], second: Sequence[T], key: Callable[[T], Hashable]) -> tuple[T, ...]:
    """All of `first`, also what it has twice, and what only `second` has."""
    there = {key(one) for one in first}
    return (*first, *(one for one in second if key(one) not in there))


def _without(
    current: Sequence[T],
    before: Sequence[T],
    other: Sequence[T],
    key: Callable[[T], Hashable],
) -> tuple[T, ...]:
    brought = {key(one) for one in other} - {key(one) for one in before}
    return tuple(one for one in current if key(one) not in brought)


def _itself(one: Anniversary) -> Hashable:
    return (one.type, one.date)


def packed(card: Card) -> str:
    """The card as it is stored."""
    return json.dumps({name: value for name, value in asdict(card).items() if value})


def packed_apart(card: Card) -> tuple[str, str]:
    """The card as lists show it, and what stands beside that: the lines and what says it again."""
    apart = {"lines": card.lines, "also": card.also}
    kept = json.dumps({name: value for name, value in apart.items() if value})
    return packed(replace(card, lines=(), also=())), kept


def unpacked(text: str, apart: str = "{}") -> Card:
    """The card that was stored, whole or in two parts."""
    found = json.loads(text) | json.loads(apart)
    return Card(
        full_name=found.get("full_name", ""),
        emails=tuple(Email(**one) for one in found.get("emails", ())),
        phones=tuple(Phone(**one) for one in found.get("phones", ())),
        organization=found.get("organization", ""),
        notes=found.get("notes", ""),
        labels=tuple(found.get("labels", ())),
        anniversaries=tuple(Anniversary(**one) for one in found.get("anniversaries", ())),
        uid=found.get("uid", ""),
        lines=bundled(found.get("lines", ())),
        also=tuple(found.get("also", ())),
    )

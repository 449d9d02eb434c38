"""Cards written as vCard 4.0 or 3.0.

- For what the card says, the line that it was read from is written if that still says the same;
  what has no place on our cards is written as it came.
- Two groups never share a name: of two cards that were joined, each may have had an `item1`.

RFC 6350 (4.0), RFC 2426 (3.0).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from storage.clock import SECOND
from storage.contacts.cards import BETWEEN_NOTES, Anniversary, Card, Email, Phone
from storage.contacts.vcard_properties import (
    Meaning,
    Version,
    day_entry,
    email_entry,
    meaning,
    named,
    phone_entry,
)
from storage.vcard.content_lines import Entry, entry_of, has_group
from storage.vcard.older_vcards import ancient
from storage.vcard.vcard_values import escaped, folded_line


def write_card(card: Card, *, uid: str, updated_at: int, version: Version = "4.0") -> str:
    """The card as text, with CRLF. `uid` is for one that has none of its own."""
    moment = datetime.fromtimestamp(updated_at // SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
    groups = _Groups()
    lines = ["BEGIN:VCARD", f"VERSION:{version}"]
    for entry in _entries(card, version):
        lines += _in_version(groups.apart(entry), version).split("\n")
    lines += [named("UID", card.uid or uid), f"REV:{moment}", "END:VCARD"]
    return "".join(folded_line(line) for line in lines)


def _entries(card: Card, version: Version) -> Iterator[str]:
    beside = _Beside(card.lines)
    name = card.full_name or card.title
    yield beside.instead_of(("FN", name.strip()), named("FN", name))
    # RFC 2426 3.1.2: a card of 3.0 must have N. Telephones show no name in 4.0 without it, either.
    if not beside.has("N"):
        yield parts_of_name(card)
    if card.organization:
        said = ("ORG", card.organization)
        yield beside.instead_of(said, named("ORG", card.organization))
    for email in card.emails:
        yield beside.instead_of(email, email_entry(email))
    for phone in card.phones:
        yield beside.instead_of(phone, phone_entry(phone))
    for day in card.anniversaries:
        yield beside.instead_of(day, day_entry(day, version))
    if card.labels:
        yield "CATEGORIES:" + ",".join(escaped(label) for label in card.labels)
    if card.notes:
        yield from beside.notes(card.notes)
    yield from (entry for entry in card.also if _is_said(card, entry))
    yield from beside.others()


def parts_of_name(card: Card) -> str:
    """The parts of a name where only the whole is known."""
    return f"N:{escaped(card.full_name or card.title)};;;;"


def _is_said(card: Card, text: str) -> bool:
    """Whether the card still says what an entry says again."""
    entry = entry_of(text)
    match meaning(entry) if entry else None:
        case Email() as email:
            return email.canonical in card.canonicals
        case Phone() as phone:
            return phone.digits in {one.digits for one in card.phones}
        case Anniversary() as day:
            return day in card.anniversaries
    return True


class _Beside:
    """The entries kept beside a card: those that say what the card says, and all others."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._known: dict[Meaning, str] = {}
        self._others: list[Entry] = []
        self._notes: list[tuple[str, str]] = []
        for entry in map(entry_of, texts):
            found = meaning(entry) if entry else None
            if entry is not None and isinstance(found, tuple) and found[0] == "NOTE":
                self._notes.append((found[1], entry.text))
            if found is not None and entry is not None:
                self._known.setdefault(found, entry.text)
            elif entry is not None:
                self._others.append(entry)

    def instead_of(self, said: Meaning, made: str) -> str:
        """The entry that was kept for what the card says, else `made`."""
        return self._known.get(said, made)

    def notes(self, said: str) -> Iterator[str]:
        """The notes that were kept apart while together they are what the card says, else one."""
        if BETWEEN_NOTES.join(text for text, _ in self._notes) == said:
            yield from (raw for _, raw in self._notes)
        else:
            yield self.instead_of(("NOTE", said), named("NOTE", said))

    def has(self, name: str) -> bool:
        return any(entry.line.name == name for entry in self._others)

    def others(self) -> Iterator[str]:
        return (entry.text for entry in self._others)


class _Groups:
    """The names of groups that were given in a card."""

    def __init__(self) -> None:
        self._given: dict[str, bool] = {}

    def apart(self, text: str) -> str:
        """The entry, under another group where another one has that name and either has a label."""
        entry = entry_of(text) if has_group(text) else None
        if entry is None:
            return text
        name = entry.line.group
        if name.lower() in self._given and (entry.has_companions or self._given[name.lower()]):
            number = 1
            while f"item{number}" in self._given:
                number += 1
            name, text = f"item{number}", entry.under(f"item{number}")
        self._given[name.lower()] = entry.has_companions or self._given.get(name.lower(), False)
        return text


def _in_version(text: str, version: Version) -> str:
    entry = None if version == "4.0" else entry_of(text)
    if entry is None:
        return text
    first, *others = text.split("\n")
    line = ancient(entry.line)
    return "\n".join([line.raw if line != entry.line else first, *others])

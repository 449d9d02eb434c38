"""vCards read: 2.1, 3.0 and 4.0; what has no place on our cards is kept as it came.

- A card is read at a time, whatever the size of the file, in time that grows with its octets. A
  card that cannot be taken is a fault of its own and disturbs no other. One without a VERSION is
  read as 3.0. A group of cards is no person and is passed over. All that is not shown as a card
  shows it is told.
- A property we know is read into the card. When writing it again would lose something of the line
  (parameters, a group, parts of an organisation) the line is kept beside it and written in its
  place for as long as the card still says the same. A property that repeats one of the card
  goes to `also`. All other properties are kept as lines.
- Own code because lines have to be kept as they came and because of what programs write: of the
  twelve files in tests/inputs the usual library (vobject 0.9) refuses six, each as a whole file
  (lines that end in CR, windows-1252, UTF-16, a line end within a note, two VERSIONs, no FN).

RFC 6350 (4.0), RFC 2426 (3.0), vCard 2.1, RFC 6868 (parameter values).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from storage.contacts.cards import (
    BETWEEN_NOTES,
    MAX_CARD,
    MAX_ITEMS,
    MAX_NAME,
    Anniversary,
    Card,
    Email,
    Phone,
    why_too_large,
)
from storage.contacts.vcard_properties import (
    DAYS,
    Version,
    day,
    day_entry,
    email,
    email_entry,
    meaning,
    named,
    phone,
    phone_entry,
    says_more,
)
from storage.contacts.write_vcards import parts_of_name
from storage.vcard.content_lines import (
    MAX_READ,
    Entry,
    Octets,
    bundled,
    content_line,
    entry_of,
    physical_lines,
    unfolded,
    without_group,
)
from storage.vcard.older_vcards import modern
from storage.vcard.vcard_values import split, texts, unescaped

# Far more than any program writes: each costs some ten times its octets in memory.
MAX_PROPERTIES = 20_000
MAX_LINES = 100_000
_VERSIONS = ("2.1", "3.0", "4.0")
_MARK = re.compile(rb"(?:\xef\xbb\xbf)?\s*(BEGIN|END)\s*:\s*VCARD[\s\x00\x1a]*", re.IGNORECASE)
# vCard 2.1 puts a card within a card; its BEGIN stands in this line or in the next.
_AGENT = re.compile(rb"\s*(?:[\w-]+\.)?AGENT\s*:\s*", re.IGNORECASE)
_AGENT_BEGINS = re.compile(rb"(\s*(?:[\w-]+\.)?AGENT\s*:)(\s*BEGIN\s*:\s*VCARD\s*)", re.IGNORECASE)
# A value of parts is parted in one go, in which nobody else has a turn.
_PARTED = frozenset({"ADR", "CATEGORIES", "N", "NICKNAME", "ORG"})
_LONGEST_PARTED = 64 * 1024
_MADE_ANEW = frozenset({"BEGIN", "END", "VERSION", "PRODID", "REV"})
_GROUP_OF_CARDS = {
    "KIND": "group",
    "X-ADDRESSBOOKSERVER-KIND": "group",
    "X-EVOLUTION-LIST": "true",
}


@dataclass(frozen=True, slots=True)
class ReadCard:
    """A card, and what of its file is not shown as on a card of ours: empty for nothing."""

    card: Card
    told: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A card that is not taken, and why. One that is skipped is no person."""

    message: str
    status: Literal["failed", "skipped"] = "failed"


@dataclass(slots=True)
class _Told:
    """Names of properties that are kept but not shown, and of those left out."""

    hidden: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        hidden = ", ".join(dict.fromkeys(self.hidden))
        left_out = ", ".join(dict.fromkeys(self.left_out))
        return " ".join(
            [f"Not as it should be, kept but not shown: {hidden}."] * bool(hidden)
            + [f"Left out: {left_out}."] * bool(left_out)
        )


def read_cards(file: Octets) -> Iterator[ReadCard | Unreadable]:
    """The cards of a file."""
    collected: list[bytes] | None = None
    size, depth, is_strange, is_over = 0, 0, False, False
    for raw in _lines(file):
        found = _MARK.fullmatch(raw) if len(raw) < 100 else None
        mark, line = found[1].upper() if found else b"", raw
        # The inner END must not end the outer card.
        if depth or (mark == b"BEGIN" and collected and _AGENT.fullmatch(collected[-1])):
            depth += {b"BEGIN": 1, b"END": -1}.get(mark, 0)
            mark, line = b"", b" " + raw.strip() + b"\n"
        if mark == b"BEGIN":
            if collected is not None:
                yield Unreadable("The card has no end.")
            collected, size, is_strange, is_over = [], 0, False, False
        elif collected is None:
            is_something = bool(line.strip(b"\xef\xbb\xbf \t\x00\x1a"))
            if is_something and not is_strange:  # told once, however much of it there is
                yield Unreadable("There is something that is no card.")
            is_strange = is_strange or is_something
        elif mark == b"END":
            yield _too_large() if is_over else _card(collected)
            collected = None
        else:
            size += len(line)
            # A short line costs far more than its octets, and an empty one has none.
            is_over = is_over or size > MAX_READ or len(collected) == MAX_LINES
            # What is over is not held: the end of the card has to be found all the same.
            if not is_over:
                collected.append(line)
    if collected is not None:
        yield Unreadable("The card has no end.")


def _lines(file: Octets) -> Iterator[bytes]:
    """The physical lines, each BEGIN on one of its own."""
    for raw in physical_lines(file):
        agent = _AGENT_BEGINS.fullmatch(raw) if len(raw) < 100 else None
        yield from agent.groups() if agent else (raw,)


def _too_large() -> Unreadable:
    return Unreadable(f"The card has more than {MAX_READ} octets, or than {MAX_LINES} lines.")


def _card(physical: Iterable[bytes]) -> ReadCard | Unreadable:
    told = _Told()
    lines = []
    for text in unfolded(physical):
        line = content_line(text)
        if line is None:
            told.left_out.append("a line that is no property")
        elif line.name in _PARTED and len(line.value) > _LONGEST_PARTED:
            told.left_out.append(f"{line.name} (too large)")
        else:
            lines.append(line)
        if len(lines) > MAX_PROPERTIES:
            return Unreadable(f"The card has more than {MAX_PROPERTIES} properties.")
    versions = [line.value.strip() for line in lines if line.name == "VERSION"]
    version = next((one for one in versions if one in _VERSIONS), None if versions else "3.0")
    if version is None:
        return Unreadable("The version is none of 2.1, 3.0 and 4.0.")
    if any(_GROUP_OF_CARDS.get(line.name) == line.value.strip().lower() for line in lines):
        return Unreadable("It is a group of cards and no person.", "skipped")
    raws = [modern(line, version).raw for line in lines if line.name not in _MADE_ANEW]
    making = _Making()
    for entry in map(entry_of, bundled(raws)):
        if entry is None:
            told.left_out.append("a line that is no property")
        else:
            _take(making, entry, told)
        if making.is_over:  # `_judged` says so
            break
    return _judged(_fitting(_named(making.card()), told), told)


@dataclass(slots=True)
class _Making:
    """A card while it is read. `canonicals` and `said` are what it has, to be asked for quickly:
    an entry costs the same however many came before it.
    """

    full_name: str = ""
    organization: str = ""
    uid: str = ""
    emails: list[Email] = field(default_factory=list)
    phones: list[Phone] = field(default_factory=list)
    days: list[Anniversary] = field(default_factory=list)
    labels: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    also: list[str] = field(default_factory=list)
    canonicals: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    has_note_line: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it has more of something than a card may."""
        return any(
            len(one) > MAX_ITEMS for one in (self.emails, self.phones, self.days, self.labels)
        )

    def say(self, *texts: str) -> None:
        """Note that the card says this, under whatever group."""
        self.said.update(map(without_group, texts))

    def keep(self, entry: Entry) -> None:
        """Keep an entry as it came."""
        self.lines.append(entry.text)
        self.say(entry.text)

    def keep_again(self, entry: Entry) -> None:
        """Keep what is said a second time, unless it is said in the same words."""
        if without_group(entry.text) not in self.said:
            self.also.append(entry.text)
            self.say(entry.text)

    def keep_beside(self, entry: Entry, made: str) -> None:
        """Keep the entry when `made` is not all that it says."""
        self.say(made)
        is_same = without_group(entry.text) == without_group(made)
        # A group of the entry may do no more than to hold its label.
        if not (is_same and (not entry.line.group or "\n" in made)):
            self.keep(entry)

    def card(self) -> Card:
        return Card(
            full_name=self.full_name,
            emails=tuple(self.emails),
            phones=tuple(self.phones),
            organization=self.organization,
            notes=BETWEEN_NOTES.join(self.notes),
            labels=tuple(self.labels),
            anniversaries=tuple(self.days),
            uid=self.uid,
            lines=tuple(self.lines),
            also=tuple(self.also),
        )


def _take(making: _Making, entry: Entry, told: _Told) -> None:
    """Take in what the entry says; one that says nothing we know is kept as it is."""
    name = entry.line.name
    if _take_name(making, entry, told) or _take_item(making, entry) or _take_text(making, entry):
        return
    if not entry.line.value.strip():
        return
    if name in ("EMAIL", "TEL") or (name in DAYS and name != "X-POSTROOM-DATE"):
        told.hidden.append(name)
    if meaning(entry) is not None:
        making.keep_again(entry)
    else:
        making.keep(entry)


def _take_name(making: _Making, entry: Entry, told: _Told) -> bool:
    """Of names the first counts."""
    line = entry.line
    if line.name == "FN" and not making.full_name and (name := unescaped(line.value).strip()):
        making.full_name = name
        making.keep_beside(entry, named("FN", name))
        return True
    if line.name == "ORG" and not making.organization and (parts := texts(line.value, ";")):
        making.organization = ", ".join(parts)
        making.keep_beside(entry, named("ORG", making.organization))
        return True
    if line.name == "UID" and (uid := unescaped(line.value).strip()):
        if len(uid) > MAX_NAME or making.uid not in ("", uid):
            told.left_out.append("UID")
        else:
            making.uid = uid
        return True
    return False


def _take_item(making: _Making, entry: Entry) -> bool:
    name = entry.line.name
    if name == "EMAIL" and (one := email(entry)):
        if one.canonical in making.canonicals:
            making.keep_again(entry)
        else:
            making.emails.append(one)
            making.canonicals.add(one.canonical)
            making.keep_beside(entry, email_entry(one))
        return True
    if name == "TEL" and (number := phone(entry)):
        if number in making.phones:
            making.keep_again(entry)
        else:
            making.phones.append(number)
            making.keep_beside(entry, phone_entry(number))
        return True
    if name in DAYS and (one_day := day(entry)):
        if one_day in making.days:
            making.keep_again(entry)
            return True
        making.days.append(one_day)
        making.say(*(day_entry(one_day, version) for version in _WRITTEN))
        if says_more(entry):
            making.keep_beside(entry, day_entry(one_day, "4.0"))
        return True
    return False


def _take_text(making: _Making, entry: Entry) -> bool:
    line = entry.line
    if line.name == "NOTE" and (note := unescaped(line.value)):
        _take_note(making, note, entry)
        return True
    if line.name == "CATEGORIES":
        making.labels.update(dict.fromkeys(texts(line.value, ",")))
        return True
    return False


def _take_note(making: _Making, note: str, entry: Entry) -> None:
    """Take in a note. Of several each is kept as a line, to be written apart again."""
    if making.notes and not making.has_note_line:
        making.lines.append(named("NOTE", making.notes[0]))
    if making.notes or entry.line.parameters:
        making.keep(entry)
        making.has_note_line = True
    making.notes.append(note)


_WRITTEN: tuple[Version, ...] = ("3.0", "4.0")


def _named(card: Card) -> Card:
    """The card with its name out of the parts of it, when it is not there as a whole.

    Parts that only repeat the name, as `write_card` makes them for 3.0, tell nothing.
    """
    if card.full_name:
        repeated = parts_of_name(card)
        return replace(card, lines=tuple(raw for raw in card.lines if raw != repeated))
    found = {line.name: line for raw in reversed(card.lines) if (line := content_line(raw))}
    if "N" in found:
        family, given, additional, prefix, suffix = [*split(found["N"].value, ";"), *[""] * 5][:5]
        parts = (prefix, given, additional, family, suffix)
        name = " ".join(" ".join(map(unescaped, parts)).split())
        if name:
            return replace(card, full_name=name)
    if "NICKNAME" in found:
        return replace(card, full_name=", ".join(texts(found["NICKNAME"].value, ",")))
    return card


def _fitting(card: Card, told: _Told) -> Card:
    """The card without the longest of its other lines (a picture) while it is too large."""
    sizes = [len(one.encode("utf-8", "replace")) for one in card.lines]
    over = sum(sizes) - MAX_CARD
    away = set[int]()
    for place in sorted(range(len(sizes)), key=lambda one: len(card.lines[one]), reverse=True):
        if over <= 0:
            break
        line = content_line(card.lines[place].partition("\n")[0])
        told.left_out.append(f"{line.name if line else 'a line'} (too large)")
        away.add(place)
        over -= sizes[place]
    if not away:
        return card
    return replace(
        card, lines=tuple(one for place, one in enumerate(card.lines) if place not in away)
    )


def _judged(card: Card, told: _Told) -> ReadCard | Unreadable:
    too_large = why_too_large(card)
    if too_large:
        return Unreadable(too_large)
    if not (card.full_name or card.emails or card.phones or card.organization or card.lines):
        return Unreadable("The card has neither name, address, number nor organisation.")
    return ReadCard(card, str(told))

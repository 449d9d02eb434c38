"""vCards read: 2.1, 3.0 and 4.0; what has no place on our cards is kept as it came.

- A card is read at a time, whatever the size of the file. A card that cannot be taken is a fault of
  its own and disturbs no other. A group of cards is no person and is passed over. All that is not
  shown as a card shows it is told.
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
    MAX_NAME,
    Card,
    why_too_large,
)
from storage.contacts.vcard_properties import (
    DAYS,
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

_VERSIONS = ("2.1", "3.0", "4.0")
_MARK = re.compile(rb"(?:\xef\xbb\xbf)?\s*(BEGIN|END)\s*:\s*VCARD[\s\x00\x1a]*", re.IGNORECASE)
# vCard 2.1 puts a card within a card; its BEGIN stands in this line or in the next.
_AGENT = re.compile(rb"\s*(?:[\w-]+\.)?AGENT\s*:\s*", re.IGNORECASE)
_AGENT_BEGINS = re.compile(rb"(\s*(?:[\w-]+\.)?AGENT\s*:)(\s*BEGIN\s*:\s*VCARD\s*)", re.IGNORECASE)
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
    size, depth, is_strange = 0, 0, False
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
            collected, size, is_strange = [], 0, False
        elif collected is None:
            is_something = bool(line.strip(b"\xef\xbb\xbf \t\x00\x1a"))
            if is_something and not is_strange:  # told once, however much of it there is
                yield Unreadable("There is something that is no card.")
            is_strange = is_strange or is_something
        elif mark == b"END":
            yield _card(collected) if size <= MAX_READ else _too_large()
            collected = None
        else:
            size += len(line)
            # What is over is counted, not held: the end of the card has to be found all the same.
            if size <= MAX_READ:
                collected.append(line)
    if collected is not None:
        yield Unreadable("The card has no end.")


def _lines(file: Octets) -> Iterator[bytes]:
    """The physical lines, each BEGIN on one of its own."""
    for raw in physical_lines(file):
        agent = _AGENT_BEGINS.fullmatch(raw) if len(raw) < 100 else None
        yield from agent.groups() if agent else (raw,)


def _too_large() -> Unreadable:
    return Unreadable(f"The card has more than {MAX_READ} octets.")


def _card(physical: Iterable[bytes]) -> ReadCard | Unreadable:
    told = _Told()
    lines = []
    for text in unfolded(physical):
        line = content_line(text)
        if line is None:
            told.left_out.append("a line that is no property")
        else:
            lines.append(line)
    versions = [line.value.strip() for line in lines if line.name == "VERSION"]
    version = next((one for one in versions if one in _VERSIONS), None)
    if version is None:
        return Unreadable("The version is none of 2.1, 3.0 and 4.0.")
    if any(_GROUP_OF_CARDS.get(line.name) == line.value.strip().lower() for line in lines):
        return Unreadable("It is a group of cards and no person.", "skipped")
    raws = [modern(line, version).raw for line in lines if line.name not in _MADE_ANEW]
    card = Card()
    for entry in map(entry_of, bundled(raws)):
        if entry is None:
            told.left_out.append("a line that is no property")
        else:
            card = _with(card, entry, told)
    return _judged(_fitting(_named(card), told), told)


def _with(card: Card, entry: Entry, told: _Told) -> Card:
    """The card with what the entry says; one that says nothing we know is kept as it is."""
    name = entry.line.name
    known = _with_name(card, entry, told) or _with_item(card, entry) or _with_text(card, entry)
    if known is not None:
        return known
    if not entry.line.value.strip():
        return card
    if name in ("EMAIL", "TEL") or (name in DAYS and name != "X-POSTROOM-DATE"):
        told.hidden.append(name)
    if meaning(entry) is not None:
        return _again(card, entry)
    return replace(card, lines=(*card.lines, entry.text))


def _with_name(card: Card, entry: Entry, told: _Told) -> Card | None:
    """Of names the first counts."""
    line = entry.line
    if line.name == "FN" and not card.full_name and (name := unescaped(line.value).strip()):
        return _kept(replace(card, full_name=name), entry, named("FN", name))
    if line.name == "ORG" and not card.organization and (parts := texts(line.value, ";")):
        organization = replace(card, organization=", ".join(parts))
        return _kept(organization, entry, named("ORG", organization.organization))
    if line.name == "UID" and (uid := unescaped(line.value).strip()):
        if len(uid) > MAX_NAME or card.uid not in ("", uid):
            told.left_out.append("UID")
            return card
        return replace(card, uid=uid)
    return None


def _with_item(card: Card, entry: Entry) -> Card | None:
    name = entry.line.name
    if name == "EMAIL" and (one := email(entry)):
        if one.canonical in card.canonicals:
            return _again(card, entry)
        return _kept(replace(card, emails=(*card.emails, one)), entry, email_entry(one))
    if name == "TEL" and (number := phone(entry)):
        if number in card.phones:
            return _again(card, entry)
        return _kept(replace(card, phones=(*card.phones, number)), entry, phone_entry(number))
    if name in DAYS and (one_day := day(entry)):
        if one_day in card.anniversaries:
            return _again(card, entry)
        dated = replace(card, anniversaries=(*card.anniversaries, one_day))
        return _kept(dated, entry, day_entry(one_day, "4.0")) if says_more(entry) else dated
    return None


def _with_text(card: Card, entry: Entry) -> Card | None:
    line = entry.line
    if line.name == "NOTE" and (note := unescaped(line.value)):
        if card.notes:
            return _noted(card, note, entry)
        return _kept(replace(card, notes=note), entry, named("NOTE", note), only=line.parameters)
    if line.name == "CATEGORIES":
        labels = [*card.labels, *texts(line.value, ",")]
        return replace(card, labels=tuple(dict.fromkeys(labels)))
    return None


def _noted(card: Card, note: str, entry: Entry) -> Card:
    """The card with one more note. Of several each is kept as a line, to be written apart again."""
    known = any((line := content_line(raw)) and line.name == "NOTE" for raw in card.lines)
    before = () if known else (named("NOTE", card.notes),)
    notes = f"{card.notes}{BETWEEN_NOTES}{note}"
    return replace(card, notes=notes, lines=(*card.lines, *before, entry.text))


def _kept(card: Card, entry: Entry, made: str, *, only: object = True) -> Card:
    """The card, with the entry beside it when `made` is not all that it says."""
    if not only or (without_group(entry.text) == without_group(made) and _is_plain(entry, made)):
        return card
    return replace(card, lines=(*card.lines, entry.text))


def _is_plain(entry: Entry, made: str) -> bool:
    """Whether a group of the entry does no more than to hold its label."""
    return not entry.line.group or "\n" in made


def _again(card: Card, entry: Entry) -> Card:
    """The card with what is said a second time, unless it is said in the same words."""
    known = {without_group(one) for one in (*card.lines, *card.also)}
    made = [
        *map(email_entry, card.emails),
        *map(phone_entry, card.phones),
        *(day_entry(one, version) for one in card.anniversaries for version in _WRITTEN),
        named("FN", card.full_name),
        named("ORG", card.organization),
    ]
    if without_group(entry.text) in known.union(map(without_group, made)):
        return card
    return replace(card, also=(*card.also, entry.text))


_WRITTEN: tuple[Literal["3.0", "4.0"], ...] = ("3.0", "4.0")


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
    lines = list(card.lines)
    while lines and sum(len(one.encode("utf-8", "replace")) for one in lines) > MAX_CARD:
        longest = max(lines, key=len)
        lines.remove(longest)
        line = content_line(longest.partition("\n")[0])
        told.left_out.append(f"{line.name if line else 'a line'} (too large)")
    return card if len(lines) == len(card.lines) else replace(card, lines=tuple(lines))


def _judged(card: Card, told: _Told) -> ReadCard | Unreadable:
    too_large = why_too_large(card)
    if too_large:
        return Unreadable(too_large)
    if not (card.full_name or card.emails or card.phones or card.organization or card.lines):
        return Unreadable("The card has neither name, address, number nor organisation.")
    return ReadCard(card, str(told))

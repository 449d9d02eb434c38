"""vCards: 4.0 and 3.0 read, both written; what has no place on our cards comes back as it came.

- Read line by line, so a file of any number of cards needs the memory of one. A card that cannot be
  taken is a fault of its own and disturbs no other.
- A property we know is read into the card. When writing it again would lose something of the line
  (parameters, a group, parts of an organisation) the line is kept beside it and written in its
  place for as long as the card still says the same. All other properties are kept as lines.
- Own code because it must keep lines as they came and cap what it reads: the usual library rebuilds
  each property from its model, follows nested components and takes no 4.0.

RFC 6350 (4.0), RFC 2426 (3.0), RFC 6868 (parameter values).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Literal

from storage.address import canonical_or_none
from storage.clock import SECOND
from storage.contacts.cards import Anniversary, Card, Email, Phone

MAX_CARD = 512 * 1024
MAX_ITEMS = 100
MAX_NAME = 500
MAX_NOTES = 100_000

Version = Literal["3.0", "4.0"]

_FOLD_AT = 75
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HEAD = re.compile(r"(?:([A-Za-z0-9-]+)\.)?([A-Za-z0-9-]+)(?=[;:])")
_PARAMETER = re.compile(r';([A-Za-z0-9-]+)(?:=((?:"[^"]*"|[^";:])*))?')
_PLAIN_PARAMETER = re.compile(r"[^\s\";:,]+")
_DATE = re.compile(r"(?:(\d{4})|-)-?(\d{2})-?(\d{2})(?:T.*)?", re.ASCII)
_CARET = {"^n": "\n", "^'": '"', "^^": "^"}
_LEAP_YEAR = 2000
_OMITTED = ("X-APPLE-OMIT-YEAR", "1604")
# How a type of anniversary is written; any other is a property of our own.
_DAYS = {"birthday": "BDAY", "anniversary": "ANNIVERSARY"}
_OTHER_DAY = "X-POSTROOM-DATE"
_TYPES = {prop: kind for kind, prop in _DAYS.items()}
_MADE_ANEW = frozenset({"BEGIN", "END", "VERSION", "PRODID", "REV"})


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A card that cannot be taken, and why."""

    message: str


@dataclass(frozen=True, slots=True)
class Line:
    """A content line, unfolded; `raw` is all of it."""

    raw: str
    group: str
    name: str
    parameters: tuple[tuple[str, str], ...]
    value: str

    def values(self, name: str) -> list[str]:
        """The values of a parameter, also where it stands more than once."""
        found = [value for key, value in self.parameters if key == name]
        return [part for value in found for part in _parted_parameter(value)]


def read_cards(lines: Iterable[bytes]) -> Iterator[Card | Unreadable]:
    """The cards of a file, which is given in lines with their ends."""
    collected: list[bytes] | None = None
    size, is_strange = 0, False
    for raw in lines:
        mark = raw.strip().removeprefix(_BYTE_ORDER_MARK).upper()
        if mark == b"BEGIN:VCARD":
            if collected is not None:
                yield Unreadable("The card has no end.")
            collected, size, is_strange = [], 0, False
        elif collected is None:
            if mark and not is_strange:  # told once, however much of it there is
                yield Unreadable("There is something that is no card.")
            is_strange = is_strange or bool(mark)
        elif mark == b"END:VCARD":
            yield _card(collected) if size <= MAX_CARD else _too_large()
            collected = None
        else:
            size += len(raw)
            if size <= MAX_CARD:
                collected.append(raw)
    if collected is not None:
        yield Unreadable("The card has no end.")


def _too_large() -> Unreadable:
    return Unreadable(f"The card has more than {MAX_CARD} octets.")


def _card(physical: Iterable[bytes]) -> Card | Unreadable:
    lines = [_line(text) for text in _unfolded(physical)]
    versions = [line.value.strip() for line in lines if line and line.name == "VERSION"]
    if versions not in (["3.0"], ["4.0"]):
        return Unreadable("The version is neither 3.0 nor 4.0.")
    card = Card()
    for line in lines:
        if line is not None and line.name not in _MADE_ANEW:
            card = _with(card, line)
    return _judged(_named(card))


def _unfolded(physical: Iterable[bytes]) -> Iterator[str]:
    """Whole lines as text: a fold may stand in the middle of a character."""
    found: list[list[bytes]] = []
    for raw in physical:
        line = raw.rstrip(b"\r\n")
        if line[:1] in (b" ", b"\t") and found:
            found[-1].append(line[1:])
        elif line.strip():
            found.append([line])
    for parts in found:
        yield b"".join(parts).decode("utf-8", "replace").replace("\x00", "\ufffd")


def _line(raw: str) -> Line | None:
    """The parts of a content line; None when it is none."""
    head = _HEAD.match(raw)
    if head is None:
        return None
    position, parameters = head.end(), []
    while found := _PARAMETER.match(raw, position):
        # A bare word is a type, as cards were written before 3.0.
        name, value = (found[1], found[2]) if found[2] is not None else ("TYPE", found[1])
        parameters.append((name.upper(), value))
        position = found.end()
    if raw[position : position + 1] != ":":
        return None
    return Line(raw, head[1] or "", head[2].upper(), tuple(parameters), raw[position + 1 :])


def _parted_parameter(value: str) -> list[str]:
    parts = re.findall(r'"[^"]*"|[^,"]+', value)
    return [re.sub(r"\^[n'^]", lambda one: _CARET[one[0]], part.strip('"')) for part in parts]


def _with(card: Card, line: Line) -> Card:
    """The card with what the line says; a line that says nothing we know is kept as it is."""
    return (
        _with_name(card, line)
        or _with_item(card, line)
        or _with_text(card, line)
        or replace(card, lines=(*card.lines, _modern(line)))
    )


def _with_name(card: Card, line: Line) -> Card | None:
    """Of names the first counts."""
    if line.name == "FN" and not card.full_name and (name := _text(line.value).strip()):
        return _kept(replace(card, full_name=name), line, _property("FN", name))
    if line.name == "ORG" and not card.organization and (parts := _parts(line.value, ";")):
        named = replace(card, organization=", ".join(parts))
        return _kept(named, line, _property("ORG", named.organization))
    if line.name == "UID" and not card.uid:
        return replace(card, uid=_text(line.value).strip()[:MAX_NAME])
    return None


def _with_item(card: Card, line: Line) -> Card | None:
    if line.name == "EMAIL" and (email := _email(line)):
        if email.canonical in card.canonicals:
            return card
        return _kept(replace(card, emails=(*card.emails, email)), line, _email_line(email))
    if line.name == "TEL" and (phone := _phone(line)):
        return _kept(replace(card, phones=(*card.phones, phone)), line, _phone_line(phone))
    if line.name in {*_TYPES, _OTHER_DAY} and (day := _day(line)):
        days = dict.fromkeys((*card.anniversaries, day))
        return replace(card, anniversaries=tuple(days))
    return None


def _with_text(card: Card, line: Line) -> Card | None:
    if line.name == "NOTE":
        notes = [card.notes, _text(line.value)]
        return replace(card, notes="\n\n".join(note for note in notes if note))
    if line.name == "CATEGORIES":
        labels = [*card.labels, *_parts(line.value, ",")]
        return replace(card, labels=tuple(dict.fromkeys(labels)))
    return None


def _kept(card: Card, line: Line, again: str) -> Card:
    """The card, with the line beside it when `again` is not all that it says."""
    return card if line.raw == again else replace(card, lines=(*card.lines, line.raw))


def _email(line: Line) -> Email | None:
    address = _text(line.value).strip()
    address = address[7:] if address[:7].lower() == "mailto:" else address
    if len(address) > 320 or canonical_or_none(address) is None:
        return None
    return Email(_label(line), address)


def _phone(line: Line) -> Phone | None:
    number = " ".join(_text(line.value).split())
    number = number[4:] if number[:4].lower() == "tel:" else number
    return Phone(_label(line), number) if number and len(number) <= MAX_NAME else None


def _label(line: Line) -> str:
    """The first type that tells what it is for."""
    for kind in line.values("TYPE"):
        if kind.lower() not in ("internet", "pref", "voice"):
            return (kind.lower() if kind.isupper() else kind)[:100]
    return ""


def _day(line: Line) -> Anniversary | None:
    found = _DATE.fullmatch(line.value.strip())
    if found is None:
        return None
    year, month, day = found[1], found[2], found[3]
    if _OMITTED[0] in dict(line.parameters):
        year = None
    try:
        date(int(year or _LEAP_YEAR), int(month), int(day))
    except ValueError:
        return None
    kind = _TYPES.get(line.name) or next(iter(line.values("TYPE")), "other")
    return Anniversary(kind[:100], f"{year or '-'}-{month}-{day}")


def _modern(line: Line) -> str:
    """A line of 3.0 that 4.0 writes differently, in the way of 4.0: binary content."""
    encoding = [value.lower() for value in line.values("ENCODING")]
    if encoding not in (["b"], ["base64"]):
        return line.raw
    kind = next(iter(line.values("TYPE")), "").lower()
    group = {"PHOTO": "image", "LOGO": "image", "SOUND": "audio"}.get(line.name, "application")
    media_type = f"{group}/{kind}" if kind else "application/octet-stream"
    prefix = f"{line.group}." if line.group else ""
    return f"{prefix}{line.name}:data:{media_type};base64,{line.value.strip()}"


def _named(card: Card) -> Card:
    """The card with its name out of the parts of it, when it is not there as a whole.

    Parts that only repeat the name, as `write_card` makes them for 3.0, tell nothing.
    """
    if card.full_name:
        repeated = _parts_of_name(card)
        return replace(card, lines=tuple(raw for raw in card.lines if raw != repeated))
    for raw in card.lines:
        line = _line(raw)
        if line is not None and line.name == "N":
            family, given = [*_split(line.value, ";"), "", ""][:2]
            name = f"{_text(given)} {_text(family)}"
            return replace(card, full_name=" ".join(name.split()))
    return card


def _parts_of_name(card: Card) -> str:
    return f"N:{_escaped(card.full_name or card.title)};;;;"


def _judged(card: Card) -> Card | Unreadable:
    lists = (card.emails, card.phones, card.labels, card.anniversaries)
    if any(len(one) > MAX_ITEMS for one in lists):
        return Unreadable(f"The card has more than {MAX_ITEMS} of something.")
    if len(card.full_name) > MAX_NAME or len(card.organization) > MAX_NAME:
        return Unreadable(f"A name has more than {MAX_NAME} characters.")
    if len(card.notes) > MAX_NOTES:
        return Unreadable(f"The note has more than {MAX_NOTES} characters.")
    if not (card.full_name or card.emails or card.phones or card.organization):
        return Unreadable("The card has neither name, address, number nor organisation.")
    return card


def write_card(card: Card, *, uid: str, updated_at: int, version: Version = "4.0") -> str:
    """The card as text, with CRLF. `uid` is for one that has none of its own."""
    moment = datetime.fromtimestamp(updated_at // SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")
    lines = ["BEGIN:VCARD", f"VERSION:{version}", *_properties(card, version)]
    lines += [_property("UID", card.uid or uid), f"REV:{moment}", "END:VCARD"]
    return "".join(_folded(line) for line in lines)


def _properties(card: Card, version: Version) -> Iterator[str]:
    beside = _Beside(card.lines)
    yield beside.instead_of(_property("FN", card.full_name or card.title))
    if version == "3.0" and not beside.has("N"):
        yield _parts_of_name(card)
    if card.organization:
        yield beside.instead_of(_property("ORG", card.organization))
    for email in card.emails:
        yield beside.instead_of(_email_line(email))
    for phone in card.phones:
        yield beside.instead_of(_phone_line(phone))
    for day in card.anniversaries:
        yield _day_line(day, version)
    if card.labels:
        yield "CATEGORIES:" + ",".join(_escaped(label) for label in card.labels)
    if card.notes:
        yield _property("NOTE", card.notes)
    for line in beside.others():
        yield _ancient(line) if version == "3.0" else line.raw


class _Beside:
    """The lines kept beside a card: those that say what the card says, and all others."""

    def __init__(self, raws: Iterable[str]) -> None:
        self._known: dict[object, str] = {}
        self._others: list[Line] = []
        for raw in raws:
            line = _line(raw)
            if line is None:
                continue
            meaning = _meaning(line)
            if meaning is None:
                self._others.append(line)
            else:
                self._known.setdefault(meaning, raw)

    def instead_of(self, made: str) -> str:
        """The line that was kept for what `made` says, else `made`."""
        line = _line(made)
        return self._known.get(_meaning(line), made) if line else made

    def has(self, name: str) -> bool:
        return any(line.name == name for line in self._others)

    def others(self) -> list[Line]:
        return self._others


def _meaning(line: Line) -> object:
    """What a line says that our cards say as well; None for all other lines."""
    match line.name:
        case "EMAIL":
            return _email(line)
        case "TEL":
            return _phone(line)
        case "FN":
            return ("FN", _text(line.value).strip())
        case "ORG":
            return ("ORG", ", ".join(_parts(line.value, ";")))
    return None


def _email_line(email: Email) -> str:
    return _property("EMAIL", email.address, email.label)


def _phone_line(phone: Phone) -> str:
    return _property("TEL", phone.number, phone.label)


def _day_line(day: Anniversary, version: Version) -> str:
    name = _DAYS.get(day.type)
    label = "" if name else day.type
    if version == "4.0":
        yearless = "--" if day.date.startswith("--") else ""
        return f"{_typed(name or _OTHER_DAY, label)}:{yearless}{day.date.replace('-', '')}"
    if day.date.startswith("--"):
        written = f"{_OMITTED[1]}-{day.date[2:]}"
        return f"{_typed(name or _OTHER_DAY, label)};{_OMITTED[0]}={_OMITTED[1]}:{written}"
    return f"{_typed(name or _OTHER_DAY, label)}:{day.date}"


def _property(name: str, value: str, label: str = "") -> str:
    return f"{_typed(name, label)}:{_escaped(value)}"


def _typed(name: str, label: str) -> str:
    if not label:
        return name
    written = label.replace("^", "^^").replace("\n", "^n").replace('"', "^'")
    return f"{name};TYPE={written}" if _plain(written) else f'{name};TYPE="{written}"'


def _plain(text: str) -> bool:
    return _PLAIN_PARAMETER.fullmatch(text) is not None


def _ancient(line: Line) -> str:
    """The reverse of `_modern`."""
    found = re.fullmatch(r"data:(?:\w+/)?([\w.+-]+);base64,(.*)", line.value, re.DOTALL)
    if found is None or line.parameters:
        return line.raw
    prefix = f"{line.group}." if line.group else ""
    return f"{prefix}{line.name};ENCODING=b;TYPE={found[1].upper()}:{found[2]}"


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;")
    return re.sub(r"\r\n|\r|\n", r"\\n", text)


def _text(value: str) -> str:
    return re.sub(r"\\(.)", lambda one: "\n" if one[1] in "nN" else one[1], value)


def _split(value: str, separator: str) -> list[str]:
    """The parts of a value, still escaped."""
    parts = [""]
    for piece in re.findall(rf"\\.|{separator}|[^\\{separator}]+|\\", value, re.DOTALL):
        if piece == separator:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _parts(value: str, separator: str) -> list[str]:
    """The parts of a value that are not empty."""
    return [text for part in _split(value, separator) if (text := _text(part).strip())]


def _folded(line: str) -> str:
    """The line in pieces of at most 75 octets, no character cut in two."""
    octets = line.encode("utf-8", "replace")
    pieces, start, room = [], 0, _FOLD_AT
    while start < len(octets):
        end = min(start + room, len(octets))
        while end < len(octets) and octets[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(octets[start:end].decode())
        start, room = end, _FOLD_AT - 1
    return "\r\n ".join(pieces) + "\r\n"

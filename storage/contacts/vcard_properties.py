"""The vCard properties that have a place on our cards: how each is read, and how it is written.

- The label of an address, a number or a day is what its group says (`item1.X-ABLabel`), else the
  first type that tells what it is for. A label that no type can say is written as a group's.
- Days: `BDAY`, `ANNIVERSARY`, the names that programs gave to the latter before 4.0 had one, and
  `X-ABDATE` with a label. A day whose year is left out has the form `--04-15`.

RFC 6350 section 6; RFC 3966 for `tel:`.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Literal
from urllib.parse import unquote

from storage.address import canonical_or_none
from storage.contacts.cards import MAX_NAME, Anniversary, Email, Phone
from storage.vcard.content_lines import Entry
from storage.vcard.vcard_values import escaped, texts, unescaped

Version = Literal["3.0", "4.0"]

DAYS = {
    "BDAY": "birthday",
    "ANNIVERSARY": "anniversary",
    "X-ANNIVERSARY": "anniversary",
    "X-MS-ANNIVERSARY": "anniversary",
    "X-EVOLUTION-ANNIVERSARY": "anniversary",
    "X-KADDRESSBOOK-X-ANNIVERSARY": "anniversary",
    "X-ABDATE": "",
    "X-POSTROOM-DATE": "",
}
# The same as a key: what a line says that a card says as well.
Meaning = Email | Phone | Anniversary | tuple[str, str]

_WRITTEN_DAYS = {"birthday": "BDAY", "anniversary": "ANNIVERSARY"}
_ANGLE = re.compile(r"<([^<>]+)>\Z")
_DATE = re.compile(
    r"(?:(\d{4})|-)(?:-?(\d{2})-?(\d{2})|[-/.](\d{1,2})[-/.](\d{1,2}))([T ].*|Z)?", re.ASCII
)
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
# A day without a year may be 29 February.
_LEAP_YEAR = 2000
# Apple's way to leave the year out in 3.0: a year that the parameter says is none.
_OMITTED = ("X-APPLE-OMIT-YEAR", "1604")
# Some of Apple's programs leave the parameter out, too; others write no year as zeros.
_NO_YEAR = ("1604", "0000")
_TYPE = re.compile(r"[A-Za-z0-9-]+")
# Types that do not tell what an address or a number is for.
_SILENT = ("internet", "pref", "voice", "msg", "text", "x-internet")
# Telephones put marks of direction around numbers that are copied, and nothing shows them.
_UNSEEN = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def meaning(entry: Entry) -> Meaning | None:
    """Return the value of an entry that our cards have too; None for all others."""
    line = entry.line
    match line.name:
        case "EMAIL":
            return email(entry)
        case "TEL":
            return phone(entry)
        case "FN":
            return ("FN", name) if (name := unescaped(line.value).strip()) else None
        case "ORG":
            return ("ORG", name) if (name := ", ".join(texts(line.value, ";"))) else None
        case "NOTE":
            return ("NOTE", note) if (note := unescaped(line.value)) else None
    return day(entry) if line.name in DAYS else None


def email(entry: Entry) -> Email | None:
    """The address; None when it is none."""
    address = _UNSEEN.sub("", unescaped(entry.line.value)).strip()
    if named := _ANGLE.search(address):  # with its name, as in mail
        address = named[1]
    address = unquote(address[7:]) if address[:7].lower() == "mailto:" else address
    if len(address) > 320 or canonical_or_none(address) is None:
        return None
    return Email(_label(entry), address)


def phone(entry: Entry) -> Phone | None:
    """The number as it is written; None for none at all, and for one that is no number any more."""
    number = " ".join(_UNSEEN.sub("", unescaped(entry.line.value)).split())
    number = unquote(number[4:]) if number[:4].lower() == "tel:" else number
    return Phone(_label(entry), number) if number and len(number) <= MAX_NAME else None


def _label(entry: Entry) -> str:
    if entry.label:
        return entry.label
    kinds = [kind for kind in entry.line.values("TYPE") if kind.lower() not in _SILENT]
    if not kinds:
        return ""
    others = [kind for kind in kinds if kind.lower() != "fax"]
    is_fax = 0 < len(others) < len(kinds)
    first = (others or kinds)[0]
    first = first.lower() if first.isupper() else first
    first = first[2:] if first[:2].lower() == "x-" and len(first) > 2 else first
    return (f"{first} fax" if is_fax else first)[:100]


def day(entry: Entry) -> Anniversary | None:
    """The day; None for what is no whole date."""
    line = entry.line
    value = line.value.strip()
    if german := _DAY_FIRST.fullmatch(value):
        number, month, year = german.groups()
    elif found := _DATE.fullmatch(value):
        year, month, number = found[1], found[2] or found[4], found[3] or found[5]
    else:
        return None
    if year in _NO_YEAR or (year and dict(line.parameters).get(_OMITTED[0]) == year):
        year = None
    try:
        date(int(year or _LEAP_YEAR), int(month), int(number))
    except ValueError:
        return None
    kind = DAYS[line.name] or entry.label or next(iter(line.values("TYPE")), "other")
    kind = kind.lower() if kind.lower() in (*_WRITTEN_DAYS, "other") else kind
    return Anniversary(kind[:100], f"{year or '-'}-{int(month):02}-{int(number):02}")


def says_more(entry: Entry) -> bool:
    """Whether the line of a day holds more than the day: a time, a parameter, another name."""
    line = entry.line
    found = _DATE.fullmatch(line.value.strip())
    has_time = found is not None and found[6] is not None and bool(re.search("[1-9]", found[6]))
    if line.name == "X-POSTROOM-DATE":
        return has_time
    plain = {("VALUE", "date"), ("VALUE", "date-and-or-time"), _OMITTED}
    parameters = {(name, value.lower()) for name, value in line.parameters}
    by_name = line.name == "X-ABDATE" or line.name in _WRITTEN_DAYS.values()
    return has_time or not by_name or not parameters <= plain


def named(name: str, value: str) -> str:
    """A property of text."""
    return f"{name}:{escaped(value)}"


def email_entry(one: Email) -> str:
    """An address as it is written."""
    return _labelled("EMAIL", escaped(one.address), one.label)


def phone_entry(one: Phone) -> str:
    """A number as it is written."""
    return _labelled("TEL", escaped(one.number), one.label)


def _labelled(name: str, value: str, label: str) -> str:
    if not label:
        return f"{name}:{value}"
    if _says_itself(label):
        return f"{name};TYPE={label}:{value}"
    return grouped(f"{name}:{value}", label)


def _says_itself(label: str) -> bool:
    """Whether a label is read from a type as it is."""
    is_word = _TYPE.fullmatch(label) is not None and not label.isupper()
    return is_word and label.lower() not in _SILENT and label[:2].lower() != "x-"


def grouped(raw: str, label: str) -> str:
    """A property under a label of one's own."""
    return f"item1.{raw}\nitem1.X-ABLabel:{escaped(label)}"


def day_entry(one: Anniversary, version: Version) -> str:
    """A day as it is written."""
    name = _WRITTEN_DAYS.get(one.type, "X-ABDATE")
    is_yearless = one.date.startswith("--")
    if version == "3.0" and is_yearless:
        raw = f"{name};{_OMITTED[0]}={_OMITTED[1]}:{_OMITTED[1]}-{one.date[2:]}"
    elif version == "3.0" or name == "X-ABDATE":
        raw = f"{name}:{one.date}"
    else:
        raw = f"{name}:{'--' if is_yearless else ''}{one.date.replace('-', '')}"
    return raw if one.type in _WRITTEN_DAYS else grouped(raw, one.type)

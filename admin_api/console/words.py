"""Texts that a page makes of values: times, sizes, names. One place, so that it can be translated.

- Times are in the inbox's zone and always 24 h: today's by the hour, this year's by the day.
- Of strangers' text, control and direction characters become visible marks: no name looks like
  another one.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_GOES_ON = frozenset(("is", "must", "has", "holds", "names", "cannot", "may"))
# In this order: Edge also says that it is Chrome and Safari, an iPhone that it is like a Mac.
_BROWSERS = ("Edg", "OPR", "Firefox", "FxiOS", "Chrome", "CriOS", "Safari")
_NAMES = {"Edg": "Edge", "OPR": "Opera", "FxiOS": "Firefox", "CriOS": "Chrome"}
_SYSTEMS = ("iPhone", "iPad", "Android", "CrOS", "Windows", "Mac", "Linux")
# Control characters but for line ends and tabs, halves of surrogate pairs, and marks, embeddings,
# overrides and isolates of direction (Unicode 9.1).
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as it is shown: `text` in short, `iso` in full."""

    text: str
    iso: str


def moment(instant: str, *, zone: str, now: int) -> Moment:
    """Return a time of the API (RFC 3339) as seen in `zone`; `now` in microseconds."""
    return moment_on(instant, zone=zone, day=today(now, zone))


@lru_cache(maxsize=2048)
def moment_on(instant: str, *, zone: str, day: date) -> Moment:
    """Return a time as seen on this `day`: lists show the same rows again and again."""
    there = datetime.fromisoformat(instant).astimezone(_zone(zone))
    if there.date() == day:
        text = f"{there:%H:%M}"
    elif there.year == day.year:
        text = f"{there.day} {_MONTHS[there.month - 1]}"
    else:
        text = f"{there.year:04}-{there.month:02}-{there.day:02}"
    return Moment(text, instant)


def today(now: int, zone: str) -> date:
    """Return the day that it is in a zone; `now` in microseconds."""
    return _day(now // 1_000_000, zone)


@lru_cache(maxsize=64)
def _day(seconds: int, zone: str) -> date:
    """A page asks for the day at each of its times."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(_zone(zone)).date()


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def visible(text: object) -> str:
    """Return text with a mark for each character that would be invisible or turn the rest round."""
    plain = str(text)
    if plain.isprintable():  # nearly all is, and a list shows much of it
        return plain
    return _UNSEEN.sub(_mark, plain)


def _mark(found: re.Match[str]) -> str:
    """Return the picture of a control character; others have none."""
    code = ord(found[0])
    return chr(0x2400 + code) if code < 32 else "\ufffd"


def size(octets: int) -> str:
    """Return a size as people read it."""
    for unit, one in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if octets >= one:
            return f"{octets / one:.1f} {unit}".replace(".0 ", " ")
    return f"{octets} B"


def initials(name: str) -> str:
    """Return two letters for a name or an address: sales and support are not one "S"."""
    parts = [part for part in name.partition("@")[0].replace(".", " ").split() if part]
    letters = [part[0] for part in parts if part[0].isalnum()]
    if len(letters) == 1:
        letters = [one for one in "".join(parts) if one.isalnum()][:2]
    return "".join([*letters[:1], *letters[1:][-1:]]).upper() or "?"


def browser(user_agent: str | None) -> str:
    """Return a browser as people call it; what is none of the known ones says its own name."""
    told = user_agent or ""
    mark = next((one for one in _BROWSERS if f"{one}/" in told), "")
    if not mark:
        return told or "unknown"
    system = next((one for one in _SYSTEMS if one in told), "")
    return f"{_NAMES.get(mark, mark)} on {system}" if system else _NAMES.get(mark, mark)


def told(fault: str) -> str:
    """Return a fault of a field as a sentence: those of the API go on from the field's name."""
    return f"This {fault}." if fault.partition(" ")[0] in _GOES_ON else fault


def plural(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def capped(count: int) -> str:
    """Return a count of the API: above 999 it only says that there are more."""
    return str(count) if count < 1000 else "999+"


def tone(name: str) -> int:
    """Return which of eight colours stands for a name or id, always the same."""
    return zlib.crc32(name.encode()) % 8

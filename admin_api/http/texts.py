"""Rules for texts that people type, the same for calls and commands.

Each takes a text and returns it, or raises ValueError with a message fit to stand after the field.
Nothing large is imported: a command has to start quickly.
"""

from __future__ import annotations

from functools import lru_cache

NAME_LENGTH = 200
SIGNATURE_LENGTH = 2000


def not_blank(text: str) -> str:
    """A check: white space alone says nothing."""
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def one_line(text: str) -> str:
    """A check: CR, LF and other control characters have no place in a name or a header field."""
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text):
        raise ValueError("must be one line without control characters")
    return text


def some_lines(text: str) -> str:
    """A check: text of several lines, without other control characters."""
    if any(ord(character) < 32 and character not in "\t\r\n" for character in text):
        raise ValueError("must be text without control characters")
    return text


def timezone(name: str) -> str:
    """A check: a name of the IANA database."""
    if name not in _timezones():
        raise ValueError("must be the name of a time zone, as Europe/Berlin")
    return name


@lru_cache(maxsize=1)
def _timezones() -> frozenset[str]:
    from zoneinfo import available_timezones

    # Some systems have it; it means another zone on each machine.
    return frozenset(available_timezones()) - {"localtime"}

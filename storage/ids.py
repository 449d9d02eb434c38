"""Identifiers: 16 bytes inside, `msg_` and 26 characters outside.

- The first 8 bytes are microseconds since the epoch, big-endian; the last 8 are random. So ids sort
  by age, and knowing one does not give the next.
- Within a tenant no id is below the last one given, whatever the clock does: the engine keeps the
  highest time part on record and hands it to `IdSource.rise_to` before each write transaction.
- Text is lower-case base 32 in Crockford's alphabet, which keeps the order and has no look-alikes.
"""

from __future__ import annotations

import os
import struct

from storage.clock import Clock

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_DIGITS = {character: value for value, character in enumerate(_ALPHABET)}
TEXT_LENGTH = 26
_PARTS = struct.Struct("8s" * 128)


class IdSource:
    """Gives rising ids; one for each open store."""

    __slots__ = ("_clock", "_drawn", "last")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._drawn: list[bytes] = []
        self.last = 0

    def rise_to(self, floor: int) -> None:
        """Make every later id's time part greater than `floor`."""
        self.last = max(self.last, floor)

    def next(self) -> bytes:
        """A new id, above all that this source gave before."""
        # Pages, grants and positions of jobs go by ids: they must rise when the clock does not.
        least, now = self.last + 1, self._clock()
        self.last = now = now if now > least else least
        # Many at once: the system call costs far more than they do.
        if not self._drawn:
            self._drawn += _PARTS.unpack(os.urandom(_PARTS.size))
        return now.to_bytes(8, "big") + self._drawn.pop()


def lowest_at(time: int) -> bytes:
    """Below every id that is given at this time, in microseconds, or later."""
    return max(0, time).to_bytes(8, "big") + bytes(8)


def to_text(prefix: str, raw: bytes) -> str:
    """`to_text("msg", raw)` is `msg_` and 26 characters."""
    number = int.from_bytes(raw, "big")
    return f"{prefix}_" + "".join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])


_SHIFTS = tuple(range(120, -1, -10))


def from_text(prefix: str, text: str) -> bytes | None:
    """The 16 bytes that `text` stands for, or None when it is no id of this kind."""
    head, separator, digits = text.partition("_")
    if head != prefix or not separator or len(digits) != TEXT_LENGTH:
        return None
    number = 0
    for character in digits:
        value = _DIGITS.get(character)
        if value is None:
            return None
        number = number << 5 | value
    return number.to_bytes(16, "big") if number < 1 << 128 else None


def id_or_none(raw: bytes | None) -> bytes | None:
    """An id of a column that may be NULL, as `bytes` whatever the driver returns."""
    return None if raw is None else bytes(raw)

"""The content of an opaque-signed letter: what lies signed within a CMS SignedData (PKCS #7).

- Only the way to the content is read, in DER and in BER: lengths that are not told beforehand, and
  content in thousands of pieces. Certificates and signatures behind it are passed over: nothing is
  verified here.
- The content counts as far as it goes: what is broken ends it. Data of another kind (encrypted,
  compressed, certificates alone) has none.
- It is a stream: memory does not grow with the content. Content in over 100,000 pieces, each of
  which costs time, is none.

RFC 5652 3 to 5, X.690 8.1.3 and 8.7.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_DATA = bytes.fromhex("2a864886f70d010701")
_INTEGER, _OCTETS, _OID, _PIECES, _SEQUENCE, _SET, _TAGGED = 2, 4, 6, 0x24, 0x30, 0x31, 0xA0
# What stands before the content: a version, two names, and the digests' algorithms.
_MAX_HEAD = 4 * 1024
_MAX_DEPTH = 16
_MAX_PIECES = 100_000


class _NotSigned(Exception):
    """The octets are not those of a SignedData with content."""


class _Element(NamedTuple):
    """Where the octets of an element begin, and how many they are; None: up to an end mark."""

    tag: int
    start: int
    length: int | None


@dataclass(slots=True)
class SignedContent:
    """Takes the octets of a ContentInfo in order; gives those of the content that is signed in it.

    `has_begun` says that there is such content, be it empty.
    """

    has_begun: bool = False
    has_ended: bool = False
    held: bytes = b""
    place: int = 0
    # Of the string that is open: the octets to come. Of those around it: where they end.
    left: int = 0
    pieces: int = 0
    ends: list[int | None] = field(default_factory=list)

    def feed(self, octets: bytes) -> bytes:
        """Return the octets of the content that can be had by now."""
        if self.has_ended:
            return b""
        self.held += octets
        if not self.has_begun and len(self.held) < _MAX_HEAD:
            return b""
        return self._content()

    def finish(self) -> bytes:
        """Return the rest."""
        return b"" if self.has_begun or self.has_ended else self._content()

    def _content(self) -> bytes:
        at = 0
        if not self.has_begun:
            try:
                at = _before_content(self.held[:_MAX_HEAD])
            except _NotSigned:
                self.has_ended, self.held = True, b""
                return b""
            self.has_begun = True
        data, found = self.held, []
        while at < len(data) and not self.has_ended:
            if self.left:
                piece = data[at : at + self.left]
                found.append(piece)
                self.left -= len(piece)
                at += len(piece)
            else:
                element = _element(data, at)
                if element is None:
                    break
                self._take(element)
                at = element.start
            if not self.left:
                self._close(self.place + at)
        self.place += at
        self.held = b"" if self.has_ended else data[at:]
        return b"".join(found)

    def _take(self, element: _Element) -> None:
        tag, start, length = element
        self.pieces += 1
        if self.pieces > _MAX_PIECES:
            self.has_begun, self.has_ended = False, True
        elif tag == _OCTETS and length is not None:
            self.left = length
        elif tag == _PIECES and len(self.ends) < _MAX_DEPTH:
            self.ends.append(None if length is None else self.place + start + length)
        elif tag == 0 and length == 0 and self.ends and self.ends[-1] is None:
            self.ends.pop()
        else:
            self.has_ended = True

    def _close(self, place: int) -> None:
        """Leave the strings that end here."""
        while self.ends and (end := self.ends[-1]) is not None and end <= place:
            self.ends.pop()
        self.has_ended = self.has_ended or not self.ends


def _element(data: bytes, at: int) -> _Element | None:
    """The element whose head stands at `at`; None where more octets are needed."""
    head = data[at : at + 2]
    if len(head) < 2:
        return None
    tag, length = head
    if length < 0x80:
        return _Element(tag, at + 2, length)
    start = at + 2 + (length & 0x7F)
    if start > len(data):
        return None
    told = int.from_bytes(data[at + 2 : start], "big")
    return _Element(tag, start, None if length == 0x80 else told)


def _before_content(data: bytes) -> int:
    """Where the string with the content begins. Raises _NotSigned."""
    at = _within(data, 0, _SEQUENCE)
    at = _past(data, at, _OID, _SIGNED_DATA)
    at = _within(data, at, _TAGGED)
    at = _within(data, at, _SEQUENCE)
    at = _past(data, at, _INTEGER)
    at = _past(data, at, _SET)
    at = _within(data, at, _SEQUENCE)
    at = _past(data, at, _OID, _DATA)
    return _within(data, at, _TAGGED)


def _within(data: bytes, at: int, tag: int) -> int:
    element = _element(data, at)
    if element is None or element.tag != tag:
        raise _NotSigned
    return element.start


def _past(data: bytes, at: int, tag: int, value: bytes | None = None) -> int:
    element = _element(data, at)
    if element is None or element.tag != tag:
        raise _NotSigned
    end = _end(data, element, 0)
    if value is not None and data[element.start : end] != value:
        raise _NotSigned
    return end


def _end(data: bytes, element: _Element, depth: int) -> int:
    if element.length is not None:
        return element.start + element.length
    at = element.start
    while (inner := _element(data, at)) is not None and depth < _MAX_DEPTH:
        at = _end(data, inner, depth + 1)
        if inner.tag == 0 == inner.length:
            return at
    raise _NotSigned

"""How the octets of a part are decoded.

- A part is a slice of the content and the encoding it was sent in: reading it takes neither the
  parser nor the rest of the message.
- Decoding is in proportion to the octets, works on any chunks of them, and never raises: what is no
  base 64 is passed over, as mail programs do.
- NUL and lone surrogates in decoded text become U+FFFD.

RFC 2045 6.7 and 6.8.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from storage.content.mime_parts import Encoding

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_ALPHABET = bytes(octet for octet in range(256) if octet not in _ALPHABET + b"=")
_LONGEST_LINE = 64 * 1024
_UNREADABLE = re.compile("[\x00\ud800-\udfff]")


class Decoder(Protocol):
    """Takes the octets of one part in order."""

    def feed(self, octets: bytes) -> bytes:
        """What can be decoded by now."""
        ...

    def finish(self) -> bytes:
        """What is left."""
        ...


def decoder(encoding: Encoding) -> Decoder:
    """A new decoder for one part."""
    return _DECODERS[encoding]()


def decode(octets: bytes, encoding: Encoding) -> bytes:
    """The whole of a part at once."""
    one = decoder(encoding)
    return one.feed(octets) + one.finish()


def read_text(octets: bytes, encoding: Encoding, charset: str) -> str:
    """The whole of a text part at once; `charset` is a codec of Python's."""
    decoded = decode(octets, encoding)
    try:
        text = decoded.decode(charset, "replace")
    except (UnicodeError, LookupError):  # a few codecs raise whatever they are told
        text = decoded.decode("ascii", "replace")
    return readable_lines(text)


def readable_lines(text: str) -> str:
    """`text` with LF at the ends of its lines and nothing in it that JSON or a store refuses."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNREADABLE.sub("\ufffd", text)


@dataclass(slots=True)
class _Identity:
    def feed(self, octets: bytes) -> bytes:
        return octets

    def finish(self) -> bytes:
        return b""


@dataclass(slots=True)
class _Base64:
    """Groups of four; the first padding is the end."""

    left: bytes = b""
    ended: bool = False

    def feed(self, octets: bytes) -> bytes:
        if self.ended:
            return b""
        digits = self.left + octets.translate(None, _NOT_ALPHABET)
        padding = digits.find(b"=")
        if padding >= 0:
            self.ended = True
            self.left = digits[padding - padding % 4 : padding]
            return binascii.a2b_base64(digits[: padding - padding % 4]) + self._rest()
        whole = len(digits) - len(digits) % 4
        self.left = digits[whole:]
        return binascii.a2b_base64(digits[:whole])

    def finish(self) -> bytes:
        return self._rest()

    def _rest(self) -> bytes:
        digits, self.left = self.left, b""
        if len(digits) < 2:  # one digit is not yet an octet
            return b""
        return binascii.a2b_base64(digits + b"=" * (4 - len(digits)))


@dataclass(slots=True)
class _QuotedPrintable:
    """Whole lines: white space at the end of one is not the text's."""

    left: bytes = b""

    def feed(self, octets: bytes) -> bytes:
        held = self.left + octets
        cut = held.rfind(b"\n") + 1
        if not cut and len(held) > _LONGEST_LINE:
            cut = len(held) - 2 if b"=" in held[-2:] else len(held)
        self.left = held[cut:]
        return binascii.a2b_qp(held[:cut])

    def finish(self) -> bytes:
        held, self.left = self.left, b""
        return binascii.a2b_qp(held)


_DECODERS: dict[Encoding, Callable[[], Decoder]] = {
    "base64": _Base64,
    "quoted-printable": _QuotedPrintable,
    "identity": _Identity,
}


def joined(texts: Iterable[str]) -> str:
    """Several text parts as one text, each on a line of its own."""
    parts = [text for text in texts if text]
    return "".join(text if text.endswith("\n") else text + "\n" for text in parts[:-1]) + (
        parts[-1] if parts else ""
    )

"""Content-Transfer-Encoding: how the octets of a part are decoded.

- A part is a slice of the content and the encoding it was sent in: reading it needs neither the
  parser nor the rest of the message.
- Decoding takes time in proportion to the octets, gives the same for any chunks of them, and never
  raises: characters outside base 64 are skipped, as mail programs do.
- Base 64 that goes on behind its padding was put together from several pieces, and all of them
  count; lines behind it that are not base 64 were added in transit, and are not the file's.
- Base 64 in the alphabet for addresses of the web (`-` and `_`) is an encoding of its own: in any
  other those signs are skipped.
- White space at the end of a quoted-printable line is not the text's, also behind a soft line end;
  a bare CR ends a line softly, too.
- NUL and lone surrogates in decoded text become U+FFFD; a byte order mark is not text.
- Lines of format=flowed are joined when read, with `delsp` without the space that marks them.

RFC 2045 6.7 and 6.8, RFC 3676 4, RFC 4648 5.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from storage.message_format.charsets import decode_text
from storage.message_format.cms import SignedContent
from storage.message_format.mime_parts import MAX_PADDING, Encoding, Flow, Part

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OF_URLS = bytes.maketrans(b"-_", b"+/")
_NOT_ALPHABET = bytes(octet for octet in range(256) if octet not in _ALPHABET + b"=")
# A longer one is decoded in pieces: a part without line ends would lie in memory whole.
_LONGEST_LINE = 64 * 1024
# Possessive: a line with another sign at its end must not be parted in every possible way.
_BASE64_LINE = re.compile(rb"(?:[A-Za-z0-9+/]{2,}+={0,2}+)++")
_SOFT_END = re.compile(rb"=[ \t]*+\r(?!\n)")
_LINE_BLANKS = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")
_UU_BEGIN = re.compile(rb"begin [0-7]{3,4} ")
_MOST_UU_DIGITS = 84  # of 63 octets, the most that a length says
_NOT_UU = re.compile(rb"[^\x20-\x60]")
_UNREADABLE = re.compile("[\x00\ud800-\udfff]")


class Decoder(Protocol):
    """Takes the octets of one part in order."""

    def feed(self, octets: bytes) -> bytes:
        """Return the octets that can be decoded by now."""
        ...

    def finish(self) -> bytes:
        """Return the rest."""
        ...


def decoder(encoding: Encoding) -> Decoder:
    """A new decoder for one part."""
    return _DECODERS[encoding]()


def file_decoder(part: Part) -> Decoder:
    """A new decoder for the file of a part, which may lie within what the part decodes to."""
    one = decoder(part.encoding)
    for step in part.steps:
        signed = _Window(_Chain(one, SignedContent()), step.start, step.end - step.start)
        one = _Chain(signed, decoder(step.encoding))
    return _Window(one, part.skip, part.size) if part.skip else one


def decode(octets: bytes, encoding: Encoding) -> bytes:
    """The whole of a part at once."""
    one = decoder(encoding)
    return one.feed(octets) + one.finish()


def read_text(octets: bytes, encoding: Encoding, charset: str, flow: Flow = "") -> str:
    """The whole of a text part at once; `charset` is a codec (`charset_labels`)."""
    text = readable_lines(decode_text(decode(octets, encoding), charset))
    return _unflowed(text, deletes=flow == "delsp") if flow else text


def readable_lines(text: str) -> str:
    """`text` with LF at the ends of its lines and nothing in it that JSON or a store refuses."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNREADABLE.sub("\ufffd", text)


def _unflowed(text: str, *, deletes: bool) -> str:
    """Lines that end in a space go on in the next one of the same quoting depth (RFC 3676 4.1)."""
    # Pieces, joined once: a paragraph may go on for a hundred thousand lines.
    done: list[str] = []
    depth, is_open = 0, False
    for line in text.split("\n"):
        marks = len(line) - len(line.lstrip(">"))
        content = line[marks:].removeprefix(" ")
        # RFC 3676 4.3: the line before a signature ends in a space, but does not flow into it. Nor
        # into an empty line: people end paragraphs with a space.
        if not (is_open and marks == depth and content not in {"", "-- "}):
            done.append("\n" if done else "")
            done.append("> " * marks)
        depth, is_open = marks, content.endswith(" ") and content != "-- "
        done.append(content[:-1] if is_open and deletes else content)
    return "".join(done)


@dataclass(slots=True)
class _Window:
    """So many octets of what another decoder gives, after `skip` of them."""

    inner: Decoder
    skip: int
    size: int

    def feed(self, octets: bytes) -> bytes:
        return self._cut(self.inner.feed(octets))

    def finish(self) -> bytes:
        return self._cut(self.inner.finish())

    def _cut(self, octets: bytes) -> bytes:
        passed = min(self.skip, len(octets))
        shown = octets[passed : passed + self.size]
        self.skip -= passed
        self.size -= len(shown)
        return shown


@dataclass(slots=True)
class _Chain:
    """What a decoder makes of the octets that another gives."""

    first: Decoder
    second: Decoder

    def feed(self, octets: bytes) -> bytes:
        return self.second.feed(self.first.feed(octets))

    def finish(self) -> bytes:
        return self.second.feed(self.first.finish()) + self.second.finish()


@dataclass(slots=True)
class _Identity:
    def feed(self, octets: bytes) -> bytes:
        return octets

    def finish(self) -> bytes:
        return b""


@dataclass(slots=True)
class _Base64:
    """Groups of four. Behind padding only whole lines of base 64 count."""

    left: bytes = b""
    is_behind: bool = False
    in_padding: bool = False

    def feed(self, octets: bytes) -> bytes:
        if self.is_behind:
            return self._lines(octets)
        digits = self.left + octets.translate(None, _NOT_ALPHABET)
        padding = digits.find(b"=")
        if padding < 0:
            whole = len(digits) - len(digits) % 4
            self.left = digits[whole:]
            return binascii.a2b_base64(digits[:whole])
        self.is_behind, self.in_padding, self.left = True, True, b""
        return _digits(digits[:padding]) + self._lines(octets[octets.index(b"=") :])

    def _lines(self, octets: bytes) -> bytes:
        if self.in_padding:
            octets = octets.lstrip(b"=")
            self.in_padding = not octets
        lines, self.left = _whole_lines(self.left + octets)
        return b"".join(map(_piece, lines))

    def finish(self) -> bytes:
        held, self.left = self.left, b""
        return b"".join(map(_piece, held.splitlines())) if self.is_behind else _digits(held)


@dataclass(slots=True)
class _Base64OfUrls:
    """The alphabet for addresses (RFC 4648 5), which some programs take by mistake."""

    inner: _Base64 = field(default_factory=_Base64)

    def feed(self, octets: bytes) -> bytes:
        return self.inner.feed(octets.translate(_OF_URLS))

    def finish(self) -> bytes:
        return self.inner.finish()


def _whole_lines(held: bytes) -> tuple[list[bytes], bytes]:
    """The lines that have ended, and the rest. Longer ones are cut, each at the same places."""
    cut = max(held.rfind(b"\n"), held.rfind(b"\r", 0, -1)) + 1
    lines, rest = held[:cut].splitlines(), held[cut:]
    if len(held) > _LONGEST_LINE:
        lines = [piece for line in lines for piece in _pieces(line)]
        *more, rest = _pieces(rest) or [b""]
        lines += more
    return lines, rest


def _pieces(line: bytes) -> list[bytes]:
    return [line[place : place + _LONGEST_LINE] for place in range(0, len(line), _LONGEST_LINE)]


def _piece(line: bytes) -> bytes:
    """A line behind padding: base 64 with its own padding, or nothing."""
    groups = line.strip()
    if len(groups) % 4 or not _BASE64_LINE.fullmatch(groups):
        return b""
    return b"".join(map(_digits, groups.split(b"=")))


def _digits(digits: bytes) -> bytes:
    """A run of digits without padding; one alone is not yet an octet."""
    whole = len(digits) - (len(digits) % 4 == 1)
    return binascii.a2b_base64(digits[:whole] + b"=" * (-whole % 4))


@dataclass(slots=True)
class _QuotedPrintable:
    """Whole lines: white space at the end of one is not the text's."""

    left: bytes = b""
    blanks: list[bytes] = field(default_factory=list)
    """What came behind `left`. Joined once: a line may be blank for mebibytes."""

    def feed(self, octets: bytes) -> bytes:
        if len(self.left) > _LONGEST_LINE and not octets.strip(b" \t\r"):
            self.blanks.append(octets)
            return b""
        held = self._taken() + octets
        cut = held.rfind(b"\n") + 1
        if cut or len(held) <= _LONGEST_LINE:
            self.left = held[cut:]
            return _unquoted(held[:cut])
        cut = _before_escape(held.rstrip(b" \t\r"))
        self.left = held[cut:]
        # With a soft end: blanks at the cut are not those of a line's end.
        return _unquoted(held[:cut] + b"=\n")

    def finish(self) -> bytes:
        return _unquoted(self._taken())

    def _taken(self) -> bytes:
        held = b"".join([self.left, *self.blanks])
        self.left, self.blanks = b"", []
        return held


def _before_escape(octets: bytes) -> int:
    """Where to cut, so that no escape (`=C3`) is cut in two; `==` is one, too."""
    if b"=" not in octets[-2:]:
        return len(octets)
    end = octets.rindex(b"=") + 1
    signs = end - len(octets[:end].rstrip(b"="))
    return end - 2 + signs % 2


def _unquoted(lines: bytes) -> bytes:
    if lines.count(b"\r") > lines.count(b"\r\n"):  # `a2b_qp` would go on behind the next LF
        lines = _SOFT_END.sub(b"=\n", lines)
    return binascii.a2b_qp(_LINE_BLANKS.sub(b"", lines))


@dataclass(slots=True)
class _Uuencode:
    """Lines between `begin` and `end`; where neither stands, all that can be such a line.

    Between `begin-base64` and `====` they are base 64 (POSIX uuencode -m).

    Behind `begin` a damaged line gives the octets that can be had, each at its place. Blanks at the
    end of a line, which are digits, may be lost; not for ever, or two octets would become 63.
    """

    left: bytes = b""
    padding: int = MAX_PADDING
    has_begun: bool = False
    has_ended: bool = False
    base64: _Base64 | None = None

    def feed(self, octets: bytes) -> bytes:
        lines, self.left = _whole_lines(self.left + octets)
        return b"".join(map(self._line, lines))

    def _line(self, line: bytes) -> bytes:
        if self.has_ended or not line.strip():
            return b""
        if self.base64 is not None:
            self.has_ended = line.startswith(b"====")
            return self.base64.finish() if self.has_ended else self.base64.feed(line + b"\n")
        if line.startswith(b"begin-base64 "):
            self.base64 = _Base64()
            return b""
        if _UU_BEGIN.match(line):
            self.has_begun = True
            return b""
        if line.rstrip() == b"end":
            self.has_ended = True
            return b""
        length = (line[0] - 32) & 63
        needed = (length + 2) // 3 * 4
        digits = line[1 : 1 + needed]
        lost = needed - len(digits)
        tells_length = 32 <= line[0] <= 96 and lost <= self.padding
        is_whole = tells_length and len(line) <= needed + 8 and not _NOT_UU.search(digits)
        if not (is_whole or self.has_begun):  # prose before a file without `begin`
            return b""
        if tells_length:
            self.padding -= lost
            digits = digits.ljust(needed, b" ")
        else:
            digits = line[1 : 1 + _MOST_UU_DIGITS]
            digits = digits[: len(digits) // 4 * 4]
            length = len(digits) // 4 * 3
            if not length:
                return b""
        # A digit that is none counts as zero: what follows it keeps its place in the file.
        return _uu_octets(digits if is_whole else _NOT_UU.sub(b"`", digits))[:length]

    def finish(self) -> bytes:
        held, self.left = self.left, b""
        octets = b"".join(map(self._line, held.splitlines()))
        return octets if self.base64 is None or self.has_ended else octets + self.base64.finish()


def _uu_octets(digits: bytes) -> bytes:
    """Whole groups of digits: of a length that tells less the rest would be garbage to `a2b_uu`."""
    return binascii.a2b_uu(bytes([32 + len(digits) // 4 * 3]) + digits)


_DECODERS: dict[Encoding, Callable[[], Decoder]] = {
    "base64": _Base64,
    "base64url": _Base64OfUrls,
    "quoted-printable": _QuotedPrintable,
    "identity": _Identity,
    "uuencode": _Uuencode,
}


def joined(texts: Iterable[str]) -> str:
    """Several text parts as one text, each on a line of its own."""
    parts = [text for text in texts if text]
    return "".join(text if text.endswith("\n") else text + "\n" for text in parts[:-1]) + (
        parts[-1] if parts else ""
    )

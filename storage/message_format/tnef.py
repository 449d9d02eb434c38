"""winmail.dat: the files that Outlook puts into one part of its own format (TNEF), and the letter.

- Only where each file lies in the decoded part, its name, type and Content-Id are read. The reading
  ends at a fault; all before it counts.
- The letter in it is for messages that have no other: text, HTML, or the words of RTF, of which at
  most 256 KiB are read.
- A message that is attached is a file in Outlook's format, a TNEF again (`NAME.tnef`).
- An attribute counts once, for the letter and for each file. Nothing is copied but names; at most
  10,000 attributes, 1,000 files, 1,000 values of each.

MS-OXTNEF 2.1; MS-OXCMSG 2.2.1.56 (body) and 2.2.2 (properties of attachments); MS-OXRTFCP.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from storage.message_format.charset_labels import codec_of
from storage.message_format.charsets import decode_text
from storage.message_format.mime_parts import MAX_TEXT_OCTETS

TYPES = {"application/ms-tnef", "application/vnd.ms-tnef"}
# One more than a message may have, which tells that there are more.
MAX_FILES = 1_001
_MAX_ATTRIBUTES = 10_000
_MAX_VALUES = 1_000
_MAX_TEXT = 2_000
# So many octets are at least as many of UTF-8 as are read of a letter, and one more.
_MAX_BODY = 2 * (MAX_TEXT_OCTETS + 1)

_SIGNATURE = b"\x78\x9f\x3e\x22"
_HEAD = struct.Struct("<BII")
_BEGINS, _TITLE, _DATA = 0x00069002, 0x00018010, 0x0006800F
_PROPERTIES, _CODEPAGE = 0x00069005, 0x00069007
_BODY, _OF_LETTER = 0x0002800C, 0x00069003
_PLAIN, _RTF, _HTML, _HTML_CODEPAGE = 0x1000, 0x1009, 0x1013, 0x3FDE
_LONG_NAME, _NAME, _MIME_TYPE, _CONTENT_ID = 0x3707, 0x3704, 0x370E, 0x3712
_SHOWN_NAME, _CONTENT = 0x3001, 0x3701
_INTERFACE = 16  # octets before an embedded object that say what it is
_NUMBER, _OBJECT, _TEXT, _WIDE_TEXT, _BINARY = 0x0003, 0x000D, 0x001E, 0x001F, 0x0102
_WIDTHS = {
    **dict.fromkeys((0x0001, 0x0002, 0x0003, 0x0004, 0x000A, 0x000B), 4),
    **dict.fromkeys((0x0005, 0x0006, 0x0007, 0x0014, 0x0040), 8),
    0x0048: 16,
}
# What the dictionary of compressed RTF holds at the beginning (MS-OXRTFCP 2.1.2.1).
_DICTIONARY = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern "
    rb"\fscript \fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_COMPRESSED, _AS_IT_IS = b"LZFu", b"MELA"
_RING = 4096
_MAX_RTF = 256 * 1024
_RTF_TOKEN = re.compile(
    rb"\\([a-z]{1,32})(-?[0-9]{1,9})? ?|\\'([0-9a-fA-F]{2})|\\([^a-z])|([{}])|([^\\{}\r\n]+)",
    re.DOTALL,
)
_NOT_TEXT = frozenset(
    b"fonttbl colortbl stylesheet info pict object fldinst header headerl headerr headerf footer"
    b" footerl footerr footerf".split()
)
# The charset of a font, as Windows numbers it, and its code page.
_OF_FONTS = {
    128: 932, 129: 949, 130: 1361, 134: 936, 136: 950, 161: 1253, 162: 1254,
    163: 1258, 177: 1255, 178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250,
}  # fmt: skip
_SIGNS = {
    **dict.fromkeys((b"par", b"line", b"row", b"sect", b"page"), "\n"),
    b"tab": "\t",
    b"cell": "\t",
    b"emdash": "—",
    b"endash": "–",
    b"bullet": "•",
    b"lquote": "‘",
    b"rquote": "’",
    b"ldblquote": "“",
    b"rdblquote": "”",
}
_ESCAPED = {b"~": "\u00a0", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}", b"\r": "\n", b"\n": "\n"}


@dataclass(slots=True)
class Inner:
    """A file in the part: its place there, and what is said of it."""

    start: int = 0
    size: int = 0
    name: str = ""
    content_type: str = ""
    content_id: str = ""


class InnerLetter(NamedTuple):
    """The letter in the part; empty where it is not there in that form. HTML is as it came.

    `charset` is the codec that the HTML is said to have. Without `is_whole` more follows.
    """

    text: str
    html: bytes
    charset: str | None
    is_whole: bool


class _Value(NamedTuple):
    """The place of a property's first value; its kind."""

    kind: int
    start: int
    length: int


def files_in(data: bytes) -> list[Inner]:
    """The files in a decoded winmail.dat; none when it is something else."""
    files: list[Inner] = []
    for kind, start, length, codec in _attributes(data):
        if kind == _BEGINS:
            files.append(Inner())
            if len(files) > MAX_FILES:
                break
        elif files:
            _take(files[-1], kind, data, (start, length), codec)
    return [one for one in files if one.start][:MAX_FILES]


def letter_in(data: bytes) -> InnerLetter:
    """The letter in a decoded winmail.dat."""
    text, html, rich, charset = "", b"", b"", None
    for kind, start, length, codec in _attributes(data):
        if kind == _BEGINS:
            break
        if kind == _BODY:
            text = text or _text(data[start : start + min(length, _MAX_BODY)], codec)
        elif kind == _OF_LETTER:
            properties = data[start : start + length]
            values = _properties(properties)
            if plain := values.get(_PLAIN):
                text = _text_of(properties, plain, codec, _MAX_BODY) or text
            if page := values.get(_HTML):
                html, charset = _page_of(properties, page, codec, values.get(_HTML_CODEPAGE))
            if packed := values.get(_RTF):
                rich = decompressed(_octets_of(properties, packed, _MAX_BODY))
    if text.strip() or html.strip():
        return InnerLetter(text, html, charset, is_whole=True)
    return InnerLetter(text_of_rtf(rich), b"", None, is_whole=len(rich) < _MAX_RTF)


def _page_of(
    properties: bytes, page: _Value, codec: str, told: _Value | None
) -> tuple[bytes, str | None]:
    """The octets of the HTML, and the codec that they are said to have."""
    if page.kind != _BINARY:
        return _text_of(properties, page, codec, _MAX_BODY).encode("utf-8", "replace"), "utf-8"
    number = int.from_bytes(_octets_of(properties, told, 4), "little") if told else 0
    return _octets_of(properties, page, _MAX_BODY), codec_of(f"cp{number}")


def _attributes(data: bytes) -> Iterator[tuple[int, int, int, str]]:
    """The attributes: kind, place, length, and the codec of its texts."""
    if data[:4] != _SIGNATURE:
        return
    codec, position = "cp1252", 6
    seen: set[int] = set()
    for _ in range(_MAX_ATTRIBUTES):
        if position + _HEAD.size > len(data):
            return
        _, kind, length = _HEAD.unpack_from(data, position)
        start = position + _HEAD.size
        position = start + length + 2  # a checksum
        if position - 2 > len(data):
            return
        if kind == _CODEPAGE and length >= 4:
            codec = codec_of(f"cp{int.from_bytes(data[start : start + 4], 'little')}") or codec
        if kind == _BEGINS:
            seen.clear()
        elif kind in seen:
            continue
        seen.add(kind)
        yield kind, start, length, codec


def _take(file: Inner, kind: int, data: bytes, place: tuple[int, int], codec: str) -> None:
    start, length = place
    if kind == _DATA and not file.size:
        file.start, file.size = start, length
    elif kind == _TITLE and not file.name:
        file.name = _text(data[start : start + min(length, _MAX_TEXT)], codec)
    elif kind == _PROPERTIES:
        properties = data[start : start + length]
        values = _properties(properties)

        def text(name: int) -> str:
            value = values.get(name)
            return _text_of(properties, value, codec, _MAX_TEXT) if value else ""

        file.name = text(_LONG_NAME) or file.name or text(_NAME)
        file.content_type = text(_MIME_TYPE)
        file.content_id = text(_CONTENT_ID)
        content = values.get(_CONTENT)
        if content and not file.size and content.kind in {_OBJECT, _BINARY}:
            skip = _INTERFACE if content.kind == _OBJECT else 0
            if content.length > skip and content.start + content.length <= length:
                file.start, file.size = start + content.start + skip, content.length - skip
                if data.startswith(_SIGNATURE, file.start):
                    file.name = f"{text(_SHOWN_NAME) or file.name or 'message'}.tnef"
                    file.content_type = "application/ms-tnef"


def _text(octets: bytes, codec: str) -> str:
    return decode_text(octets, codec).partition("\x00")[0]


def _text_of(data: bytes, value: _Value, codec: str, most: int) -> str:
    if value.kind not in {_TEXT, _WIDE_TEXT}:
        return ""
    octets = _octets_of(data, value, most)
    return _text(octets, "utf-16-le" if value.kind == _WIDE_TEXT else codec)


def _octets_of(data: bytes, value: _Value, most: int) -> bytes:
    return data[value.start : value.start + min(value.length, most)]


def _properties(data: bytes) -> dict[int, _Value]:
    """The texts, octets and numbers among properties, by their names."""
    found: dict[int, _Value] = {}
    try:
        (count,) = struct.unpack_from("<I", data, 0)
        position, left = 4, _MAX_VALUES
        # The count is the sender's claim, up to 4,294,967,295.
        for _ in range(count):
            if left <= 0:
                break
            kind, name = struct.unpack_from("<HH", data, position)
            position = _past_name(data, position + 4, name)
            position, values = _past_values(data, position, (kind, name), found)
            left -= values
    except struct.error:
        pass
    return found


def _past_name(data: bytes, position: int, name: int) -> int:
    if name < 0x8000:
        return position
    (is_text,) = struct.unpack_from("<I", data, position + 16)
    (length,) = struct.unpack_from("<I", data, position + 20)
    return position + 24 + (-(-length // 4) * 4 if is_text else 0)


def _past_values(
    data: bytes, position: int, tag: tuple[int, int], found: dict[int, _Value]
) -> tuple[int, int]:
    """Where the values of a property end, and for how many they count."""
    kind, name = tag
    several, plain = kind & 0x1000, kind & 0x0FFF
    is_long = plain in {_OBJECT, _TEXT, _WIDE_TEXT, _BINARY}
    count = 1
    if several or is_long:
        (count,) = struct.unpack_from("<I", data, position)
        position += 4
    if not is_long:
        width = _WIDTHS.get(plain, 4)
        if plain == _NUMBER:
            found.setdefault(name, _Value(plain, position, width))
        return position + count * width, 1
    for _ in range(min(count, _MAX_VALUES)):
        (length,) = struct.unpack_from("<I", data, position)
        start = position + 4
        position = start + -(-length // 4) * 4
        found.setdefault(name, _Value(plain, start, length))
    return position, max(min(count, _MAX_VALUES), 1)


def decompressed(rtf: bytes) -> bytes:
    """RTF as Outlook compresses it, up to 256 KiB; empty when it is something else (MS-OXRTFCP)."""
    kind, packed = rtf[8:12], rtf[16:]
    if kind == _AS_IT_IS:
        return packed[:_MAX_RTF]
    if kind != _COMPRESSED:
        return b""
    out = bytearray(_DICTIONARY)
    place, end = 0, len(packed)
    while place < end and len(out) < _MAX_RTF:
        flags = packed[place]
        place += 1
        for bit in range(8):
            if not flags >> bit & 1:
                out += packed[place : place + 1]
                place += 1
                continue
            if place + 2 > end:
                return bytes(out[len(_DICTIONARY) :])
            reference = int.from_bytes(packed[place : place + 2], "big")
            place += 2
            back = (len(out) - (reference >> 4)) % _RING
            if not back or back > len(out):
                return bytes(out[len(_DICTIONARY) :])
            for _ in range((reference & 15) + 2):
                out.append(out[-back])
    return bytes(out[len(_DICTIONARY) :])


class _Group(NamedTuple):
    """What holds within a group of RTF, and ends with it."""

    codec: str = "cp1252"
    is_hidden: bool = False
    lists_fonts: bool = False
    fallback: int = 1


@dataclass(slots=True)
class _RtfText:
    """The text of RTF, as far as one reads it: groups, and the signs that stand for others."""

    now: _Group = field(default_factory=_Group)
    outer: list[_Group] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    octets: bytearray = field(default_factory=bytearray)
    # The codecs of fonts that have one of their own; None: of all others, and of no font.
    codecs: dict[int | None, str] = field(default_factory=lambda: {None: "cp1252"})
    font: int | None = None
    default_font: int | None = None
    passed: int = 0

    def add(self, text: str) -> None:
        """Add text behind the octets of others."""
        if self.octets:
            self.texts.append(decode_text(bytes(self.octets), self.now.codec))
            self.octets.clear()
        if not self.now.is_hidden:
            self.texts.append(text)

    def take(self, token: re.Match[bytes]) -> None:
        """Take a token."""
        word, number, code, escaped, brace, text = token.groups()
        if word:
            self._word(word, int(number) if number else None)
        elif brace:
            self.passed = 0
            if brace == b"{":
                self.outer.append(self.now)
            elif self.outer:
                self.add("")
                self.now = self.outer.pop()
        elif escaped == b"*":
            self._hide()
        elif escaped:
            self.add(_ESCAPED.get(escaped, ""))
        else:
            self._octets(bytes.fromhex(code.decode()) if code else text or b"")

    def _hide(self) -> None:
        self.add("")
        self.now = self.now._replace(is_hidden=True)

    def _octets(self, octets: bytes) -> None:
        left = octets[self.passed :]
        self.passed -= len(octets) - len(left)
        if not self.now.is_hidden:
            self.octets += left

    def _word(self, word: bytes, number: int | None) -> None:
        if word == b"u" and number is not None:
            self.add(chr(number & 0xFFFF))
            self.passed = self.now.fallback
        elif word == b"uc" and number is not None:
            self.now = self.now._replace(fallback=min(max(number, 0), 8))
        elif word in {b"f", b"plain"}:
            self._choose(number if word == b"f" else self.default_font)
        elif word == b"deff":
            self.default_font = number
        elif word in {b"ansicpg", b"fcharset", b"cpg"} and number is not None:
            self._name(word, number)
        elif word in _NOT_TEXT:
            self._hide()
            self.now = self.now._replace(lists_fonts=word == b"fonttbl")
        elif word in _SIGNS:
            self.add(_SIGNS[word])

    def _choose(self, font: int | None) -> None:
        self.font = font
        if not self.now.is_hidden:
            self.add("")
            self.now = self.now._replace(codec=self.codecs.get(font, self.codecs[None]))

    def _name(self, word: bytes, number: int) -> None:
        page = _OF_FONTS.get(number) if word == b"fcharset" else number
        codec = codec_of(f"cp{page}")
        if codec is None:
            return
        if word == b"ansicpg":
            self.codecs[None] = codec
            self._choose(None)
        elif self.now.lists_fonts:
            self.codecs[self.font] = codec


def text_of_rtf(rtf: bytes) -> str:
    """The text of RTF; pairs of surrogates are one sign."""
    reading = _RtfText()
    place = 0
    while token := _RTF_TOKEN.search(rtf, place):
        place = token.end()
        if token[1] == b"bin":  # so many octets follow, whatever they are
            place += max(int(token[2] or 0), 0)
        reading.take(token)
    reading.add("")
    return "".join(reading.texts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")

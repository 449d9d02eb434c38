"""Decoding of octets in a charset.

- Decoding never raises, unless it is told to. Unreadable octets become U+FFFD; a byte order mark is
  not text. Pairs of surrogates in UTF-8 are the signs they stand for; KOI8-R with letters of KOI8-U
  is that.
- What Python has no codec for is in `charset_tables`; what it reads too strictly in `japanese`.

RFC 2781 4.3.
"""

from __future__ import annotations

import re
from codecs import (
    BOM_UTF8,
    BOM_UTF16_BE,
    BOM_UTF16_LE,
    BOM_UTF32_BE,
    BOM_UTF32_LE,
    charmap_decode,
)

from storage.message_format.charset_labels import EUC_JP, ISO_2022_JP, UTF_16
from storage.message_format.charset_tables import TABLES
from storage.message_format.japanese import decode_extended_euc, decode_iso_2022_jp

_BOM = "\ufeff"


def decode_text(octets: bytes, codec: str, *, errors: str = "replace") -> str:
    """The text of `octets`. With `errors="strict"` raises UnicodeError for what is not readable."""
    if codec == ISO_2022_JP:
        return decode_iso_2022_jp(octets, errors)
    if codec in TABLES:
        return charmap_decode(octets, errors, TABLES[codec])[0]
    if codec.startswith("utf"):
        codec = _with_mark(octets, codec)
        octets = _PAIR.sub(_joined, octets) if codec == "utf-8" and b"\xed" in octets else octets
    elif codec == "koi8-r" and _UKRAINIAN.search(octets):
        codec = "koi8-u"
    try:
        text = octets.decode(codec, "strict" if codec == EUC_JP else errors)
    except (UnicodeError, LookupError):  # a few codecs raise whatever they are told
        if codec == EUC_JP:
            return decode_extended_euc(octets, errors)
        if errors == "strict":
            raise
        text = octets.decode("ascii", errors)
    return text.lstrip(_BOM)


# A pair of surrogates, as Java and Oracle write what lies beyond the first plane (CESU-8).
_PAIR = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
# Letters of KOI8-U beside others; KOI8-R has corners of boxes there.
_UKRAINIAN = re.compile(
    rb"(?<=[\xc0-\xff])%b|%b(?=[\xc0-\xff])" % ((b"[\xa4\xa6\xa7\xad\xb4\xb6\xb7\xbd]",) * 2)
)


def _joined(pair: re.Match[bytes]) -> bytes:
    halves = pair[0].decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
    return halves.decode("utf-16-le").encode()


def marked_codec(octets: bytes) -> str | None:
    """The codec that a byte order mark names."""
    if octets.startswith(BOM_UTF8):
        return "utf-8"
    # Before UTF-16, whose mark begins alike: no letter begins with NUL.
    if octets.startswith((BOM_UTF32_LE, BOM_UTF32_BE)):
        return "utf-32"
    return UTF_16 if octets.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else None


def _with_mark(octets: bytes, codec: str) -> str:
    """UTF-16 by its mark; without one by where the zeros are, else little-endian (WHATWG)."""
    if codec == "utf-32" and not octets.startswith((BOM_UTF32_LE, BOM_UTF32_BE)):
        return "utf-32-le" if octets[:1] != b"\0" else "utf-32-be"
    if codec not in {UTF_16, "utf-16-be"}:
        return codec
    if octets.startswith(BOM_UTF16_LE):
        return "utf-16-le"
    if octets.startswith(BOM_UTF16_BE):
        return "utf-16-be"
    if codec == UTF_16:
        head = octets[:2_000]
        return "utf-16-be" if head[0::2].count(0) > head[1::2].count(0) else "utf-16-le"
    return codec

"""In which charset a text really is.

- A byte order mark wins. Then what the part declares counts, as long as the octets decode in it: a
  letter here and there that does not is a broken letter, most of them are another charset.
- Where nothing is declared, or US-ASCII: escape sequences of ISO-2022-JP, the `<meta charset>` of
  a page, UTF-8 where it can be, windows-1252 where only letters of western Europe come of it. The
  rest is guessed from at most 8 KiB, among charsets that mail uses (`charset-normalizer`).
- Never raises; a guess is one, and the bytes served stay those that came.

RFC 6657 3, WHATWG HTML 13.2.3.2.
"""

from __future__ import annotations

import codecs
import re

from storage.content.charsets import (
    ESCAPES,
    ISO_2022_JP,
    UTF_16,
    codec_of,
    decode_text,
    marked_codec,
)

_DEFAULT = "cp1252"
# The library's time grows with the octets, and more of them hardly tell more.
_SAMPLE = 8 * 1024
_META_WITHIN = 4 * 1024

_KOREAN = re.compile(rb"\x1b\$\)C")
_HZ = re.compile(rb"~\{(?:[\x21-\x77][\x21-\x7e])+~\}")
_META = re.compile(
    rb"""<meta\b[^>]{0,300}?\bcharset\s*=\s*["']?\s*([a-z0-9_.:-]{2,40})
    |<\?xml\b[^>]{0,100}?\bencoding\s*=\s*["']([a-z0-9_.:-]{2,40})""",
    re.IGNORECASE | re.VERBOSE,
)
_HIGH = re.compile(rb"[\x80-\xff]")
_NOT_LETTERS = re.compile(rb"[^A-Za-z]+")
# What western Europe writes beyond ASCII, in windows-1252.
_WESTERN = "äöüßÄÖÜéèêëàâîïôûùçñáíóúåæøœÉÀÈÇÑÁÍÓÚÅÆØìòãõ€£§°´²³’‘“”„–—…•«»·¿¡½©®™ºª×  ".encode(
    "cp1252"
)
_KANA = re.compile(rb"(?:[\xa4\xa5][\xa1-\xf6])")
_GB_MARKS = re.compile(rb"\xa3\xac|\xa1\xa3")
_NO_KOI8 = re.compile(rb"[\x80-\xa2\xa5\xa8-\xac\xae-\xb2\xb5\xb8-\xbc\xbe\xbf]")
_KOI8_SMALL = re.compile(rb"[\xc0-\xdf]")
_CANDIDATES = [
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("cp866", "cp874", "cp932", "cp949", "big5hkscs", "gb18030", "koi8_r", "iso8859_2"),
    "iso8859_5",
]


def likely_codec(octets: bytes, declared: str | None, *, is_page: bool, whole: bool) -> str:
    """The codec in which to read `octets`, of which there may be more unless `whole`."""
    if marked := marked_codec(octets):
        return marked
    if declared is not None and declared != "ascii":
        return declared if _is_in(octets, declared, whole=whole) else _guessed(octets, whole=whole)
    if not octets.isascii() or b"\x1b" not in octets:
        if is_page and (named := _of_page(octets)) and _is_in(octets, named, whole=whole):
            return named
        return _guessed(octets, whole=whole)
    return _escaped(octets) or "utf-8"


def _escaped(octets: bytes) -> str | None:
    if _KOREAN.search(octets):
        return "iso2022_kr"
    return ISO_2022_JP if ESCAPES.search(octets) else None


def _of_page(octets: bytes) -> str | None:
    found = _META.search(octets, 0, _META_WITHIN)
    if found is None:
        return None
    codec = codec_of((found[1] or found[2]).decode("ascii"))
    # A page that can be searched for `<meta` is not UTF-16, whatever it says (WHATWG).
    return "utf-8" if codec in {UTF_16, "utf-16-be", "ascii"} else codec


def _is_in(octets: bytes, codec: str, *, whole: bool) -> bool:
    """Whether most of what is no ASCII can be read in `codec`."""
    if codec == ISO_2022_JP or (octets.isascii() and not codec.startswith("utf")):
        return True
    try:
        codecs.getincrementaldecoder(codec)().decode(octets, whole)
    except UnicodeDecodeError:
        pass
    except (UnicodeError, LookupError):
        return True  # UTF-16 without a mark; `decode_text` sees to it
    else:
        return True
    if codec == "utf-8" and _is_surrogates(octets):
        return True
    text = decode_text(octets, codec)
    unreadable = text.count("\ufffd")
    readable = len(text) - len(text.encode("ascii", "ignore")) - unreadable
    return readable > 2 * unreadable


def _is_surrogates(octets: bytes) -> bool:
    if b"\xed" not in octets:
        return False
    try:
        octets.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _guessed(octets: bytes, *, whole: bool) -> str:
    if octets.isascii():
        return "hz" if b"~{" in octets and _HZ.search(octets) else "utf-8"
    if _is_strictly(octets, "utf-8", whole=whole):
        return "utf-8"
    return _of_sample(octets[:_SAMPLE])


def _of_sample(sample: bytes) -> str:
    if sample.count(0) * 4 > len(sample):
        return UTF_16
    if ESCAPES.search(sample):
        return ISO_2022_JP
    high = len(_HIGH.findall(sample))
    letters = len(_NOT_LETTERS.sub(b"", sample))
    if high <= letters and not sample.translate(None, _WESTERN + _ASCII):
        return _DEFAULT
    if len(_KANA.findall(sample)) * 4 > high and _is_strictly(sample, "euc_jp", whole=False):
        return "euc_jp"
    if _GB_MARKS.search(sample) and _is_strictly(sample, "gb2312", whole=False):
        return "gb18030"
    # Small letters are where other Cyrillic charsets have capitals.
    if not _NO_KOI8.search(sample) and len(_KOI8_SMALL.findall(sample)) * 4 > high * 3 > letters:
        return "koi8-u"
    return _of_library(sample)


_ASCII = bytes(range(128))


def _is_strictly(octets: bytes, codec: str, *, whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder(codec)().decode(octets, whole)
    except UnicodeDecodeError:
        return False
    return True


def _of_library(sample: bytes) -> str:
    from charset_normalizer import from_bytes  # hardly any letter needs it

    best = from_bytes(
        sample,
        steps=5,
        chunk_size=512,
        cp_isolation=_CANDIDATES,
        preemptive_behaviour=False,
        enable_fallback=False,
    ).best()
    return (codec_of(best.encoding) if best is not None else None) or _DEFAULT

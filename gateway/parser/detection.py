"""In which charset a text really is.

- A byte order mark wins. Then what the part declares counts, as long as the octets decode in it: a
  letter here and there that does not is a broken letter, most of them are another charset. Octets
  that are UTF-8 several times over are UTF-8, whatever is declared: no other text looks like it.
- Escape sequences of ISO-2022-JP and HZ, and zeros in UTF-16, win over another charset that is
  declared: no other text has them. Where text declared as one of these has none, it is another.
- Where nothing is declared, or US-ASCII: the `<meta charset>` of a page, UTF-8 where it can be,
  windows-1252 where only letters of western Europe come of it. The rest is guessed from at most
  8 KiB, among charsets that mail uses (`chardet`).
- Never raises; a guess is one, and the bytes served stay those that came.

RFC 6657 3, WHATWG HTML 13.2.3.2.
"""

from __future__ import annotations

import codecs
import re

from storage.message_format.charset_labels import ISO_2022_JP, UTF_16, codec_of
from storage.message_format.charsets import decode_text, marked_codec
from storage.message_format.japanese import is_iso_2022_jp

_DEFAULT = "cp1252"
# The library's time grows with the octets, and more of them hardly tell more.
_SAMPLE = 8 * 1024
_META_WITHIN = 32 * 1024

# Hiragana in EUC-JP; in Shift_JIS pairs of a comma of half width.
_EUC_KANA = re.compile(rb"(?:\xa4[\xa1-\xf3]){2}")
_KOREAN = re.compile(rb"\x1b\$\)C")
_HZ = re.compile(rb"~\{(?:[\x21-\x77][\x21-\x7e])+~\}")
_META = re.compile(
    rb"""<meta\b[^>]{0,300}?\bcharset\s*=\s*["']?\s*([a-z0-9_.:-]{2,40})
    |<\?xml\b[^>]{0,100}?\bencoding\s*=\s*["']([a-z0-9_.:-]{2,40})""",
    re.IGNORECASE | re.VERBOSE,
)
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_WITH_ESCAPES = frozenset((ISO_2022_JP, "iso2022_jp_2004", "iso2022_kr"))
_WIDE_UNICODE = frozenset((UTF_16, "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"))
_ASCII = bytes(range(128))
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 \t\r\n"
_NOT_LETTERS = re.compile(rb"[^A-Za-z]+")
# What western Europe writes beyond ASCII, in windows-1252.
_WESTERN = "äöüßÄÖÜéèêëàâîïôûùçñáíóúåæøœÉÀÈÇÑÁÍÓÚÅÆØìò€£§°´²³’‘“”„–—…•«»·¿¡½©®™ºª×  ".encode(
    "cp1252"
)
# Between small letters these are letters of Polish or Czech, and never signs.
_EASTERN = re.compile(rb"[a-z\xe0-\xff][\x9a\x9c-\x9f\xb1\xb3\xb6\xb9\xbb-\xbf][a-z]")
_LATIN_2 = ("cp1250", "iso-8859-2")
_WIDE = {"gb18030", "big5hkscs", "cp949", "euc_jp", "cp932", "johab", "shift_jis_2004"}
_CANDIDATES = [
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("big5hkscs", "cp866", "cp874", "cp932", "cp949", "euc-jp", "euc-kr", "gb18030"),
    *("iso8859-2", "iso8859-5", "iso8859-7", "koi8-r", "koi8-u"),
]


def likely_codec(octets: bytes, declared: str | None, *, is_page: bool, whole: bool) -> str:
    """The codec in which to read `octets`, of which there may be more unless `whole`."""
    if told := _told(octets, declared, whole=whole):
        return told
    if declared is not None and declared != "ascii":
        if not _is_in(octets, declared, whole=whole):
            return _guessed(octets, whole=whole)
        return "utf-8" if _is_utf8_all_the_same(octets, declared, whole=whole) else declared
    if is_page and (named := _of_page(octets)) and _is_in(octets, named, whole=whole):
        return named
    return _guessed(octets, whole=whole)


def _told(octets: bytes, declared: str | None, *, whole: bool) -> str | None:
    """The codec that marks, escapes and zeros tell, or their absence."""
    if marked := marked_codec(octets):
        return marked
    if b"\x1b" in octets and declared not in _WITH_ESCAPES and (found := _escaped(octets)):
        return found
    if declared == "gb18030" and b"~{" in octets and octets.isascii() and _HZ.search(octets):
        return "hz"
    if declared == ISO_2022_JP and not octets.isascii() and b"\x1b" not in octets:
        return _japanese(octets, whole=whole)
    return _of_zeros(octets, declared)


def _escaped(octets: bytes) -> str | None:
    if _KOREAN.search(octets):
        return "iso2022_kr"
    return ISO_2022_JP if is_iso_2022_jp(octets) else None


def _of_page(octets: bytes) -> str | None:
    found = _META.search(_COMMENT.sub(b"", octets[:_META_WITHIN]))
    if found is None:
        return None
    codec = codec_of((found[1] or found[2]).decode("ascii"))
    # A page that can be searched for `<meta` is not UTF-16, whatever it says (WHATWG).
    return "utf-8" if codec in {UTF_16, "utf-16-be", "ascii"} else codec


def _of_zeros(octets: bytes, declared: str | None) -> str | None:
    """The codec that zeros tell, or their absence: most letters of UTF-16 and UTF-32 have some."""
    if b"\0" in octets and declared not in _WIDE_UNICODE:
        sample = octets[:_SAMPLE]
        zeros = sample.count(0) / len(sample)
        if zeros > 0.25:
            return "utf-32" if zeros > 0.6 else UTF_16
    elif declared in _WIDE_UNICODE and b"\0" not in octets:
        others = len(octets.translate(None, _LETTERS))
        if others * 3 < len(octets) and _is_strictly(octets, "utf-8", whole=False):
            return "utf-8"
    return None


def _japanese(octets: bytes, *, whole: bool) -> str:
    """The codec of letters beyond ASCII in what has none of ISO-2022-JP's escapes."""
    if _is_strictly(octets, "utf-8", whole=whole):
        return "utf-8"
    is_euc = _EUC_KANA.search(octets) and _is_strictly(octets, "euc_jp", whole=whole)
    return "euc_jp" if is_euc else ISO_2022_JP


def _is_utf8_all_the_same(octets: bytes, declared: str, *, whole: bool) -> bool:
    """Whether octets declared as another charset are UTF-8 too often for chance."""
    if octets.isascii() or declared.startswith("utf"):
        return False
    if not _is_strictly(octets, "utf-8", whole=whole):
        return False
    # Two octets of a Chinese or Korean letter are UTF-8 once in seven; they stand in long rows.
    return len(octets.translate(None, _ASCII)) >= (24 if declared in _WIDE else 4)


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
    if is_iso_2022_jp(sample):
        return ISO_2022_JP
    high = len(sample.translate(None, _ASCII))
    letters = len(_NOT_LETTERS.sub(b"", sample))
    is_western = high <= letters and not sample.translate(None, _WESTERN + _ASCII)
    if is_western and not _EASTERN.search(sample):
        return _DEFAULT
    return _of_library(sample)


def _is_strictly(octets: bytes, codec: str, *, whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder(codec)().decode(octets, whole)
    except UnicodeDecodeError:
        return False
    return True


def _of_library(sample: bytes) -> str:
    from chardet import detect  # hardly any letter needs it

    named = detect(sample, include_encodings=_CANDIDATES)["encoding"]
    found = (codec_of(named) if named is not None else None) or _DEFAULT
    return _of_two_latin(sample) if found in _LATIN_2 else found


def _of_two_latin(sample: bytes) -> str:
    """ISO 8859-2 and windows-1250 share most letters: the one with fewer signs among them."""

    def signs(codec: str) -> int:
        return sum(not one.isalpha() for one in sample.decode(codec, "replace") if one > "\xa0")

    return min(_LATIN_2, key=signs)

"""Header text as a person reads it: RFC 2047 words decoded, and nothing in it that harms a reader.

Rules this module keeps:
- Never raises, and the work is bounded: text after the first 16,384 characters or 200 words is
  not decoded. `email.header` takes minutes for what hostile senders make of this.
- Only charsets that mail really uses; a word in any other stays as it was written. Looking up a
  charset by the name a stranger gives would import a module by that name.
- NUL and lone surrogates become U+FFFD, other control characters a space.

RFC 2047, RFC 2231 5 (language suffix), RFC 6532 (raw UTF-8).
"""

import binascii
import re
from itertools import islice

MAX_TEXT = 998
MAX_RAW = 16_384
_MAX_WORDS = 200

_WORD = re.compile(r"=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]*)\?=")
_UNREADABLE = re.compile(r"[\x00\ud800-\udfff]")
_CONTROL = re.compile(r"[\x01-\x1f\x7f-\x9f]")

# Charset names as mail spells them, and the codec that reads them; gb2312 and the like are
# declared for text that really is in their supersets.
_CODECS = {
    **{f"iso-8859-{part}": f"iso-8859-{part}" for part in range(1, 17) if part != 12},
    **{f"windows-125{page}": f"cp125{page}" for page in range(9)},
    **{f"cp125{page}": f"cp125{page}" for page in range(9)},
    "ascii": "ascii",
    "big5": "big5hkscs",
    "big5-hkscs": "big5hkscs",
    "cp932": "cp932",
    "cp949": "cp949",
    "euc-jp": "euc_jp",
    "euc-kr": "cp949",
    "gb18030": "gb18030",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "hz-gb-2312": "hz",
    "iso-2022-jp": "iso2022_jp_2",
    "iso-2022-jp-2": "iso2022_jp_2",
    "iso-2022-kr": "iso2022_kr",
    "koi8-r": "koi8_r",
    "koi8-u": "koi8_u",
    "ks_c_5601-1987": "cp949",
    "latin1": "iso-8859-1",
    "macintosh": "mac_roman",
    "shift-jis": "cp932",
    "shift_jis": "cp932",
    "tis-620": "tis_620",
    "us-ascii": "ascii",
    "utf-7": "utf_7",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "windows-31j": "cp932",
    "windows-874": "cp874",
}


def readable(text: str) -> str:
    """Header text with its encoded words decoded, made harmless, trimmed and capped."""
    if "=?" in text:
        text = _decoded(text[:MAX_RAW])
    return harmless(text[: MAX_TEXT * 2]).strip()[:MAX_TEXT]


def codec_of(charset: str) -> str | None:
    """Python's name of a charset that mail uses; None for any other."""
    return _CODECS.get(charset.lower())


def is_codec(name: str) -> bool:
    """Whether `name` is one that `codec_of` gives."""
    return name in _CODECS.values()


def harmless(text: str) -> str:
    """`text` without NUL, lone surrogates and control characters."""
    if text.isprintable():
        return text
    return _CONTROL.sub(" ", _UNREADABLE.sub("\ufffd", text))


def _decoded(text: str) -> str:
    """Adjacent words in one charset are joined before decoding: many senders cut characters."""
    done: list[str] = []
    octets, codec, position = b"", "", 0
    for word in islice(_WORD.finditer(text), _MAX_WORDS):
        between = text[position : word.start()]
        known = _octets(word)
        if known is None:
            done += [_text(octets, codec), between, word[0]]
            octets, codec = b"", ""
        elif codec and not between.strip(" \t") and known[1] == codec:
            octets += known[0]
        else:
            apart = "" if codec and not between.strip(" \t") else between
            done += [_text(octets, codec), apart]
            octets, codec = known
        position = word.end()
    return "".join([*done, _text(octets, codec), text[position:]])


def _octets(word: re.Match[str]) -> tuple[bytes, str] | None:
    """What a word encodes and in which codec; None when it is to stay as it is."""
    charset, encoding, encoded = word.groups()
    codec = _CODECS.get(charset.lower())
    if codec is None or not encoded.isascii():
        return None
    if encoding in "qQ":
        return binascii.a2b_qp(encoded, header=True), codec
    try:
        return binascii.a2b_base64(encoded + "=="), codec
    except binascii.Error:
        return None


def _text(octets: bytes, codec: str) -> str:
    if not codec:
        return ""
    try:
        return octets.decode(codec, "replace")
    except UnicodeError:  # a few codecs raise whatever they are told
        return octets.decode("ascii", "replace")

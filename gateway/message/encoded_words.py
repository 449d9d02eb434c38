"""Header text for people: RFC 2047 words decoded, and nothing that harms a reader.

Rules this module keeps:

- Never raises, and the work is bounded: text after the first 16,384 characters or 200 words is not
  decoded. `email.header` takes minutes for the texts of hostile senders.
- Only charsets that mail really uses (`storage.message_format.charset_labels`). A word in any other
  is decoded when its octets are UTF-8 or ISO-2022-JP, and stays as it was written when they are
  not.
- Letters that a sender left as they are in a word of the Q encoding are themselves, and so is a
  question mark. Words that were cut within an escape or a group of base 64 are put together again.
- NUL and lone surrogates become U+FFFD, other control characters and ends of lines a space.

RFC 2047, RFC 2231 5 (language suffix), RFC 6532 (raw UTF-8).
"""

import binascii
import re
from itertools import islice

from storage.message_format.charset_labels import ISO_2022_JP, codec_of
from storage.message_format.charsets import decode_text
from storage.message_format.japanese import is_iso_2022_jp

MAX_TEXT = 998
MAX_RAW = 16_384
_MAX_WORDS = 200

# A word ends at the first `?=`, but for one before an escape with which the word goes on: some
# leave question marks as they are. Its usual signs are put in for `_SIGN`.
_ENCODED = r"(?:_SIGN++|=(?!\?(?!=))|\?(?!=)|\?(?==[0-9A-F]{2}[^\s?]{0,200}\?=))*+"
_WORD = re.compile(
    r"=\?([A-Za-z0-9_.:+-]{1,60})(?:\*[^?\s]{0,20})?\?([bBqQ])\?("
    + _ENCODED.replace("_SIGN", "[^?=]")
    + r")\?="
)
WORD_OF_NAME = (
    r"""=\?[^?\s<>@"]{1,60}\?[bBqQ]\?""" + _ENCODED.replace("_SIGN", r"""[^?=\s<>@"]""") + r"\?="
)
_CUT_ESCAPE = re.compile(r"=[0-9A-Fa-f]?\Z")
_ESCAPE = re.compile(r"=[0-9A-Fa-f]{2}")
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OF_URLS = {ord("-"): "+", ord("_"): "/"}
# The bits of the last digit of a group that belong to no octet.
_REST = {2: 0b1111, 3: 0b11}
_UNREADABLE = re.compile(r"[\x00\ud800-\udfff]")
_CONTROL = re.compile(r"[\x01-\x1f\x7f-\x9f\u2028\u2029]")

# The charset, the encoding and the text of a word.
_Word = tuple[str, str, str]

# Senders often declare the one and write the other.
_MISTAKEN = {"utf-8": ("cp1252",), "cp1252": ("utf-8",)}


def readable(text: str) -> str:
    """Return header text with its encoded words decoded, made harmless, trimmed and capped."""
    if "=?" in text:
        text = decoded(text)
    text = text[: MAX_TEXT * 2]
    return (text if text.isprintable() else harmless(text)).strip()[:MAX_TEXT]


def is_utf8(octets: bytes) -> bool:
    """Whether octets are UTF-8."""
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def harmless(text: str) -> str:
    """Return `text` without NUL, lone surrogates and control characters."""
    if text.isprintable():
        return text
    return _CONTROL.sub(" ", _UNREADABLE.sub("\ufffd", text))


def decoded(text: str) -> str:
    """Return the text with its encoded words decoded, up to the cap.

    Adjacent words in one charset are joined first: many senders cut characters.
    """
    if "=?" not in text:
        return text
    text = text[:MAX_RAW]
    done: list[str] = []
    # What adjacent words in one charset hold: all but the newest, and that one, which may be cut.
    before = newest = b""
    codec, position = "", 0
    last: _Word = ("", "", "")
    for found in islice(_WORD.finditer(text), _MAX_WORDS):
        charset, encoding, encoded = found.groups()
        between = text[position : found.start()]
        is_adjacent = codec and not between.strip(" \t")
        if is_adjacent and _is_cut(last, (charset, encoding, encoded), before + newest, codec):
            encoded, newest = last[2] + encoded, b""
        known = _octets(charset, encoding, encoded)
        if known is None:
            done += [_text(before + newest, codec), between, found[0]]
            before, newest, codec = b"", b"", ""
        elif is_adjacent and known[1] == codec:
            before, newest = before + newest, known[0]
        else:
            done += [_text(before + newest, codec), "" if is_adjacent else between]
            before, (newest, codec) = b"", known
        last, position = (charset, encoding, encoded), found.end()
    return "".join([*done, _text(before + newest, codec), text[position:]])


def _is_cut(last: _Word, word: _Word, octets: bytes, codec: str) -> bool:
    """Whether a word ends within an escape or a group of base 64 that the next one goes on with.

    `octets` are what the words hold so far.
    """
    (charset, encoding, encoded), more = last, word[2]
    if (charset.lower(), encoding.lower()) != (word[0].lower(), word[1].lower()):
        return False
    if encoding in "qQ":
        cut = _CUT_ESCAPE.search(encoded[-2:])
        return cut is not None and _ESCAPE.match(cut[0] + more) is not None
    digits = len(encoded.rstrip()) % 4
    if not digits or "=" in encoded:
        return False
    alone, together = _octets(*last), _octets(charset, encoding, encoded + more)
    before = octets[: len(octets) - len(alone[0])] if alone else octets
    if together is None or not _is_in(before + together[0], codec):
        return False
    # Some leave the padding out: those end with zeros, and in a letter of their charset.
    is_whole = digits > 1 and not _DIGITS.find(encoded.rstrip()[-1]) & _REST[digits]
    return not (is_whole and _octets(*word) is not None and _is_in(octets, codec))


def _octets(charset: str, encoding: str, encoded: str) -> tuple[bytes, str] | None:
    """Return the octets and codec of a word; None when it is to stay as it is."""
    codec = codec_of(charset)
    try:
        if encoding in "qQ":
            named = codec if codec not in {None, "ascii"} else "utf-8"
            raw = encoded.encode("ascii" if encoded.isascii() else named or "utf-8")
            octets = binascii.a2b_qp(raw, header=True)
        else:
            octets = _of_base64(encoded)
    except (ValueError, LookupError):  # no base 64; a letter that the charset has not
        return None
    if codec in {None, "ascii"} and is_iso_2022_jp(octets):
        codec = ISO_2022_JP
    elif codec is None and not octets.isascii() and is_utf8(octets):
        codec = "utf-8"
    elif codec == "ascii":
        codec = "utf-8" if is_utf8(octets) else "cp1252"
    return (octets, codec) if codec else None


def _of_base64(encoded: str) -> bytes:
    encoded = encoded.translate(_OF_URLS)  # no digits of any other alphabet
    try:
        return binascii.a2b_base64(encoded + "==")
    except ValueError:
        digits = encoded.rstrip()
        if len(digits) < 2 or "=" in digits or len(digits) % 4 != 1:
            raise
        return binascii.a2b_base64(digits[:-1])  # a digit alone in its group holds no octet


def _is_in(octets: bytes, codec: str) -> bool:
    try:
        decode_text(octets, codec, errors="strict")
    except UnicodeError:
        return False
    return True


def _text(octets: bytes, codec: str) -> str:
    """Decode octets; those that are not in the named charset are often in its usual confusion."""
    if not codec:
        return ""
    if codec == "utf-8":
        try:
            return octets.decode().removeprefix("\ufeff")
        except UnicodeDecodeError:
            pass
    for one in (codec, *_MISTAKEN.get(codec, ())):
        try:
            return decode_text(octets, one, errors="strict")
        except UnicodeError:
            if one == "utf-8" and (read := _utf8_with_faults(octets)):
                return read
            if b"\xed" in octets and _has_surrogates(octets):
                break
    return decode_text(octets, codec)


def _utf8_with_faults(octets: bytes) -> str:
    """Read octets that are UTF-8 but for a few, as where a word was cut; empty for others."""
    text = octets.decode("utf-8", "replace")
    unreadable = text.count("\ufffd")
    letters = sum(not sign.isascii() for sign in text) - unreadable
    return text if letters >= max(unreadable, 1) else ""


def _has_surrogates(octets: bytes) -> bool:
    """Whether octets are UTF-8 but for lone surrogates, which are no characters of any text."""
    try:
        octets.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True

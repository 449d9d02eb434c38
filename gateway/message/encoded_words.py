"""Header text for people: RFC 2047 words decoded, and nothing that harms a reader.

Rules this module keeps:

- Never raises, and the work is bounded: text after the first 16,384 characters or 200 words is not
  decoded. `email.header` takes minutes for the texts of hostile senders.
- Only charsets that mail really uses (`storage.content.charsets`). A word in any other is decoded
  when its octets are UTF-8 or ISO-2022-JP, and stays as it was written when they are not.
- Letters that a sender left as they are in a word of the Q encoding are themselves.
- NUL and lone surrogates become U+FFFD, other control characters and ends of lines a space.

RFC 2047, RFC 2231 5 (language suffix), RFC 6532 (raw UTF-8).
"""

import binascii
import re
from itertools import islice

from storage.content.charsets import ISO_2022_JP, codec_of, decode_text, is_iso_2022_jp

MAX_TEXT = 998
MAX_RAW = 16_384
_MAX_WORDS = 200

_WORD = re.compile(r"=\?([A-Za-z0-9_.:+-]{1,60})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]*)\?=")
_UNREADABLE = re.compile(r"[\x00\ud800-\udfff]")
_CONTROL = re.compile(r"[\x01-\x1f\x7f-\x9f\u2028\u2029]")

# Senders often declare the one and write the other.
_MISTAKEN = {"utf-8": ("cp1252",), "cp1252": ("utf-8",)}


def readable(text: str) -> str:
    """Return header text with its encoded words decoded, made harmless, trimmed and capped."""
    text = decoded(text)
    return harmless(text[: MAX_TEXT * 2]).strip()[:MAX_TEXT]


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
    """Return the octets and codec of a word; None when it is to stay as it is."""
    charset, encoding, encoded = word.groups()
    codec = codec_of(charset)
    try:
        if encoding in "qQ":
            named = codec if codec not in {None, "ascii"} else "utf-8"
            raw = encoded.encode("ascii" if encoded.isascii() else named or "utf-8")
            octets = binascii.a2b_qp(raw, header=True)
        else:
            octets = binascii.a2b_base64(encoded + "==")
    except (ValueError, LookupError):  # no base 64; a letter that the charset has not
        return None
    if codec in {None, "ascii"} and is_iso_2022_jp(octets):
        codec = ISO_2022_JP
    elif codec is None and not octets.isascii() and is_utf8(octets):
        codec = "utf-8"
    elif codec == "ascii":
        codec = "utf-8" if is_utf8(octets) else "cp1252"
    return (octets, codec) if codec else None


def _text(octets: bytes, codec: str) -> str:
    """Decode octets; those that are not in the named charset are often in its usual confusion."""
    if codec == "utf-8":
        try:
            return octets.decode().removeprefix("\ufeff")
        except UnicodeDecodeError:
            pass
    for one in (codec, *_MISTAKEN.get(codec, ())):
        try:
            return decode_text(octets, one, errors="strict")
        except UnicodeError:
            if b"\xed" in octets and _has_surrogates(octets):
                break
    return decode_text(octets, codec)


def _has_surrogates(octets: bytes) -> bool:
    """Whether octets are UTF-8 but for lone surrogates, which are no characters of any text."""
    try:
        octets.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True

"""Header text for people: RFC 2047 words decoded, and nothing that harms a reader.

Rules this module keeps:

- Never raises, and the work is bounded: text after the first 16,384 characters or 200 words is not
  decoded. `email.header` takes minutes for the texts of hostile senders.
- Only charsets that mail really uses (`storage.content.charsets`). A word in any other is decoded
  when its octets are UTF-8 or ISO-2022-JP, and stays as it was written when they are not.
- Letters that a sender left as they are in a word of the Q encoding are themselves, and so is a
  question mark. Words that were cut within an escape or a group of base 64 are put together again.
- NUL and lone surrogates become U+FFFD, other control characters and ends of lines a space.

RFC 2047, RFC 2231 5 (language suffix), RFC 6532 (raw UTF-8).
"""

import binascii
import re
from dataclasses import dataclass
from itertools import islice

from storage.content.charsets import ISO_2022_JP, codec_of, decode_text, is_iso_2022_jp

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
# The bits of the last digit of a group that belong to no octet.
_REST = {2: 0b1111, 3: 0b11}
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
    run, position = _Run(), 0
    for word in islice(_WORD.finditer(text), _MAX_WORDS):
        between = text[position : word.start()]
        is_adjacent = bool(run.codec) and not between.strip(" \t")
        if not (is_adjacent and run.goes_on(word)):
            done.append(run.text)
            run = _Run()
            is_read = run.goes_on(word)
            done.append("" if is_read and is_adjacent else between)
            done.append("" if is_read else word[0])
        position = word.end()
    return "".join([*done, run.text, text[position:]])


@dataclass(slots=True)
class _Run:
    """Adjacent words in one charset: `newest` is the last one's octets, `before` the others'."""

    before: bytes = b""
    codec: str = ""
    charset: str = ""
    encoding: str = ""
    encoded: str = ""
    newest: bytes = b""

    @property
    def text(self) -> str:
        return _text(self.before + self.newest, self.codec) if self.codec else ""

    def goes_on(self, word: re.Match[str]) -> bool:
        """Take a word in, if it can be read, and is in the same charset as those before."""
        charset, encoding, encoded = word[1].lower(), word[2].lower(), word[3]
        before = self.before + self.newest
        if (charset, encoding) == (self.charset, self.encoding) and self._is_cut_before(encoded):
            before, encoded = self.before, self.encoded + encoded
        known = _octets(charset, encoding, encoded)
        if known is None or self.codec not in {"", known[1]}:
            return False
        self.before, (self.newest, self.codec) = before, known
        self.charset, self.encoding, self.encoded = charset, encoding, encoded
        return True

    def _is_cut_before(self, encoded: str) -> bool:
        """Whether the newest word ends within an escape or a group that `encoded` goes on with."""
        if self.encoding == "q":
            cut = _CUT_ESCAPE.search(self.encoded[-2:])
            return cut is not None and _ESCAPE.match(cut[0] + encoded) is not None
        digits = len(self.encoded.rstrip()) % 4
        if not digits or "=" in self.encoded:
            return False
        together = _octets(self.charset, "b", self.encoded + encoded)
        if together is None or not _is_in(self.before + together[0], self.codec):
            return False
        # Some leave the padding out: those end with zeros, and in a letter of their charset.
        is_whole = digits > 1 and not _DIGITS.find(self.encoded.rstrip()[-1]) & _REST[digits]
        return not (
            is_whole
            and _octets(self.charset, "b", encoded) is not None
            and _is_in(self.before + self.newest, self.codec)
        )


def _octets(charset: str, encoding: str, encoded: str) -> tuple[bytes, str] | None:
    """Return the octets and codec of a word; None when it is to stay as it is."""
    codec = codec_of(charset)
    try:
        if encoding == "q":
            named = codec if codec not in {None, "ascii"} else "utf-8"
            raw = encoded.encode("ascii" if encoded.isascii() else named or "utf-8")
            octets = binascii.a2b_qp(raw, header=True)
        else:
            # A digit that is alone in its group holds no octet.
            alone = len(encoded.rstrip()) % 4 == 1 and "=" not in encoded and len(encoded) > 1
            octets = binascii.a2b_base64((encoded.rstrip()[:-1] if alone else encoded) + "==")
    except (ValueError, LookupError):  # no base 64; a letter that the charset has not
        return None
    if codec in {None, "ascii"} and is_iso_2022_jp(octets):
        codec = ISO_2022_JP
    elif codec is None and not octets.isascii() and is_utf8(octets):
        codec = "utf-8"
    elif codec == "ascii":
        codec = "utf-8" if is_utf8(octets) else "cp1252"
    return (octets, codec) if codec else None


def _is_in(octets: bytes, codec: str) -> bool:
    try:
        decode_text(octets, codec, errors="strict")
    except UnicodeError:
        return False
    return True


def _text(octets: bytes, codec: str) -> str:
    """Decode octets; those that are not in the named charset are often in its usual confusion."""
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
    """What is UTF-8 but for a few octets, as where a word was cut; empty where it is none."""
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

"""Values of vCard properties as text: charsets, quoted-printable, escapes, folds.

- Names of charsets are those of mail (`storage.message_format.charset_labels`).
- Octets that are UTF-8 are read as such, whatever an 8-bit charset is declared; else as declared;
  else as windows-1252, which programs write that declare none.
- In 2.1 a backslash escapes only itself and separators; in 3.0 and 4.0 it makes line ends as well.

RFC 6350 sections 3.2 to 3.4; vCard 2.1 section 2.1; RFC 2045 section 6.7.
"""

from __future__ import annotations

import re
from binascii import a2b_qp
from codecs import charmap_decode

from storage.message_format.charset_labels import codec_of
from storage.message_format.charsets import decode_text

_FOLD_AT = 75
# Charsets in which octets of UTF-8 are possible but no sensible text.
_SINGLE_OCTETS = (
    *("cp125", "cp8", "cp7", "cp437", "iso-8859", "iso8859", "koi8", "mac", "utf-8", "hp_roman8"),
    *("viscii", "armscii", "georgian", "kz1048", "ptcp154"),
)


def decoded(octets: bytes, label: str = "") -> str:
    """Octets as text; nothing that cannot be stored is in it."""
    codec = codec_of(label) or "utf-8"
    codec = "cp1252" if codec == "ascii" else codec
    order = ["utf-8", codec] if codec.startswith(_SINGLE_OCTETS) else [codec, "utf-8"]
    for one in order:
        try:
            return decode_text(octets, one, errors="strict").replace("\x00", "\ufffd")
        except UnicodeError:
            pass
    return charmap_decode(octets, "strict", _WINDOWS_1252)[0].replace("\x00", "\ufffd")


# In the WHATWG table, octets without a letter are control characters, as in Latin-1.
_WINDOWS_1252 = "".join(
    bytes([octet]).decode("cp1252", "ignore") or chr(octet) for octet in range(256)
)


def quoted_printable(value: str, label: str) -> str:
    """A quoted-printable value as text; `label` is its charset."""
    return decoded(a2b_qp(value.encode("utf-8", "replace")), label).replace("\r\n", "\n")


def escaped(text: str) -> str:
    """Text as a value of 3.0 and 4.0."""
    text = text.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;")
    return re.sub(r"\r\n|\r|\n", r"\\n", text)


def unescaped(value: str) -> str:
    """A value of 3.0 and 4.0 as text."""
    return re.sub(r"\\(.)", lambda one: "\n" if one[1] in "nN" else one[1], value, flags=re.DOTALL)


def unescaped_as_2_1(value: str) -> str:
    """A value of 2.1 as text: `C:\\new` is a path."""
    return re.sub(r"\\([\\;:,])", r"\1", value)


def split(value: str, separator: str) -> list[str]:
    """The parts of a value, still escaped."""
    parts: list[list[str]] = [[]]
    for piece in re.findall(rf"\\.|{separator}|[^\\{separator}]+|\\", value, re.DOTALL):
        if piece == separator:
            parts.append([])
        else:
            parts[-1].append(piece)
    return ["".join(pieces) for pieces in parts]


def texts(value: str, separator: str) -> list[str]:
    """The parts of a value that are not empty."""
    return [text for part in split(value, separator) if (text := unescaped(part).strip())]


def folded_line(line: str) -> str:
    """The line in pieces of at most 75 octets, no character cut in two."""
    octets = line.encode("utf-8", "replace")
    pieces, start, room = [], 0, _FOLD_AT
    while start < len(octets):
        end = min(start + room, len(octets))
        # RFC 6350 3.2: a fold within a character would break readers that decode line by line.
        while end < len(octets) and octets[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(octets[start:end].decode())
        start, room = end, _FOLD_AT - 1
    return "\r\n ".join(pieces) + "\r\n"

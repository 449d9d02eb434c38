"""ISO-2022-JP and EUC-JP, as Outlook writes them.

- NEC's row 13, IBM's extensions and half-width katakana are read, which Python's codecs refuse.
- ISO-2022-JP tells by its escape sequences what it is.

RFC 1468; WHATWG Encoding 12.
"""

from __future__ import annotations

import re

from storage.message_format.charset_labels import EUC_JP

_ESCAPES = re.compile(rb"\x1b(?:\$[@B]|\$\([DOPQ]|\([IJ])")
# The sets that ISO-2022-JP and its extensions shift to, and how each is read.
_SHIFT = re.compile(rb"\x1b(\([BJIHT]|\$[@BA]|\$\([A-DPQO]|\$\)C|[.&N][AF@]?)|\x0e|\x0f")
_SINGLE = {b"(B", b"(J", b"(H", b"(T", b"(I"}
_WRAPPED = {
    b"$A": ("iso2022_jp_2", b"\x1b$A"),
    b"$(A": ("iso2022_jp_2", b"\x1b$A"),
    b"$(C": ("iso2022_jp_2", b"\x1b$(C"),
    b"$(D": ("iso2022_jp_2", b"\x1b$(D"),
    b"$(O": ("iso2022_jp_3", b"\x1b$(O"),
    b"$(P": ("iso2022_jp_3", b"\x1b$(P"),
    b"$(Q": ("iso2022_jp_2004", b"\x1b$(Q"),
}


def is_iso_2022_jp(octets: bytes) -> bool:
    """Whether octets tell by escape sequences that they are ISO-2022-JP."""
    return b"\x1b" in octets and _ESCAPES.search(octets) is not None


_TWO_HIGH = re.compile(rb"(?<!\x8f)(?:[\xa1-\xfe]{2})+")


def decode_extended_euc(octets: bytes, errors: str) -> str:
    """EUC-JP with NEC's and IBM's extensions, which Python's codec refuses (WHATWG 12.1)."""
    done: list[str] = []
    position = 0
    for pair in _TWO_HIGH.finditer(octets):
        done.append(octets[position : pair.start()].decode(EUC_JP, errors))
        done.append(_two_octets(pair[0]).decode("cp932", errors))
        position = pair.end()
    done.append(octets[position:].decode(EUC_JP, errors))
    return "".join(done)


_TO_EUC = bytes(one | 0x80 if 0x21 <= one <= 0x7E else one for one in range(256))


def decode_iso_2022_jp(octets: bytes, errors: str) -> str:
    """ISO-2022-JP with all sets that mail shifts to."""
    done: list[str] = []
    position, state = 0, b"(B"
    for shift in _SHIFT.finditer(octets):
        done.append(_segment(octets[position : shift.start()], state, errors))
        position = shift.end()
        if shift[1] is None:
            state = b"(I" if shift[0] == b"\x0e" else b"(B"
        elif shift[1] in _SINGLE or shift[1][:1] == b"$":
            state = shift[1]
    done.append(_segment(octets[position:], state, errors))
    return "".join(done)


def _segment(octets: bytes, state: bytes, errors: str) -> str:
    if not octets:
        return ""
    if state == b"(I":
        return bytes(one | 0x80 if 0x21 <= one <= 0x5F else one for one in octets).decode(
            "cp932", errors
        )
    if state in _SINGLE:
        return octets.decode("cp932", errors)  # ASCII, and what 8-bit senders leave in it
    if state in _WRAPPED:
        codec, escape = _WRAPPED[state]
        return (escape + octets + b"\x1b(B").decode(codec, errors)
    try:  # nearly all there is, and quick
        return octets.translate(_TO_EUC).decode("euc_jp")
    except UnicodeDecodeError:
        return _two_octets(octets).decode("cp932", errors)


def _two_octets(octets: bytes) -> bytes:
    """JIS X 0208 and its extensions as Shift_JIS, which has all of them. Line ends stay."""
    found = bytearray()
    position = 0
    while position < len(octets):
        first = octets[position] & 0x7F
        if first < 0x21 or position + 1 == len(octets):
            found.append(octets[position])
            position += 1
            continue
        second = octets[position + 1] & 0x7F
        if second < 0x21:
            found += b"\x80"  # half a character: not readable
            position += 1
            continue
        position += 2
        lead = (first - 0x21) // 2 + 0x81
        found.append(lead if lead < 0xA0 else lead + 0x40)
        if first % 2:
            found.append(second + 0x1F + (second >= 0x60))
        else:
            found.append(second + 0x7E)
    return bytes(found)

"""winmail.dat: the files that Outlook puts into one part of its own format (TNEF).

- Only where each file lies in the decoded part, its name, type and Content-Id are read; the letter
  in it is there as text or HTML as well. The reading ends at a fault; all before it counts.
- A message that is attached is a file in Outlook's format, a TNEF again (`NAME.tnef`).
- Nothing is copied but names; at most 100 files, 1,000 properties of each.

MS-OXTNEF 2.1; MS-OXCMSG 2.2.2 (properties of attachments).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from storage.message_format.charset_labels import codec_of
from storage.message_format.charsets import decode_text

TYPES = {"application/ms-tnef", "application/vnd.ms-tnef"}
MAX_FILES = 100
_MAX_PROPERTIES = 1_000
_MAX_TEXT = 2_000

_SIGNATURE = b"\x78\x9f\x3e\x22"
_HEAD = struct.Struct("<BII")
_BEGINS, _TITLE, _DATA = 0x00069002, 0x00018010, 0x0006800F
_PROPERTIES, _CODEPAGE = 0x00069005, 0x00069007
_LONG_NAME, _NAME, _MIME_TYPE, _CONTENT_ID = 0x3707, 0x3704, 0x370E, 0x3712
_SHOWN_NAME, _CONTENT = 0x3001, 0x3701
_INTERFACE = 16  # octets before an embedded object that say what it is
_OBJECT, _TEXT, _WIDE_TEXT, _BINARY = 0x000D, 0x001E, 0x001F, 0x0102
_WIDTHS = {
    **dict.fromkeys((0x0001, 0x0002, 0x0003, 0x0004, 0x000A, 0x000B), 4),
    **dict.fromkeys((0x0005, 0x0006, 0x0007, 0x0014, 0x0040), 8),
    0x0048: 16,
}


@dataclass(slots=True)
class Inner:
    """A file in the part: its place there, and what is said of it."""

    start: int = 0
    size: int = 0
    name: str = ""
    content_type: str = ""
    content_id: str = ""


def files_in(data: bytes) -> list[Inner]:
    """The files in a decoded winmail.dat; none when it is something else."""
    files: list[Inner] = []
    if data[:4] != _SIGNATURE:
        return files
    codec, position = "cp1252", 6
    while position + _HEAD.size <= len(data) and len(files) <= MAX_FILES:
        _, kind, length = _HEAD.unpack_from(data, position)
        start = position + _HEAD.size
        position = start + length + 2  # a checksum
        if position - 2 > len(data):
            break
        if kind == _BEGINS:
            files.append(Inner())
        elif kind == _CODEPAGE and length >= 4:
            codec = codec_of(f"cp{int.from_bytes(data[start : start + 4], 'little')}") or codec
        elif files:
            _take(files[-1], kind, data, (start, length), codec)
    return [one for one in files if one.start][:MAX_FILES]


def _take(file: Inner, kind: int, data: bytes, place: tuple[int, int], codec: str) -> None:
    start, length = place
    if kind == _DATA and (length or not file.size):
        file.start, file.size = start, length
    elif kind == _TITLE and not file.name:
        file.name = _text(data[start : start + min(length, _MAX_TEXT)], codec)
    elif kind == _PROPERTIES:
        texts, content = _properties(data[start : start + length], codec)
        file.name = texts.get(_LONG_NAME) or file.name or texts.get(_NAME, "")
        file.content_type = texts.get(_MIME_TYPE, "")
        file.content_id = texts.get(_CONTENT_ID, "")
        if content and not file.size:
            within, file.size = content
            file.start = start + within
            if data.startswith(_SIGNATURE, file.start):
                file.name = f"{texts.get(_SHOWN_NAME) or file.name or 'message'}.tnef"
                file.content_type = "application/ms-tnef"


def _text(octets: bytes, codec: str) -> str:
    return decode_text(octets, codec).partition("\x00")[0]


def _properties(data: bytes, codec: str) -> tuple[dict[int, str], tuple[int, int] | None]:
    """The texts among the properties of a file, and where its octets lie if they are one."""
    found: dict[int, str] = {}
    content: tuple[int, int] | None = None
    try:
        (count,) = struct.unpack_from("<I", data, 0)
        position = 4
        # The count is the sender's claim, up to 4,294,967,295.
        for _ in range(min(count, _MAX_PROPERTIES)):
            kind, name = struct.unpack_from("<HH", data, position)
            if name == _CONTENT and kind in {_OBJECT, _BINARY}:
                (length,) = struct.unpack_from("<I", data, position + 8)
                skip = _INTERFACE if kind == _OBJECT else 0
                start, size = position + 12 + skip, length - skip
                content = (start, size) if 0 < size <= len(data) - start else content
            position = _past_name(data, position + 4, name)
            position = _past_values(data, position, (kind, name), found, codec)
    except struct.error:
        pass
    return found, content


def _past_name(data: bytes, position: int, name: int) -> int:
    if name < 0x8000:
        return position
    (is_text,) = struct.unpack_from("<I", data, position + 16)
    (length,) = struct.unpack_from("<I", data, position + 20)
    return position + 24 + (-(-length // 4) * 4 if is_text else 0)


def _past_values(
    data: bytes, position: int, tag: tuple[int, int], found: dict[int, str], codec: str
) -> int:
    kind, name = tag
    several, plain = kind & 0x1000, kind & 0x0FFF
    is_long = plain in {_OBJECT, _TEXT, _WIDE_TEXT, _BINARY}
    count = 1
    if several or is_long:
        (count,) = struct.unpack_from("<I", data, position)
        position += 4
    for _ in range(min(count, _MAX_PROPERTIES)):
        if not is_long:
            position += _WIDTHS.get(plain, 4)
            continue
        (length,) = struct.unpack_from("<I", data, position)
        start = position + 4
        position = start + -(-length // 4) * 4
        if plain in {_TEXT, _WIDE_TEXT}:
            octets = data[start : start + min(length, _MAX_TEXT)]
            wide = plain == _WIDE_TEXT
            found.setdefault(name, _text(octets, "utf_16_le" if wide else codec))
    return position

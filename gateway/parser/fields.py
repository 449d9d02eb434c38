"""The header of a part: where it stops, and the few fields that say what the part is.

- Lines end and a header stops where Python's `email` parser (compat32) and the gateway's own scan
  say so: CRLF, LF and a bare CR each end a line; the header stops at the first line that is neither
  a field, a continuation nor an mbox-like "From " line. A boundary ends it as well.
- Of a field that stands more than once the first one counts; at most 8 KiB of it are read.
- Never raises; the time is in proportion to the octets.

RFC 2045 5 and 6, RFC 2183, RFC 2231.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from mmap import mmap
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.message.encoded_words import codec_of, harmless, readable
from storage.content.mime_parts import Encoding

Octets = bytes | mmap

MAX_VALUE = 8 * 1024
MAX_LINES = 50_000
MAX_NAME = 255
_MAX_SECTIONS = 100

_LINE = re.compile(rb"([!-9;-~]*:|From |[ \t])?[^\r\n]*(?:\r\n?|\n|\Z)")
_FOLD = re.compile(rb"\r\n?|\n")
_WANTED = frozenset(
    (
        b"content-type",
        b"content-disposition",
        b"content-transfer-encoding",
        b"content-id",
        b"reply-to",
    )
)
_TYPE = re.compile(r"\s*([a-z0-9!#$&^_.+-]{1,63})/([a-z0-9!#$&^_.+-]{1,63})\s*(?:;|\Z)", re.I)
_PARAMETER = re.compile(
    r""";\s*([^\s=;"]{1,60})\s*=\s*("(?:[^"\\]++|\\.)*+"?|[^;\s]*)""", re.DOTALL
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_ENCODINGS: dict[str, Encoding] = {
    "base64": "base64",
    "quoted-printable": "quoted-printable",
}


class Header(NamedTuple):
    """The raw values of the wanted fields by lower-case name; where the body begins.

    `whole` is false when the header goes on beyond what is looked at.
    """

    values: dict[bytes, bytes]
    body: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """What a header says of its part. `charset` is a codec of Python's, or None."""

    content_type: str
    boundary: bytes
    charset: str | None
    encoding: Encoding
    disposition: str
    filename: str | None
    content_id: str | None


def read_header(data: Octets, start: int, is_boundary: Callable[[bytes], bool]) -> Header:
    """Read the header that begins at `start`."""
    values: dict[bytes, bytes] = {}
    position = start
    open_field: bytes | None = None
    for _ in range(MAX_LINES):
        line = _LINE.match(data, position)
        assert line is not None
        lead = line[1]
        if lead is None or (lead[:2] == b"--" and is_boundary(line[0])):
            return Header(values, _past_empty_line(data, position), True)
        if lead in {b" ", b"\t"}:
            if open_field is not None and len(values[open_field]) < MAX_VALUE:
                values[open_field] += line[0][:MAX_VALUE]
        elif lead != b"From ":
            open_field = lead[:-1].lower()
            if open_field not in _WANTED or open_field in values:
                open_field = None
            else:
                values[open_field] = data[line.end(1) : min(line.end(), line.end(1) + MAX_VALUE)]
        position = line.end()
        if position >= len(data):
            return Header(values, len(data), True)
    return Header(values, len(data), False)


def _past_empty_line(data: Octets, position: int) -> int:
    if data[position : position + 2] == b"\r\n":
        return position + 2
    return position + (data[position : position + 1] in {b"\r", b"\n"})


def kind_of(values: dict[bytes, bytes], default: str) -> Kind:
    """What the fields say; `default` is the type where they name none."""
    content_type, of_type = _parsed(values.get(b"content-type", b""))
    disposition, of_disposition = _parsed(values.get(b"content-disposition", b""))
    name = _parameter(of_disposition, "filename") or _parameter(of_type, "name")
    encoding = unfolded(values.get(b"content-transfer-encoding", b"")).strip().lower()
    return Kind(
        content_type=_media_type(content_type, default),
        boundary=of_type.get("boundary", "").rstrip().encode("utf-8", "surrogateescape"),
        charset=codec_of(of_type.get("charset", "").strip()),
        encoding=_ENCODINGS.get(encoding, "identity"),
        disposition=disposition.strip().lower(),
        filename=_file_name(name) if name else None,
        content_id=_content_id(unfolded(values.get(b"content-id", b""))),
    )


def unfolded(value: bytes) -> str:
    """The text of a raw value, of which only the first 8 KiB count."""
    return _FOLD.sub(b"", value[:MAX_VALUE]).decode("utf-8", "surrogateescape")


def _parsed(value: bytes) -> tuple[str, dict[str, str]]:
    """What stands before the first semicolon, and the parameters behind it."""
    text = unfolded(value)
    parameters: dict[str, str] = {}
    for found in _PARAMETER.finditer(text):
        written = found[2]
        if written.startswith('"'):
            written = _QUOTED_PAIR.sub(r"\1", written[1:].removesuffix('"'))
        parameters.setdefault(found[1].lower(), written)
    return text.partition(";")[0], parameters


def _media_type(text: str, default: str) -> str:
    if not text.strip():
        return default
    found = _TYPE.match(text)
    return f"{found[1]}/{found[2]}".lower() if found else "text/plain"


def _parameter(parameters: dict[str, str], name: str) -> str:
    """A parameter in whichever of the three spellings it came (RFC 2231 3 and 4, RFC 2047)."""
    if f"{name}*" in parameters:
        return _extended([(parameters[f"{name}*"], True)])
    sections = []
    for number in range(_MAX_SECTIONS):
        key = f"{name}*{number}"
        if f"{key}*" in parameters:
            sections.append((parameters[f"{key}*"], True))
        elif key in parameters:
            sections.append((parameters[key], False))
        else:
            break
    return _extended(sections) if sections else readable(parameters.get(name, ""))


def _extended(sections: list[tuple[str, bool]]) -> str:
    """Sections put together; the first one says the charset of those that are encoded."""
    codec = "utf-8"
    octets = b""
    for place, (text, is_encoded) in enumerate(sections):
        value = text
        if is_encoded and place == 0 and text.count("'") >= 2:
            charset, _, value = text.split("'", 2)
            codec = codec_of(charset) or "utf-8"
        raw = value.encode("utf-8", "surrogateescape")
        octets += unquote_to_bytes(raw) if is_encoded else raw
    try:
        return octets.decode(codec, "replace")
    except UnicodeError:
        return octets.decode("ascii", "replace")


def _file_name(text: str) -> str | None:
    """The last step of a path, without what could harm who saves it."""
    name = harmless(text).replace("\\", "/").rpartition("/")[2].strip(" .")
    return name[:MAX_NAME] or None


def _content_id(text: str) -> str | None:
    name = harmless(text).strip().removeprefix("<").removesuffix(">").strip()
    return name[:MAX_NAME] or None

"""The header of a part: where it stops, and the few fields that say what the part is.

- Lines end and a header stops where `storage.content.header_grammar` says, as for the gateway's own
  scan. A boundary ends it as well.
- Of a field that stands more than once the first one counts; at most 8 KiB of it are read.
- Fields are read for what they mean: comments, quotes and stray punctuation around a type, an
  encoding or a charset are passed over, a parameter needs no semicolon before it, and a file name
  that is not quoted goes on to the next parameter.
- A file name is shown as a name: no path, no sign that turns the direction of writing, and one that
  is too long keeps its extension.
- Never raises; the time is in proportion to the octets.

RFC 2045 5 and 6, RFC 2183, RFC 2231, RFC 3676 4 (format, delsp).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from mmap import mmap
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.message.encoded_words import decoded, harmless, is_utf8
from storage.content.charsets import codec_of, decode_text
from storage.content.header_grammar import FIELD
from storage.content.mime_parts import Encoding, Flow

Octets = bytes | mmap

MAX_VALUE = 8 * 1024
MAX_LINES = 50_000
MAX_NAME = 255
_MAX_SECTIONS = 100

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
_TOKEN = r"[a-z0-9!#$&^_.+-]{1,63}"
_COMMENTS = r"(?:\([^()]{0,500}\)\s*)?"
_TYPE = re.compile(rf"[\s\"']*+{_COMMENTS}[\s\"']*+({_TOKEN})\s*/\s*({_TOKEN})", re.IGNORECASE)
_BARE_TYPE = re.compile(rf"[\s\"']*+{_COMMENTS}[\s\"']*+([a-z]{{2,10}})[\s\"']*(?:[;,:]|\Z)", re.I)
_BARE_TYPES = {"html": "text/html", "text": "text/plain", "plain": "text/plain"}
_FIRST_WORD = re.compile(
    rf"[\s\"']*+{_COMMENTS}[\s\"']*+([a-z0-9-]{{1,40}})(?!\s*[=*a-z0-9-])", re.I
)
_PARAMETER = re.compile(
    r"""(?:(?<=[;\s:,"])|\A)([^\s=;:,"()]{1,60})\s*=\s*
    (?:"((?:[^"\\]++|\\.)*+)"?|([^;\s]+(?:\s+(?![\w*'-]{1,60}\s*=(?!\?))[^;\s]+)*+|))""",
    re.DOTALL | re.VERBOSE,
)
_QUOTED_PAIR = re.compile(r"\\([\"\\])", re.DOTALL)
_WORD = re.compile(r"[\s\"']*+([^\s\"'(),;]+)")
# U+202E, say, would show the name `photo-gpj.exe` as `photo-exe.jpg`.
_TURNING = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
_LONGEST_EXTENSION = 20
_ENCODINGS: dict[str, Encoding] = {
    "base64": "base64",
    "base-64": "base64",
    "b": "base64",
    "quoted-printable": "quoted-printable",
    "quotedprintable": "quoted-printable",
    "qp": "quoted-printable",
    "q": "quoted-printable",
    "uuencode": "uuencode",
    "uue": "uuencode",
    "x-uue": "uuencode",
    "x-uuencode": "uuencode",
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
    """The type of a part, as its header says. `charset` is a codec of Python's, or None."""

    content_type: str
    boundary: bytes
    charset: str | None
    encoding: Encoding
    flow: Flow
    disposition: str
    filename: str | None
    content_id: str | None


def read_header(data: Octets, start: int, is_boundary: Callable[[bytes], bool]) -> Header:
    """Read the header that begins at `start`."""
    values: dict[bytes, bytes] = {}
    for count, found in enumerate(FIELD.finditer(data, start)):
        place = found.start()
        if found.lastindex == 3 or (data[place : place + 2] == b"--" and _is(is_boundary, found)):
            return Header(values, _past_empty_line(data, place), True)
        if count == MAX_LINES:
            return Header(values, len(data), False)
        if found.lastindex is None:
            continue
        name = found[1].lower()
        if name in _WANTED and name not in values:
            first, last = found.span(2)
            values[name] = data[first : min(last, first + MAX_VALUE)]
    return Header(values, len(data), True)


def _is(is_boundary: Callable[[bytes], bool], found: re.Match[bytes]) -> bool:
    return is_boundary(_FOLD.split(found[0], maxsplit=1)[0])


def _past_empty_line(data: Octets, position: int) -> int:
    if data[position : position + 2] == b"\r\n":
        return position + 2
    return position + (data[position : position + 1] in {b"\r", b"\n"})


def kind_of(
    values: dict[bytes, bytes], default: str, raw_codec: Callable[[], str] = lambda: "cp1252"
) -> Kind:
    """Return the type of a part; `default` where its fields name none.

    `raw_codec` is the codec of octets beyond ASCII that are not UTF-8.
    """
    content_type = unfolded(values.get(b"content-type", b""))
    disposition = unfolded(values.get(b"content-disposition", b""))
    of_type, of_disposition = _parameters(content_type), _parameters(disposition)
    name = next(
        filter(
            None,
            (
                _parameter(given, name, raw_codec)
                for given, name in (
                    (of_disposition, "filename"),
                    (of_type, "name"),
                    (of_disposition, "name"),
                    (of_type, "filename"),
                )
            ),
        ),
        "",
    )
    return Kind(
        content_type=_media_type(content_type, default),
        boundary=_whole(of_type, "boundary").rstrip().encode("utf-8", "surrogateescape"),
        charset=codec_of(_first(_WORD, _whole(of_type, "charset"))),
        encoding=_encoding(values.get(b"content-transfer-encoding", b"")),
        flow=_flow(of_type),
        disposition=_first(_FIRST_WORD, disposition).lower(),
        filename=file_name(name) if name else None,
        content_id=content_id(unfolded(values.get(b"content-id", b""))),
    )


def unfolded(value: bytes) -> str:
    """The text of a raw value, of which only the first 8 KiB count."""
    return _FOLD.sub(b"", value[:MAX_VALUE]).decode("utf-8", "surrogateescape")


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text)
    return found[1] if found else ""


def _encoding(value: bytes) -> Encoding:
    word = _first(_FIRST_WORD, unfolded(value)).lower()
    return _ENCODINGS.get(word, "identity")


def _flow(parameters: dict[str, str]) -> Flow:
    if _first(_WORD, parameters.get("format", "")).lower() != "flowed":
        return ""
    return "delsp" if _first(_WORD, parameters.get("delsp", "")).lower() == "yes" else "flowed"


def _parameters(text: str) -> dict[str, str]:
    """The parameters, wherever they stand."""
    parameters: dict[str, str] = {}
    for found in _PARAMETER.finditer(text):
        quoted, bare = found[2], found[3]
        written = _QUOTED_PAIR.sub(r"\1", quoted) if quoted is not None else bare.rstrip(" ,")
        parameters.setdefault(found[1].lower(), written)
    return parameters


def _media_type(text: str, default: str) -> str:
    if not text.strip():
        return default
    if found := _TYPE.match(text):
        return f"{found[1]}/{found[2]}".lower()
    return _BARE_TYPES.get(_first(_BARE_TYPE, text).lower(), "text/plain")


def _parameter(parameters: dict[str, str], name: str, raw_codec: Callable[[], str]) -> str:
    """A parameter in whichever of the three spellings it came (RFC 2231 3 and 4, RFC 2047).

    Sections may begin with any number; they are put together as far as they follow each other.
    """
    if f"{name}*" in parameters:
        return _extended([(parameters[f"{name}*"], True)], raw_codec)
    numbers = _section_numbers(parameters, f"{name}*")
    sections: list[tuple[str, bool]] = []
    for place, number in enumerate(numbers):
        if number != numbers[0] + place:
            break
        key = f"{name}*{number}"
        is_encoded = f"{key}*" in parameters
        sections.append((parameters[f"{key}*" if is_encoded else key], is_encoded))
    if sections:
        return _extended(sections, raw_codec)
    written = parameters.get(name, "")
    return decoded(_text(written.encode("utf-8", "surrogateescape"), "utf-8", raw_codec))


def _whole(parameters: dict[str, str], name: str) -> str:
    """A parameter for programs: in its plain spelling, else put together from sections."""
    return parameters.get(name) or _parameter(parameters, name, lambda: "cp1252")


def _section_numbers(parameters: dict[str, str], start: str) -> list[int]:
    numbers = (key[len(start) :].removesuffix("*") for key in parameters if key.startswith(start))
    found = {int(one) for one in numbers if one.isascii() and one.isdigit() and one == one[:4]}
    return sorted(
        one for one in found if f"{start}{one}" in parameters or f"{start}{one}*" in parameters
    )[:_MAX_SECTIONS]


def _extended(sections: list[tuple[str, bool]], raw_codec: Callable[[], str]) -> str:
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
    text = _text(octets, codec, raw_codec)
    # Some senders cut an encoded word into sections.
    return decoded(text)


def _text(octets: bytes, codec: str, raw_codec: Callable[[], str]) -> str:
    """Octets in the codec that is named; raw ones and wrong ones in that of the letter."""
    if codec in {"utf-8", "ascii"} and not is_utf8(octets):
        try:
            octets.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            codec = raw_codec()
    return decode_text(octets, "utf-8" if codec == "ascii" else codec)


def file_name(text: str) -> str | None:
    """The last step of a path, without what could harm who saves it."""
    name = harmless(_TURNING.sub("", text)).replace("\\", "/").rpartition("/")[2].strip(" .")
    if len(name) > MAX_NAME:
        stem, dot, extension = name.rpartition(".")
        extension = dot + extension if 0 < len(extension) <= _LONGEST_EXTENSION else ""
        name = (stem if extension else name)[: MAX_NAME - len(extension)] + extension
    return name or None


def content_id(text: str) -> str | None:
    """A Content-Id without its brackets."""
    name = harmless(text).strip().removeprefix("<").removesuffix(">").strip()
    return name[:MAX_NAME] or None

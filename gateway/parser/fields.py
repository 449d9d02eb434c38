"""The header of a part: where it stops, and the few fields that say what the part is.

- Lines end and a header stops where `storage.message_format.header_grammar` says, as for the
  gateway's own scan. A boundary ends it as well.
- Of a field that stands more than once the first one counts; at most 8 KiB of it are read.
- Fields are read for what they mean: comments, quotes and stray punctuation around a type, an
  encoding or a charset are passed over, a parameter needs no semicolon before it, and a file name
  that is not quoted goes on to the next parameter.
- A type that is missing or none is that of the ending of the file's name.
- A file name is shown as a name: no path, no sign that turns the direction of writing, and one that
  is too long keeps its extension.
- Never raises; the time is in proportion to the octets.

RFC 2045 5 and 6, RFC 2183, RFC 2231, RFC 3676 4 (format, delsp).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from mmap import mmap
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes

from gateway.message.encoded_words import decoded, harmless, is_utf8
from storage.message_format.charset_labels import ISO_2022_JP, codec_of
from storage.message_format.charsets import decode_text
from storage.message_format.file_types import type_of
from storage.message_format.header_grammar import FIELD
from storage.message_format.japanese import is_iso_2022_jp
from storage.message_format.mime_parts import Encoding, Flow

Octets = bytes | mmap

MAX_VALUE = 8 * 1024
MAX_LINES = 50_000
MAX_NAME = 255
_MAX_SECTIONS = 100
_SECTION = re.compile(r"([0-9]{1,4})(\*?)", re.ASCII)

_FOLD = re.compile(rb"\r\n?|\n")
_WANTED = frozenset(
    (
        b"content-type",
        b"content-disposition",
        b"content-transfer-encoding",
        b"content-id",
        b"content-location",
        b"content-description",
        b"reply-to",
    )
)
# The language between the quotes is left out by some, with its quote.
_CHARSET_OF_VALUE = re.compile(r"([\w.:+-]{0,60})('(?:[\w-]{0,60}')?)")
_TOKEN = r"[a-z0-9!#$&^_.+-]{1,63}"
_COMMENTS = r"(?:\([^()]{0,500}\)\s*)?"
_COMMENT = re.compile(r"\([^()]{0,500}\)")
# What stands before a type that was written twice, or with stray punctuation.
_BEFORE_TYPE = re.compile(r"(?:[\s\"'<:;=]|content-type\s*:|\([^()]{0,500}\))++", re.IGNORECASE)
_TYPE = re.compile(rf"({_TOKEN})\s*[/\\]+\s*({_TOKEN})", re.IGNORECASE)
_ANY_MULTIPART = re.compile(rf"\s*multipart/[^a-z;]{{0,20}}((?:{_TOKEN})?)", re.IGNORECASE)
_BARE_TYPE = re.compile(r"([a-z]{2,10}(?:-html|-plain)?)[\s\"'>/]*(?:[;,:]|\Z)", re.IGNORECASE)
_BARE_TYPES = {
    "html": "text/html",
    "text-html": "text/html",
    "text": "text/plain",
    "plain": "text/plain",
    "text-plain": "text/plain",
}
# Other names of the page: of XHTML, and from mailers that took the file's ending for it.
_PAGES = frozenset(
    (
        *("text/htm", "text/x-html", "application/html", "application/x-html", "mime/html"),
        "application/xhtml+xml",
    )
)
_FIRST_WORD = re.compile(
    rf"[\s\"']*+{_COMMENTS}[\s\"']*+([a-z0-9-]{{1,40}})(?!\s*[=*a-z0-9-])", re.I
)
_PARAMETER = re.compile(
    r"""(?:(?<=[;\s:,"])|\A)([^\s=;:,"()]{1,60})\s*=\s*
    (?:"((?:[^"\\]++|\\.)*+)"?|([^;\s]+(?:\s+(?![\w*'-]{1,60}\s*=(?!\?))[^;\s]+)*+|))""",
    re.DOTALL | re.VERBOSE,
)
_NEXT_PARAMETER = re.compile(r";\s*[\w*-]+\s*=")
_EXTENSION = re.compile(r"\.\w{1,10}")
_QUOTED_PAIR = re.compile(r"\\([\"\\])", re.DOTALL)
# `3D` is the sign of equality that quoted-printable makes of one.
_WORD = re.compile(r"[\s\"'\\=<\[]*+(?:charset\s*=|3D)?[\s\"'\\]*+([^\s\"'(),;\\>\]]+)")
_ODD_CHARSET = re.compile(r"\bcharset[\s:\"']+([\w.:+-]{2,40})", re.IGNORECASE)
# A label that has lost its `charset=`.
_BARE_CHARSET = re.compile(r";\s*([\w.:+-]{3,40})\s*(?=;|\Z)")
_LABEL = re.compile(r"[\w.:+-]{3,}")
_LONGEST_LABEL = 60
_QUOTE_ESCAPES = re.compile(r"&quot;|%22")
_IN_BRACKETS = re.compile(r"<([^<>]+)>")
_ENCODING_WORD = re.compile(r"[a-z0-9-]+")
# U+202E, say, would show the name `photo-gpj.exe` as `photo-exe.jpg`.
_TURNING = re.compile("[\u200b\u200e\u200f\u061c\u2060\ufeff\u202a-\u202e\u2066-\u2069]")
# Blanks push what follows them, the real ending, out of sight.
_WIDE_BLANK = re.compile(r"\s{4,}")
_LONGEST_EXTENSION = 20
_ENCODINGS: dict[str, Encoding] = {
    "base64": "base64",
    "base-64": "base64",
    "x-base64": "base64",
    "b64": "base64",
    "b": "base64",
    "base64url": "base64url",
    "base64-url": "base64url",
    "quoted-printable": "quoted-printable",
    "quotedprintable": "quoted-printable",
    "qp": "quoted-printable",
    "q": "quoted-printable",
    "quopri": "quoted-printable",
    "x-qp": "quoted-printable",
    "x-quoted-printable": "quoted-printable",
    "quoted-printeable": "quoted-printable",
    "uu": "uuencode",
    "x-uu": "uuencode",
    "uuencode": "uuencode",
    "uue": "uuencode",
    "x-uue": "uuencode",
    "x-uuencode": "uuencode",
}


_NAMES = frozenset(("filename", "name"))


class Header(NamedTuple):
    """The raw values of the wanted fields by lower-case name; where the body begins.

    `whole` is false when the header goes on beyond what is looked at.
    """

    values: dict[bytes, bytes]
    body: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a part, as its header says. `charset` is a codec of Python's, or None.

    `root_id` is the Content-Id of the part of a multipart/related that shows the others. A page may
    name a part by its `location` (RFC 2557), which stands in for a Content-Id that is not there.
    """

    content_type: str
    boundary: bytes
    charset: str | None
    encoding: Encoding
    flow: Flow
    disposition: str
    filename: str | None
    content_id: str | None
    root_id: str | None = None
    location: str = ""


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
    if disposition.lstrip()[:2] == "=?":
        disposition = decoded(disposition)
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
    filename = file_name(name) if name else None
    location = unfolded(values.get(b"content-location", b"")).strip("<>\"' ")
    media_type = _media_type(content_type) or _type_of(filename, content_type, default)
    return Kind(
        content_type=media_type,
        boundary=_whole(of_type, "boundary").rstrip().encode("utf-8", "surrogateescape"),
        charset=_charset(content_type, of_type),
        encoding=_encoding(values.get(b"content-transfer-encoding", b"")),
        flow=_flow(of_type),
        disposition=_first(_FIRST_WORD, disposition).lower(),
        filename=filename or _other_name(values, media_type),
        content_id=content_id(unfolded(values.get(b"content-id", b""))) or content_id(location),
        root_id=content_id(_whole(of_type, "start")) if "start" in of_type else None,
        location=location[:MAX_NAME],
    )


def _other_name(values: dict[bytes, bytes], media_type: str) -> str | None:
    """The name of a file in Content-Location or Content-Description, by its ending."""
    if media_type.startswith(("text/", "multipart/")):
        return None
    location = unquote(unfolded(values.get(b"content-location", b"")).partition("?")[0])
    for text in (location, decoded(unfolded(values.get(b"content-description", b"")))):
        name = file_name(text.strip("<>\"' "))
        # Any other ending may be that of a host, or of a sentence.
        if name and type_of(name) == media_type:
            return name
    return None


def unfolded(value: bytes) -> str:
    """The text of a raw value, of which only the first 8 KiB count."""
    octets = _FOLD.sub(b"", value[:MAX_VALUE])
    # Decoded before the field is read: two octets of a sign can be a quote and a semicolon.
    if is_iso_2022_jp(octets):
        return decode_text(octets, ISO_2022_JP)
    return octets.decode("utf-8", "surrogateescape")


def _charset(content_type: str, parameters: dict[str, str]) -> str | None:
    written = _QUOTE_ESCAPES.sub("", _whole(parameters, "charset"))
    if not written:
        odd = _ODD_CHARSET.search(content_type) or _BARE_CHARSET.search(content_type)
        return codec_of(odd[1]) if odd else None
    return _codec(written)


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text)
    return found[1] if found else ""


def _codec(label: str) -> str | None:
    """The codec of a label, be it one with blanks, or one that stands among other words."""
    first = _first(_WORD, label)
    codec = codec_of(first)
    if codec is None and first != label:
        words = (label, *_LABEL.findall(label[:_LONGEST_LABEL]))
        codec = next(filter(None, map(codec_of, words)), None)
    return codec


def _encoding(value: bytes) -> Encoding:
    if not value:
        return "identity"
    text = _COMMENT.sub(" ", unfolded(value).lower())
    squeezed = text.strip(" \t\"'").replace("_", "-").replace(" ", "-").replace("/", "-")
    words = (squeezed, *_ENCODING_WORD.findall(text))
    if squeezed.startswith("quoted"):
        return "quoted-printable"
    return next((_ENCODINGS[word] for word in words if word in _ENCODINGS), "identity")


def _flow(parameters: dict[str, str]) -> Flow:
    if _first(_WORD, parameters.get("format", "")).lower() != "flowed":
        return ""
    return "delsp" if _first(_WORD, parameters.get("delsp", "")).lower() == "yes" else "flowed"


def _parameters(text: str) -> dict[str, str]:
    """The parameters, wherever they stand."""
    parameters: dict[str, str] = {}
    for found in _PARAMETER.finditer(text):
        quoted, bare = found[2], found[3]
        name = found[1].lower()
        if quoted is not None:
            if name in _NAMES:
                quoted = _whole_name(quoted, text[found.end(2) :])
            written = _QUOTED_PAIR.sub(r"\1", quoted)
        else:
            written = bare.rstrip(" ,")
            if name in _NAMES and len(written) > 2 and written[0] == "'" == written[-1]:
                written = written[1:-1]
        parameters.setdefault(name, written)
    return parameters


def _whole_name(quoted: str, tail: str) -> str:
    """A quoted name, however its quotes are: not closed, doubled, not escaped within, too early.

    `tail` is what follows it, its closing quote first.
    """
    if not tail or quoted.endswith("="):
        return _NEXT_PARAMETER.split(quoted, maxsplit=1)[0]
    behind = tail[1:].partition(";")[0].rstrip()
    if not behind or tail[1] in " \t,(":
        return quoted
    if behind.endswith('"'):
        return f'{quoted}"{behind[:-1]}' if quoted else behind.strip('"')
    return quoted + behind if _EXTENSION.fullmatch(behind) else quoted


def _type_of(filename: str | None, stated: str, default: str) -> str:
    """The type of a part whose Content-Type names none."""
    if filename and default == "text/plain" and (told := type_of(filename)):
        return told
    return "text/plain" if stated.strip() else default


def _media_type(text: str) -> str:
    """The type that a Content-Type names; empty where it names none."""
    if found := _TYPE.match(text):  # nearly always
        return _named_type(found)
    if multipart := _ANY_MULTIPART.match(text):  # so others read it, whatever its subtype is
        return f"multipart/{multipart[1].lower() or 'mixed'}"
    if "(" in text:
        text = _COMMENT.sub("", text)
    if "=?" in text:
        text = decoded(text)
    before = _BEFORE_TYPE.match(text)
    mark = before[0].strip() if before else ""
    text = text[before.end() :] if before else text
    if found := _TYPE.match(text):
        named = _named_type(found)
        is_quoted = mark in {"", "'", '"'} and text[found.end() :].startswith(mark)
        return named if is_quoted or not named.startswith("multipart/") else "text/plain"
    return _BARE_TYPES.get(_first(_BARE_TYPE, text).lower(), "")


def _named_type(found: re.Match[str]) -> str:
    named = f"{found[1]}/{found[2]}".lower().rstrip(".")
    # One that is written oddly has no parts for other readers, and must have none for us.
    if named.startswith("multipart/") and found[0][len("multipart")] != "/":
        return "text/plain"
    return "text/html" if named in _PAGES else named


def _parameter(parameters: dict[str, str], name: str, raw_codec: Callable[[], str]) -> str:
    """A parameter in whichever of the three spellings it came (RFC 2231 3 and 4, RFC 2047).

    Sections may begin with any number; they are put together as far as they follow each other.
    """
    whole = parameters.get(f"{name}*", "")
    if whole and (text := _extended([(whole, True)], raw_codec)):
        return text
    sections = _sections(parameters, name)
    written = "".join(text for text, _ in sections) or parameters.get(name, "")
    said = _CHARSET_OF_VALUE.match(written) if "%" in written else None
    if said and codec_of(said[1]) and not any(is_encoded for _, is_encoded in sections):
        return _extended([(written, True)], raw_codec)  # its name has lost the asterisk
    if sections:
        return _extended(sections, raw_codec)
    return decoded(_text(written.encode("utf-8", "surrogateescape"), "utf-8", raw_codec))


def _whole(parameters: dict[str, str], name: str) -> str:
    """A parameter for programs: in its plain spelling, else put together from sections."""
    return parameters.get(name) or _parameter(parameters, name, lambda: "cp1252")


def _sections(parameters: dict[str, str], name: str) -> list[tuple[str, bool]]:
    """The sections of a parameter in their order, each with whether it is encoded."""
    found: dict[int, tuple[str, bool]] = {}
    start = f"{name}*"
    for key, value in parameters.items():
        if key.startswith(start) and (section := _SECTION.fullmatch(key, len(start))):
            number, is_encoded = int(section[1]), bool(section[2])
            if is_encoded or number not in found:
                found[number] = (value, is_encoded)
    first = min(found, default=0)
    numbers = range(first, first + min(len(found), _MAX_SECTIONS))
    return [found[number] for number in takewhile(found.__contains__, numbers)]


def _extended(sections: list[tuple[str, bool]], raw_codec: Callable[[], str]) -> str:
    """Sections put together; the first one says the charset of those that are encoded."""
    codec = "utf-8"
    octets = escaped = b""
    for place, (text, is_encoded) in enumerate(sections):
        value = text
        if is_encoded and place == 0 and (said := _CHARSET_OF_VALUE.match(text)):
            known = codec_of(said[1])
            if known or not said[1] or said[2] == "''":  # else an apostrophe of the name
                codec, value = known or "utf-8", text[said.end() :]
        raw = value.encode("utf-8", "surrogateescape")
        if is_encoded:
            escaped += raw  # an escape may be cut in two, too
        else:
            octets, escaped = octets + unquote_to_bytes(escaped) + raw, b""
    text = _text(octets + unquote_to_bytes(escaped), codec, raw_codec)
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
    name = _WIDE_BLANK.sub(" ", name)
    if len(name) > MAX_NAME:
        stem, dot, extension = name.rpartition(".")
        extension = dot + extension if 0 < len(extension) <= _LONGEST_EXTENSION else ""
        name = (stem if extension else name)[: MAX_NAME - len(extension)] + extension
    return name or None


def content_id(text: str) -> str | None:
    """A Content-Id without what stands around it: brackets, quotes, a comment, `cid:`."""
    name = harmless(text)
    found = _IN_BRACKETS.search(name)
    name = (found[1] if found else name.strip("<>\"' ")).strip().removeprefix("cid:")
    return name[:MAX_NAME] or None

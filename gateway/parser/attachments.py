"""The files of a message: their place, their size, and whether somebody attached them.

- A file is a place in the content and the encoding there; nothing of it is stored again.
- Parts that the message shows in itself (a picture named by `cid:`, or one beside it in
  multipart/related), a signature, what a report says to programs, and another form of the text are
  parts like any other, but nobody attached them.
- An attached message without a name has that of its subject; a signature, an invitation, or a
  letter that is encrypted, the name that most of its kind have.
- A uuencoded file in plain text is a file, and no text. The files in a winmail.dat are shown in its
  place (`storage.message_format.tnef`).

RFC 2183, RFC 2392, RFC 1847.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import unescape
from typing import NamedTuple
from urllib.parse import unquote

from gateway.message.encoded_words import decoded, is_utf8
from gateway.message.header_scan import scan
from gateway.parser.fields import Octets, content_id, file_name
from gateway.parser.letter import File
from gateway.parser.signed_letter import CMS, NAME
from gateway.parser.structure import Leaf, Source
from storage.message_format.charsets import decode_text
from storage.message_format.file_types import NO_TYPE, type_of
from storage.message_format.mime_parts import Encoding, Part, Step
from storage.message_format.tnef import TYPES, files_in
from storage.message_format.transfer_encoding import decode, decoder

MAX_FILES = 1_000
MAX_UUENCODED = 100
_CHUNK = 256 * 1024

_CID = re.compile(r"""\bcid:[ \t]?([^"'\s<>)]{1,255})""", re.IGNORECASE)
_SHOWN_IN_PAGES = ("image/", "audio/", "video/", "font/", "text/css")
_SIGNATURES = {
    "application/pgp-signature": "signature.asc",
    "application/pkcs7-signature": "smime.p7s",
    "application/x-pkcs7-signature": "smime.p7s",
}
_SIGNATURE_NAMES = frozenset(_SIGNATURES.values())
_ENCRYPTED = "encrypted.asc"
_NAMES = {**dict.fromkeys(CMS, NAME), **_SIGNATURES, "text/calendar": "invite.ics"}
_OF_REPORTS = {
    "message/delivery-status",
    "message/global-delivery-status",
    "message/disposition-notification",
    "message/global-disposition-notification",
    "message/global-headers",
    "message/feedback-report",
    "text/rfc822-headers",
}
# The first line says how many octets it has; what it begins is a file only if it ends. The line
# before its end is a blank, which is lost on the way.
_UUENCODED = re.compile(
    rb"^begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n(?:[\x20-\x60]{1,64}\r?\n)+?(?:\r?\n)?"
    rb"end[ \t]*(?:\r?\n|\Z)",
    re.MULTILINE,
)
_MESSAGES = {"message/rfc822", "message/global"}
_HEAD = 16 * 1024
_STEPS = {ord("/"): "_", ord("\\"): "_"}
_LONGEST_SUBJECT = 100
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,63}/[a-z0-9!#$&^_.+-]{1,63}")


class TakesTooLong(Exception):
    """A part is not decoded in time."""


class Shown(NamedTuple):
    """The Content-Ids of the page as it is shown, and those that its sender named in it."""

    ids: frozenset[str]
    named: frozenset[str]


def shown_ids(html: str | None) -> frozenset[str]:
    """The Content-Ids that a page names."""
    named = map(unescape, _CID.findall(html or ""))
    return frozenset(unquote(one).strip("<>") for one in named)


def parts_of(
    files: Sequence[File],
    shown: Shown,
    in_time: Callable[[], bool],
    unpacked: Mapping[Leaf, bytes],
) -> tuple[list[Part], bool, bool]:
    """The files, whether somebody attached one of them, and whether all were measured in time.

    `unpacked` are parts that were decoded already.
    """
    parts: list[Part] = []
    attached = False
    for file in files:
        if len(parts) > MAX_FILES or not in_time():
            return parts, attached, False
        try:
            found, is_attached = _parts_in(file, shown, in_time, unpacked)
        except TakesTooLong:
            return parts, attached or _is_attached(file, shown), False
        parts += [placed(one, file.leaf.source) for one in found]
        attached = attached or is_attached
    return parts, attached, True


def _parts_in(
    file: File, shown: Shown, in_time: Callable[[], bool], unpacked: Mapping[Leaf, bytes]
) -> tuple[list[Part], bool]:
    """A file, or those in a winmail.dat, and whether somebody attached it."""
    leaf = file.leaf
    kind = leaf.kind
    octets = unpacked.get(leaf, b"")
    if is_winmail(leaf) and not octets:
        octets = decoded_in_time(leaf, in_time)
    if octets and (inner := _inner_parts(leaf, octets, shown.ids)):
        return inner, not shown.named.issuperset(one.content_id or "" for one in inner)
    part = Part(
        filename=kind.filename or _other_name(file),
        content_type=kind.content_type,
        size=_decoded_size(leaf, in_time),
        is_inline=_is_shown(file, shown) or kind.disposition == "inline",
        content_id=kind.content_id,
        start=leaf.start,
        end=leaf.end,
        encoding=kind.encoding,
    )
    return [part], _is_attached(file, shown)


def _is_attached(file: File, shown: Shown) -> bool:
    is_named = _is_shown(file, shown) or file.leaf.kind.content_id in shown.named
    return not (is_named or _is_for_programs(file))


def _is_shown(file: File, shown: Shown) -> bool:
    """Whether the page shows a file in itself."""
    kind = file.leaf.kind
    return kind.content_id is not None and (
        kind.content_id in shown.ids
        or (
            "multipart/related" in file.around
            and kind.disposition != "attachment"
            # A page cannot show any other: a PDF with an id is there to be opened.
            and kind.content_type.startswith(_SHOWN_IN_PAGES)
        )
    )


def placed(part: Part, source: Source) -> Part:
    """A part by its place in the message, for one whose place is in a source."""
    steps = part.steps
    leaf, start, end, encoding = source.part, part.start, part.end, part.encoding
    while leaf is not None:
        steps = (Step(start, end, encoding), *steps)
        start, end, encoding = leaf.start, leaf.end, leaf.kind.encoding
        leaf = leaf.source.part
    return replace(part, start=start, end=end, encoding=encoding, steps=steps) if steps else part


def _other_name(file: File) -> str | None:
    """The name of a file that came without: that of its kind, or of its subject for a message."""
    leaf = file.leaf
    kind = leaf.kind.content_type
    if kind not in _MESSAGES:
        is_encrypted = "multipart/encrypted" in file.around and kind == NO_TYPE
        return _ENCRYPTED if is_encrypted else _NAMES.get(kind)
    subject = scan(decode(leaf.beginning(_HEAD), leaf.kind.encoding)).subject
    return file_name(subject.translate(_STEPS)[:_LONGEST_SUBJECT] + ".eml") if subject else None


def is_winmail(leaf: Leaf) -> bool:
    """Whether a part is a winmail.dat."""
    kind = leaf.kind
    return kind.content_type in TYPES or (kind.filename or "").lower() == "winmail.dat"


def _inner_parts(leaf: Leaf, octets: bytes, shown: frozenset[str]) -> list[Part]:
    """The files in a winmail.dat, which are shown in its place."""
    kind = leaf.kind
    parts = []
    for one in files_in(octets):
        name, cid = file_name(one.name), content_id(one.content_id)
        stated = one.content_type.lower()
        guessed = type_of(name or "") or NO_TYPE
        parts.append(
            Part(
                filename=name,
                content_type=stated if _MEDIA_TYPE.fullmatch(stated) else guessed,
                size=one.size,
                is_inline=cid in shown,
                content_id=cid,
                start=leaf.start,
                end=leaf.end,
                encoding=kind.encoding,
                skip=one.start,
            )
        )
    return parts


def _is_for_programs(file: File) -> bool:
    """Whether a part is there for programs: a signature, a report, or the letter once more."""
    kind = file.leaf.kind
    if kind.content_type in _SIGNATURES or file.leaf.size is not None:
        return True
    if "multipart/signed" in file.around and (kind.filename or "").lower() in _SIGNATURE_NAMES:
        return True
    if "multipart/report" in file.around and kind.content_type in _OF_REPORTS:
        return True
    if "multipart/appledouble" in file.around and kind.content_type == "application/applefile":
        return True
    return (
        "multipart/alternative" in file.around
        and kind.content_type.startswith("text/")
        # An invitation is a file to its reader, though it stands among the alternatives.
        and kind.content_type != "text/calendar"
        and kind.filename is None
        and kind.disposition != "attachment"
    )


def _decoded_size(leaf: Leaf, in_time: Callable[[], bool]) -> int:
    """How long a file is.

    Raises TakesTooLong: of odd lines each is looked at.
    """
    if leaf.size is not None:
        return leaf.size
    if leaf.kind.encoding == "identity":
        return leaf.end - leaf.start
    return sum(map(len, _decoded(leaf, in_time)))


def decoded_in_time(leaf: Leaf, in_time: Callable[[], bool]) -> bytes:
    """The octets of a part. Raises TakesTooLong."""
    return b"".join(_decoded(leaf, in_time))


def _decoded(leaf: Leaf, in_time: Callable[[], bool]) -> Iterator[bytes]:
    one, data = decoder(leaf.kind.encoding), leaf.source.octets
    for start in range(leaf.start, leaf.end, _CHUNK):
        if not in_time():
            raise TakesTooLong
        yield one.feed(data[start : min(start + _CHUNK, leaf.end)])
    yield one.finish()


def uuencoded(
    data: Octets, start: int, end: int, encoding: Encoding, charset: str | None
) -> list[Part]:
    """The files that stand uuencoded in text; only where the text itself is not encoded.

    `charset` is the codec that the text is said to have.
    """
    if encoding != "identity" or data.find(b"begin ", start, end) < 0:
        return []
    parts: list[Part] = []
    for found in _UUENCODED.finditer(data, start, end):
        name = file_name(decoded(_raw_text(found[1], charset)))
        parts.append(
            Part(
                filename=name,
                content_type=type_of(name or "") or NO_TYPE,
                size=len(decode(found[0], "uuencode")),
                is_inline=False,
                content_id=None,
                start=found.start(),
                end=found.end(),
                encoding="uuencode",
            )
        )
        if len(parts) == MAX_UUENCODED:
            break
    return parts


def _raw_text(octets: bytes, charset: str | None) -> str:
    """A raw name in UTF-8, else in the charset of the text, else in windows-1252."""
    if is_utf8(octets):
        return octets.decode()
    return decode_text(octets, "cp1252" if charset in {None, "ascii", "utf-8"} else charset or "")

"""Frames between the gateway and the parser's process: JSON with octets behind.

- A frame is two lengths of four octets each, then JSON, then raw octets.
- The parser is not trusted: it has read a stranger's message, partly in a library of another
  language. Every value is checked for its type, its range and its characters before the store or
  the API sees it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

import orjson

from storage.index.words import is_packed
from storage.message_format.charset_labels import is_codec
from storage.message_format.delivery_report import (
    LONGEST_FIELD,
    MOST_REPORTED,
    DeliveryReport,
    ReportedRecipient,
)
from storage.message_format.mime_parts import (
    ENCODINGS,
    FLOWS,
    MAX_PADDING,
    MAX_STEPS,
    STATUSES,
    Parsed,
    Part,
    Slice,
    Step,
)

HEADER = 8
READY = b"postroom parser\n"
MAX_JSON = 4 * 1024 * 1024
HARD_SECONDS = 1.0
_OCTETS_HASHED_A_SECOND = 8 * 1024 * 1024
MAX_OCTETS = 8 * 1024 * 1024
# By so much a file that lies in packed letters may be longer than its message.
_MOST_GROWTH = (MAX_STEPS + 1) * MAX_PADDING
_MAX_PARTS = 2_000
_MAX_NAMED = 1_000
_UNREADABLE = re.compile(r"[\x00\ud800-\udfff]")
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,63}/[a-z0-9!#$&^_.+-]{1,63}")

T = TypeVar("T")


class BadFrame(Exception):
    """The frame is not one that the parser would send."""


@dataclass(frozen=True, slots=True)
class Request:
    """A message to parse: its octets, or the file that holds them.

    `signed`: its header and the hashes of its body are wanted instead, for the check of its sender.
    """

    octets: bytes
    path: str | None
    size: int
    with_html: bool
    signed: bool = False


def seconds_for(request: Request) -> float:
    """Return the time of the processor that a message may take."""
    return HARD_SECONDS + (request.size / _OCTETS_HASHED_A_SECOND if request.signed else 0)


def frame(head: Mapping[str, object], octets: bytes = b"") -> bytes:
    """One frame."""
    json = orjson.dumps(head)
    return len(json).to_bytes(4, "big") + len(octets).to_bytes(4, "big") + json + octets


def lengths(header: bytes) -> tuple[int, int]:
    """The lengths of the JSON and of the octets. Raises BadFrame."""
    json, octets = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")
    if json > MAX_JSON or octets > MAX_OCTETS:
        raise BadFrame("too long")
    return json, octets


def request_frame(request: Request) -> bytes:
    """A request, as the parser's process reads it."""
    head = {
        "path": request.path,
        "size": request.size,
        "with_html": request.with_html,
        "signed": request.signed,
    }
    return frame(head, request.octets)


def read_request(json: bytes, octets: bytes) -> Request:
    """A request that the gateway sent."""
    head = orjson.loads(json)
    return Request(octets, head["path"], head["size"], head["with_html"], head["signed"])


def result_frame(result: Parsed) -> bytes:
    """A result, as the gateway reads it."""
    blobs = [result.words, result.text, result.html]
    head: dict[str, object] = {
        "status": result.status,
        "has_files": result.has_files,
        "text_from_html": result.text_from_html,
        "preview": result.preview,
        "reply_to": result.reply_to,
        "text_parts": [[*part] for part in result.text_parts],
        "attachments": [
            [
                part.filename,
                part.content_type,
                part.size,
                part.is_inline,
                part.content_id,
                part.start,
                part.end,
                part.encoding,
                part.skip,
                [[*step] for step in part.steps],
            ]
            for part in result.attachments
        ],
        "lengths": [None if blob is None else len(blob) for blob in blobs],
    }
    if result.report is not None:
        recipients = [[*one] for one in result.report.recipients]
        head["report"] = [result.report.envelope_id, recipients]
    return frame(head, b"".join(blob or b"" for blob in blobs))


def failure_frame(reason: str) -> bytes:
    """Build the answer for a message that the parser cannot parse."""
    return frame({"failure": reason})


def read_result(json: bytes, octets: bytes, size: int) -> Parsed | str:
    """Read the result for a message of `size` octets, or the reason of a failure.

    Raises BadFrame.
    """
    try:
        head = _typed(orjson.loads(json), dict)
        if "failure" in head:
            return _text(head["failure"], 200)
        words, text, html = _blobs(head["lengths"], octets)
        if words is None or not is_packed(words):
            raise BadFrame("no words")
        slices = _several(head["text_parts"], _MAX_PARTS)
        attachments = _several(head["attachments"], _MAX_PARTS)
        return Parsed(
            status=_one_of(head["status"], STATUSES),
            preview=_text(head["preview"], 200),
            reply_to=tuple(_named(one) for one in _several(head["reply_to"], _MAX_NAMED)),
            text_parts=tuple(_slice(one, size) for one in slices),
            text=text,
            html=html,
            attachments=tuple(_part(one, size) for one in attachments),
            words=words,
            has_files=_typed(head["has_files"], bool),
            report=_report(head["report"]) if "report" in head else None,
            text_from_html=_typed(head["text_from_html"], bool),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise BadFrame(type(error).__name__) from error


def _blobs(given: object, octets: bytes) -> list[bytes | None]:
    blobs: list[bytes | None] = []
    position = 0
    for length in _several(given, 3):
        if length is None:
            blobs.append(None)
            continue
        end = position + _whole(length, len(octets) - position)
        blobs.append(octets[position:end])
        position = end
    return blobs


def _slice(given: object, size: int) -> Slice:
    start, end, encoding, charset, flow = _several(given, 5)
    first, last = _span(start, end, size)
    # Decoding in a codec that Python does not know imports a module of that name.
    if not is_codec(_typed(charset, str)):
        raise BadFrame("unknown codec")
    codec = cast(str, charset)
    return Slice(first, last, _one_of(encoding, ENCODINGS), codec, _one_of(flow, FLOWS))


def _part(given: object, size: int) -> Part:
    filename, content_type, decoded, is_inline, content_id, *place = _several(given, 10)
    start, end, encoding, skip, steps = place
    first, last = _span(start, end, size)
    media_type = _typed(content_type, str)
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise BadFrame("no media type")
    return Part(
        filename=None if filename is None else _text(filename, 255),
        content_type=media_type,
        size=_whole(decoded, size + _MOST_GROWTH),
        is_inline=_typed(is_inline, bool),
        content_id=None if content_id is None else _text(content_id, 255),
        start=first,
        end=last,
        encoding=_one_of(encoding, ENCODINGS),
        skip=_whole(skip, size + _MOST_GROWTH),
        steps=tuple(_step(one, size + _MOST_GROWTH) for one in _several(steps, MAX_STEPS)),
    )


def _step(given: object, size: int) -> Step:
    start, end, encoding = _several(given, 3)
    first, last = _span(start, end, size)
    return Step(first, last, _one_of(encoding, ENCODINGS))


def _report(given: object) -> DeliveryReport:
    envelope_id, recipients = _several(given, 2)
    return DeliveryReport(
        _text(envelope_id, LONGEST_FIELD),
        tuple(_reported(one) for one in _several(recipients, MOST_REPORTED)),
    )


def _reported(given: object) -> ReportedRecipient:
    original, final, action, status, diagnostic = (
        _text(one, LONGEST_FIELD) for one in _several(given, 5)
    )
    return ReportedRecipient(original, final, action, status, diagnostic)


def _named(given: object) -> tuple[str, str]:
    name, email = _several(given, 2)
    return _text(name, 1_000), _text(email, 320)


def _span(start: object, end: object, size: int) -> tuple[int, int]:
    last = _whole(end, size)
    return _whole(start, last), last


def _whole(given: object, most: int) -> int:
    number = _typed(given, int)
    if not 0 <= number <= most:
        raise BadFrame("out of range")
    return number


def _text(given: object, most: int) -> str:
    text = _typed(given, str)
    if len(text) > most or _UNREADABLE.search(text):
        raise BadFrame("no usable text")
    return text


def _several(given: object, most: int) -> list[object]:
    items = _typed(given, list)
    if len(items) > most:
        raise BadFrame("too many")
    return items


def _one_of(given: object, known: tuple[T, ...]) -> T:
    for one in known:
        if one == given:
            return one
    raise BadFrame("unknown word")


def _typed(given: object, wanted: type[T]) -> T:
    # `isinstance` would take True for the number 1.
    if type(given) is not wanted:
        raise BadFrame("wrong type")
    return given

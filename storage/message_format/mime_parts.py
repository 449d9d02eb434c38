"""MIME parts as values: places in the content, not its octets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from storage.message_format.delivery_report import DeliveryReport

Status = Literal["parsed", "partial"]
Encoding = Literal["base64", "base64url", "quoted-printable", "identity", "uuencode"]
Flow = Literal["", "flowed", "delsp"]

STATUSES: tuple[Status, ...] = ("parsed", "partial")
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
FLOWS: tuple[Flow, ...] = ("", "flowed", "delsp")

# Of the letter itself, in octets as they were sent. What is longer has its raw message.
MAX_TEXT_OCTETS = 1024 * 1024
# Packed letters around a file, one in the other.
MAX_STEPS = 4
# By so many octets decoding may make a part longer: uuencoded lines may have lost blanks.
MAX_PADDING = 256 * 1024


class Slice(NamedTuple):
    """A text part: octets `start` to `end` of the content, its codec, whether its lines flow."""

    start: int
    end: int
    encoding: Encoding
    charset: str
    flow: Flow = ""


class Step(NamedTuple):
    """A part within what is signed: octets `start` to `end` of that, and their encoding."""

    start: int
    end: int
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment: what the message says of it, and its place in the content.

    `size` is in octets once decoded. `steps` lead on from there to a part that lies in signed
    content; `skip` octets of what they decode to come before the file.
    """

    filename: str | None
    content_type: str
    size: int
    is_inline: bool
    content_id: str | None
    start: int
    end: int
    encoding: Encoding
    skip: int = 0
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """The parser's result. `text` and `html` are compressed; `words` are packed.

    `text` is there only where it does not lie in the message as it is shown: made from HTML, or of
    a letter that is packed. `text_from_html` says that the letter has no plain text: all of it was
    made from HTML. `reply_to` are names and addresses.
    `has_files` says whether somebody attached something: a picture of the letter is none. `report`
    is there when it is a report about the delivery of another message.
    """

    status: Status
    preview: str
    reply_to: tuple[tuple[str, str], ...]
    text_parts: tuple[Slice, ...]
    text: bytes | None
    html: bytes | None
    attachments: tuple[Part, ...]
    words: bytes
    has_files: bool
    report: DeliveryReport | None = None
    text_from_html: bool = False

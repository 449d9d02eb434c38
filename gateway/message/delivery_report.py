"""The part `message/delivery-status` of a report, read into a value.

- Its fields stand in groups with empty lines between: first those of the message, then those of
  each recipient. Servers differ in what they leave out, so a group counts that names a recipient.
- At most 64 KiB and 50 recipients are read; never raises.

RFC 3464 2.1 to 2.3, RFC 6533 3 (utf-8 addresses).
"""

from __future__ import annotations

import re
from email.message import Message
from email.parser import HeaderParser

from storage.message_format.delivery_report import (
    LONGEST_FIELD,
    MOST_REPORTED,
    DeliveryReport,
    ReportedRecipient,
)

MAX_OCTETS = 64 * 1024
CONTENT_TYPES = ("message/delivery-status", "message/global-delivery-status")

_GROUPS = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_LINE_END = re.compile(r"\r\n?")
_UNICODE = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[a-z]+")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def read_report(octets: bytes) -> DeliveryReport | None:
    """Return the report; None when it names no recipient and no envelope."""
    text = _LINE_END.sub("\n", octets[:MAX_OCTETS].decode("utf-8", "replace"))
    groups = [_fields(group) for group in _GROUPS.split(text.strip("\n"))[: 4 * MOST_REPORTED]]
    envelope_id = next(filter(None, (_value(one, _ENVELOPE) for one in groups)), "")
    recipients = [one for one in map(_recipient, groups) if one is not None]
    if not recipients and not envelope_id:
        return None
    return DeliveryReport(envelope_id, tuple(recipients[:MOST_REPORTED]))


_ENVELOPE = "Original-Envelope-Id"


def _fields(group: str) -> Message:
    return HeaderParser().parsestr(group, headersonly=True)


def _value(fields: Message, name: str) -> str:
    """The first field of this name on one line, at most `LONGEST_FIELD` characters of it."""
    value = _SPACE.sub(" ", str(fields.get(name, ""))).strip()
    return _UNSEEN.sub("", value)[:LONGEST_FIELD]


def _recipient(fields: Message) -> ReportedRecipient | None:
    original = _address(_value(fields, "Original-Recipient"))
    final = _address(_value(fields, "Final-Recipient"))
    if not (original or final):
        return None
    action = _WORD.match(_value(fields, "Action").lower())
    status = _STATUS.match(_value(fields, "Status"))
    diagnostic = _value(fields, "Diagnostic-Code")
    _, semicolon, said = diagnostic.partition(";")
    return ReportedRecipient(
        original,
        final,
        action[0] if action else "",
        status[0] if status else "",
        said.strip() if semicolon else diagnostic,
    )


def _address(value: str) -> str:
    """An address without its type: `rfc822;team@example.com`, some servers leave the type out."""
    _, semicolon, address = value.partition(";")
    found = _UNICODE.sub(_character, (address if semicolon else value).strip())
    # Once more: what `\x{…}` stood for may be a control character or half of a surrogate.
    found = _UNSEEN.sub("", found)
    return found.removeprefix("<").removesuffix(">") if "@" in found else ""


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number <= 0x10FFFF else ""

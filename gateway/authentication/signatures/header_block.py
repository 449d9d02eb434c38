"""The header of a message as its signers saw it: raw fields, and where the body begins.

- Fields are cut by the grammar that the header scan and the parser use
  (`storage.message_format.header_grammar`), so the From that is verified is the From that is shown.
  Octets that the grammar skips belong to no field and are never hashed.
- Line ends of a field become CRLF: a signer saw the message as SMTP carries it (RFC 6376 5.3).
- A header beyond the caps of the grammar has no end here, and its body is not hashed.

RFC 5322 2.2, RFC 6376 2.8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from storage.message_format.header_grammar import FIELD, MAX_FIELDS, MAX_OCTETS, begin

_LINE_END = re.compile(rb"\r\n?|\n")


@dataclass(frozen=True, slots=True)
class RawField:
    """A field: its name in lower case, the octets behind the colon, and all of it with CRLF."""

    name: bytes
    value: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """The fields in their order, and where the body begins; None when that is beyond the caps."""

    fields: tuple[RawField, ...]
    body: int | None

    def named(self, name: bytes) -> list[RawField]:
        """Return the fields of this name, from the top."""
        return [one for one in self.fields if one.name == name]


def cut(head: bytes) -> HeaderBlock:
    """Cut the header at the start of `head`, which has more octets than the caps or is whole."""
    looked_at = head[:MAX_OCTETS]
    fields: list[RawField] = []
    position = begin(looked_at)
    for count, found in enumerate(FIELD.finditer(looked_at, position)):
        if found["other"] is not None:
            return HeaderBlock(tuple(fields), _behind_empty_line(head, found.start()))
        # Where the body begins is not known: over the wrong octets a hash would look forged.
        if count == MAX_FIELDS:
            return HeaderBlock(tuple(fields), None)
        position = found.end()
        if found["name"]:
            fields.append(_field(found["name"], found[0], found.start("value") - found.start()))
    return HeaderBlock(tuple(fields), position if len(head) <= MAX_OCTETS else None)


def _behind_empty_line(head: bytes, position: int) -> int:
    """Where the body begins: behind the empty line, or at the line that is no field."""
    empty = _LINE_END.match(head, position)
    return empty.end() if empty else position


def _field(name: bytes, raw: bytes, value_at: int) -> RawField:
    start, value = raw[:value_at], raw[value_at:]
    if value.endswith((b"\r", b"\n")):
        value = value[: -2 if value.endswith(b"\r\n") else -1]
    value = _LINE_END.sub(b"\r\n", value)
    return RawField(name.lower(), value, start + value + b"\r\n")

"""The canonical form of header fields, and the octets of a header that a signature covers.

- `simple` leaves a field as it is; `relaxed` lowers the name, unfolds, and makes white space one
  space.
- Fields of one name are covered from the last one upwards; a name without a field (any more) stands
  for nothing, and so keeps anybody from adding one (RFC 6376 5.4.2).
- The signature itself comes last, without the value of its `b=` and without the last CRLF.

RFC 6376 3.4, 3.7.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

from gateway.authentication.signatures.header_block import RawField

Canonicalization = Literal["simple", "relaxed"]

_SPACES = re.compile(rb"[ \t]+")
_SIGNATURE = re.compile(rb"((?:\A|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*")


def canonical_field(field: RawField, form: Canonicalization) -> bytes:
    """Return one field, with its CRLF."""
    if form == "simple":
        return field.raw
    return _relaxed(field.name, field.value) + b"\r\n"


def _relaxed(name: bytes, value: bytes) -> bytes:
    return name + b":" + _SPACES.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def unsigned(field: RawField, form: Canonicalization) -> bytes:
    """Return a signature's own field as it was signed: with an empty `b=`, without CRLF."""
    value = _SIGNATURE.sub(rb"\1", field.value)
    if form == "relaxed":
        return _relaxed(field.name, value)
    return field.raw[: len(field.raw) - len(field.value) - 2] + value


def covered(
    fields: Sequence[RawField],
    names: Iterable[bytes],
    signature: RawField,
    form: Canonicalization,
) -> bytes:
    """Return the octets that a signature with this `h=` covers."""
    below: dict[bytes, list[RawField]] = defaultdict(list)
    for field in fields:
        # RFC 6376 3.7: its own field comes last, with an empty `b=`, whatever `h=` names.
        if field is not signature:
            below[field.name].append(field)
    taken = [below[name].pop() for name in names if below.get(name)]
    return b"".join(canonical_field(one, form) for one in taken) + unsigned(signature, form)

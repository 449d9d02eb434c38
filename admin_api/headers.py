"""The header fields of a stored message, as a list of names and values.

- Read from the stored bytes when asked for, and only their first 100 KiB and 1,000 fields.
- Lines end and the header stops where the gateway's scan and Python's `email` parser (compat32) say
  so: CRLF, LF and a bare CR each end a line; the header stops at the first line that is neither a
  field, a continuation nor an mbox-like "From " line.
- Values are unfolded (RFC 5322 2.2.3) and otherwise as they came: encoded words stay encoded. What
  is not UTF-8, and NUL, becomes U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from itertools import islice

MAX_OCTETS = 100 * 1024
MAX_FIELDS = 1_000

_LINE_END = rb"(?:\r\n?|\n)"
_FIELD = re.compile(
    rb"(?P<name>[!-9;-~]*):(?P<value>[^\r\n]*(?:%(end)s[ \t][^\r\n]*)*+)(?:%(end)s|\Z)"
    rb"|(?:From |[ \t])[^\r\n]*(?:%(end)s|\Z)" % {b"end": _LINE_END}
)
_FOLD = re.compile(_LINE_END)


def header_fields(head: bytes) -> list[dict[str, str]]:
    """`[{"name": …, "value": …}]` in the order in which they stand."""
    return [*islice(_fields(head[:MAX_OCTETS]), MAX_FIELDS)]


def _fields(head: bytes) -> Iterator[dict[str, str]]:
    position = 0
    while found := _FIELD.match(head, position):
        position = found.end()
        if found["name"]:
            value = _FOLD.sub(b"", found["value"]).strip(b" \t")
            yield {"name": found["name"].decode("ascii"), "value": _text(value)}
        if position == len(head):
            return


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").replace("\x00", "\ufffd")


async def head_of(chunks: AsyncIterator[bytes]) -> bytes:
    """The first 100 KiB of a content."""
    head = b""
    async for chunk in chunks:
        head += chunk[: MAX_OCTETS - len(head)]
        if len(head) == MAX_OCTETS:
            break
    return head

"""Where the header of a message ends, and what fields it has: the one grammar for all who read it.

- As Python's `email` parser (compat32) has it, which reads the same bytes: CRLF, LF and a bare CR
  each end a line; the header stops at the first line that is neither a field, a continuation nor an
  mbox-like "From " line. Such lines, and those with nothing before their colon, are passed over.
- Nobody looks further than 100 KiB and 1,000 lines of these kinds.

RFC 5322 2.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

MAX_OCTETS = 100 * 1024
MAX_FIELDS = 1_000

_LINE_END = rb"(?:\r\n?|\n)"
# What stands after the last bar is no header any more: there the search stops.
FIELD = re.compile(
    rb"(?P<name>[!-9;-~]*):(?P<value>[^\r\n]*(?:%(end)s[ \t][^\r\n]*)*+)(?:%(end)s|\Z)"
    rb"|(?:From |[ \t])[^\r\n]*(?:%(end)s|\Z)"
    rb"|(?P<other>(?s:.))" % {b"end": _LINE_END}
)
_FOLD = re.compile(_LINE_END)


def fields(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The name and the value, folded as it came, of each field at the start of a message."""
    for found in islice(FIELD.finditer(head[:MAX_OCTETS]), MAX_FIELDS):
        if found["other"] is not None:
            return
        if found["name"]:
            yield found["name"], found["value"]


def unfolded(value: bytes) -> bytes:
    """The value on one line (RFC 5322 2.2.3), without the space around it."""
    return _FOLD.sub(b"", value).strip(b" \t")

"""The grammar of a message's header: where it ends, and its fields; one for all readers.

- CRLF, LF and a bare CR each end a line; the header ends at the first empty line.
- White space before the colon is not part of the name (RFC 5322 4.5). Byte order marks before a
  name, an mbox-like "From " line, a continuation of such a line, and fields without a name are
  skipped. A line that begins with two hyphens is no field.
- A line that has lost the blank at its beginning still continues the field whose line before it
  ends in a semicolon, if it is a parameter (`boundary=…`), or in a comma, if it has an address.
- An odd line, neither field nor continuation, is skipped as well when the header goes on behind it:
  when one of the next lines, before an empty line or a boundary, is a usual header field of mail.
  Behind it, long lines without blanks and colons (a signature without its blanks) do not count.
  Otherwise the header ends before it, and it is the first line of the body: so a text that came
  without a header is not lost.
- At most 100 KiB and 1,000 lines of these kinds are read.

RFC 5322 2.2, 4.5.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from itertools import islice
from mmap import mmap

MAX_OCTETS = 100 * 1024
MAX_FIELDS = 1_000

_LINE_END = rb"(?:\r\n?|\n)"
# Fields by which an odd line is known to stand in a header, and not in a text.
_USUAL = (
    rb"(?:(?i:from|to|cc|bcc|subject|date|message-id|in-reply-to|references|reply-to|sender"
    rb"|return-path|received|delivered-to|mime-version|user-agent|importance|precedence"
    rb"|content-[a-z-]{2,30}|list-[a-z-]{2,30}|x-[a-z0-9-]{2,60}|resent-[a-z-]{2,20}"
    rb"|arc-[a-z-]{2,40}|dkim-signature|authentication-results|auto-submitted|received-spf"
    rb"|thread-[a-z]{2,10}|accept-language|errors-to|organi[sz]ation|feedback-id|envelope-to"
    rb"|delivery-date)[ \t]*:)"
)
# At most 12 lines ahead, possessive: a body of odd lines must not cost the square of its length.
_ODD = (
    rb"(?!--)[^\r\n]++%(end)s(?:[!-9;-~]{40,}+%(end)s){0,100}+"
    rb"(?=(?:(?!%(usual)s|--)[^\r\n]++%(end)s){0,12}+%(usual)s)"
) % {b"end": _LINE_END, b"usual": _USUAL}
_BLANKLESS = (
    rb"(?:(?<=;)%(end)s(?=[A-Za-z][A-Za-z0-9*-]{0,30}=)"
    rb"|(?<=,)%(end)s(?=[^\s:@]{1,64}@[^\s:]{1,255}(?:[\r\n]|\Z)|[^\r\n:<]{0,64}<[^\s:@]{1,64}@))"
) % {b"end": _LINE_END}
# What stands after the last bar is no header any more: there the search stops.
FIELD = re.compile(
    rb"(?:\xef\xbb\xbf)*+(?!--)(?P<name>[!-9;-~]*+)[ \t]*+:"
    rb"(?P<value>[^\r\n]*(?:(?:%(end)s[ \t]|%(blankless)s)[^\r\n]*)*+)(?:%(end)s|\Z)"
    rb"|(?:From |[ \t])[^\r\n]*(?:%(end)s|\Z)"
    rb"|%(odd)s"
    rb"|(?P<other>(?s:.))" % {b"end": _LINE_END, b"odd": _ODD, b"blankless": _BLANKLESS}
)
_FOLD = re.compile(_LINE_END)


def begin(head: bytes | mmap) -> int:
    """Where the first line of the header begins: behind a byte order mark, if there is one."""
    return len(BOM_UTF8) if head[:3] == BOM_UTF8 else 0


def fields(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The name and the value, folded as it came, of each field at the start of a message."""
    found_fields = FIELD.finditer(head[:MAX_OCTETS], begin(head))
    for found in islice(found_fields, MAX_FIELDS):
        if found["other"] is not None:
            return
        if found["name"]:
            yield found["name"], found["value"]


def unfolded(value: bytes) -> bytes:
    """The value on one line (RFC 5322 2.2.3), without the space around it."""
    return _FOLD.sub(b"", value).strip(b" \t")

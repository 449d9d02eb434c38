"""The grammar of headers once more, line by line and slowly: what all readers are compared with."""

from __future__ import annotations

import re
from typing import NamedTuple

_LINES = re.compile(rb"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+\Z")
_FIELD = re.compile(rb"([!-9;-~]*)[ \t]*:")
_USUAL = re.compile(
    rb"(?:from|to|cc|bcc|subject|date|message-id|in-reply-to|references|reply-to|sender|return-path"
    rb"|received|delivered-to|mime-version|user-agent|importance|precedence|dkim-signature"
    rb"|authentication-results|auto-submitted|content-[a-z-]{2,30}|list-[a-z-]{2,30}"
    rb"|x-[a-z0-9-]{2,60}|resent-[a-z-]{2,20}|arc-[a-z-]{2,40}|received-spf|thread-[a-z]{2,10}"
    rb"|accept-language|errors-to|organi[sz]ation|feedback-id|envelope-to|delivery-date)[ \t]*:",
    re.IGNORECASE,
)
_AHEAD = 12
_MARK = b"\xef\xbb\xbf"
_SOLID = re.compile(rb"[!-9;-~]{40,}[\r\n]+\Z")
_PARAMETER = re.compile(rb"[A-Za-z][A-Za-z0-9*-]{0,30}=")
_RECIPIENT = re.compile(
    rb"[^\s:@]{1,64}@[^\s:]{1,255}[\r\n]*\Z|[^\r\n:<]{0,64}<[^\s:@]{1,64}@", re.DOTALL
)


class Header(NamedTuple):
    """Fields as name and raw value, where the body begins, and whether every line was in order."""

    fields: list[tuple[bytes, bytes]]
    body: int
    orderly: bool

    def first(self, name: bytes) -> bytes | None:
        """The raw value of the first field of this name."""
        return next((value for key, value in self.fields if key.lower() == name), None)


def read(data: bytes) -> Header:
    """The header at the start of a message."""
    position = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    orderly = position == 0
    fields: list[tuple[bytes, bytes]] = []
    is_open = False
    while position < len(data):
        found = _LINES.match(data, position)
        assert found is not None
        line = found[0]
        if not line.strip(b"\r\n"):
            return Header(fields, found.end(), orderly)
        named = line
        while named.startswith(_MARK):
            named = named[len(_MARK) :]
        field = None if named.startswith(b"--") else _FIELD.match(named)
        if line[:1] in {b" ", b"\t"}:
            if is_open:
                name, value = fields[-1]
                fields[-1] = name, value + line
            elif position:
                orderly = False
        elif is_open and _lost_its_blank(fields[-1][1], line):
            name, value = fields[-1]
            fields[-1] = name, value + line
            orderly = False
        elif field is not None:
            fields.append((field[1], named[field.end() :]))
            is_open = True
            orderly = orderly and field[0][-2:-1] not in {b" ", b"\t"} and named == line
        elif line.startswith(b"From "):
            is_open = False
            orderly = orderly and position == 0
        elif not line.startswith(b"--") and _goes_on(data, end := _behind(data, found.end())):
            is_open = orderly = False
            position = end
            continue
        else:
            return Header(fields, position, False)
        position = found.end()
    return Header(fields, position, orderly)


def _lost_its_blank(value: bytes, line: bytes) -> bool:
    """Whether a line continues a value though no blank says so."""
    last = value.rstrip(b"\r\n")
    if value[len(last) :] not in {b"\r\n", b"\r", b"\n"}:
        return False
    if last.endswith(b";"):
        return _PARAMETER.match(line) is not None
    return last.endswith(b",") and _RECIPIENT.match(line) is not None


def _behind(data: bytes, position: int) -> int:
    """Where long lines end that may be the rest of a signature."""
    for _ in range(100):
        line = _LINES.match(data, position)
        if line is None or not _SOLID.match(line[0]):
            break
        position = line.end()
    return position


def _goes_on(data: bytes, position: int) -> bool:
    for _ in range(_AHEAD + 1):
        line = _LINES.match(data, position)
        if line is None or not line[0].strip(b"\r\n") or line[0].startswith(b"--"):
            return False
        if _USUAL.match(line[0]):
            return True
        position = line.end()
    return False

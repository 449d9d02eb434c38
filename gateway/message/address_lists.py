"""The address lists of From, To and Cc.

Rules this module keeps:
- Never raises; the time is in proportion to the text, of which 32,768 characters are read, and it
  ends after `limit` mailboxes.
- Comments and groups are understood, quoted strings protect what is in them, encoded words are
  decoded only after the structure is known: no decoded character ever makes an address.
- An entry without an address has an empty `email`.

RFC 5322 3.4 and 4.4.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.message.encoded_words import harmless, readable

MAX_EMAIL = 320
_MAX_RAW = 32_768

_PLAIN = re.compile(r"""([^"<>,;:()@\\=]*)<([^\s"<>,;:()@\\]+@[^\s"<>,;:()@\\]+)>\s*""")
_TOKEN = re.compile(
    r"""(?P<quoted>"(?:[^"\\]++|\\.)*+"?)
    | (?P<angle><(?:"(?:[^"\\]++|\\.)*+"|[^"<>]++)*+>?)
    | (?P<word>=\?[^?\s<>@"]{1,60}\?[bBqQ]\?[^?\s<>@"]*\?=)
    | (?P<mark>[,;:()])
    | (?P<atom>(?:\[[^][\s]{0,80}\]|[^\s"<>,;:()])+)
    | (?P<space>\s+)
    | (?P<stray>.)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


class Mailbox(NamedTuple):
    """Whom a header names: the display name as read by people, the address as written."""

    name: str
    email: str


@dataclass(slots=True)
class _Entry:
    """What has been read of one entry of the list."""

    phrase: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    comment: list[str] = field(default_factory=list)
    angle: str | None = None


def parse_mailboxes(text: str, limit: int) -> tuple[Mailbox, ...]:
    """The first `limit` mailboxes of an unfolded address list."""
    if len(text) > _MAX_RAW:  # up to a comma: half an address would be another address
        text = text[:_MAX_RAW].rpartition(",")[0]
    if plain := _PLAIN.fullmatch(text):
        return (_mailbox(plain[1], plain[2]),)
    mailboxes: list[Mailbox] = []
    entry, depth = _Entry(), 0
    for token in _TOKEN.finditer(text):
        kind, value = token.lastgroup, token[0]
        if value == "(" or (value == ")" and depth):
            depth += 1 if value == "(" else -1
        elif depth:
            entry.comment.append(value)
        elif kind == "mark":
            if value != ":":  # before a colon stands the name of a group
                _finish(entry, mailboxes)
            entry = _Entry()
            if len(mailboxes) >= limit:
                return tuple(mailboxes)
        else:
            _take(entry, kind or "", value)
    _finish(entry, mailboxes)
    return tuple(mailboxes[:limit])


def _take(entry: _Entry, kind: str, value: str) -> None:
    if kind == "angle":
        if entry.angle is None:
            entry.angle = value.strip("<>")
        return
    if kind != "space":
        entry.written.append(value)
    if kind == "quoted":
        value = _QUOTED_PAIR.sub(r"\1", value[1:].removesuffix('"'))
    entry.phrase.append(value)


def _finish(entry: _Entry, mailboxes: list[Mailbox]) -> None:
    written = "".join(entry.written)
    if entry.angle is not None:
        name, email = "".join(entry.phrase), entry.angle
    elif "@" in written:
        name, email = "".join(entry.comment), written
    else:
        name, email = "".join(entry.phrase), ""
    mailbox = _mailbox(name, email)
    if mailbox.name or mailbox.email:
        mailboxes.append(mailbox)


def _mailbox(name: str, email: str) -> Mailbox:
    if email.startswith("@"):  # a source route
        email = email.partition(":")[2]
    email = harmless(email).strip()
    usable = "@" in email and len(email) <= MAX_EMAIL
    return Mailbox(readable(name), email if usable else "")

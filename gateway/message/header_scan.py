"""The capped look at a message's header that is taken before the message is stored.

Rules this module keeps:
- Never raises, and never decides whether a message is taken: what cannot be read is absent.
- At most the first 100 KiB and 1,000 fields are looked at; `truncated` says that there was more.
- Lines end, and the header stops, where `storage.content.header_grammar` says, and so exactly where
  the `email` parser does, which reads the same bytes later: the two must see one message.
- Of a field that may stand once the first one counts.

RFC 5322 2.2 and 3.6, RFC 3834 5 (Auto-Submitted), RFC 2919 (List-Id).
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from gateway.message.address_lists import Mailbox, parse_mailboxes
from gateway.message.encoded_words import MAX_RAW, MAX_TEXT, harmless, readable
from storage.content.header_grammar import FIELD, MAX_FIELDS, MAX_OCTETS

MAX_MAILBOXES = 100
MAX_REFERENCES = 100

_ID = re.compile(r"<([^<>]+)>")
_DATE = re.compile(
    r"""\s*(?:[a-z]+\s*,?\s*)?([0-9]{1,2})[\s-]+([a-z]{3})[a-z]*[\s-]+([0-9]{2,4})
    \s+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?\s*([+-][0-9]{4}|[a-z]{1,4})?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONES = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ADDRESSES = frozenset({b"from", b"to", b"cc"})
_ONCE = frozenset(
    b"message-id in-reply-to references from to cc subject date"
    b" auto-submitted precedence list-id".split()
)


class HeaderScan(NamedTuple):
    """What the gateway and the store need of a header.

    Ids stand without their angle brackets; `references` are the last 100, oldest first.
    `received_by` has the lower-cased host after "by" of each Received that has one. `auto` tells
    automatic mail.
    """

    message_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    from_: tuple[Mailbox, ...]
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    subject: str
    date_field: bytes
    received_count: int
    delivered_to: tuple[str, ...]
    received_by: tuple[str, ...]
    auto: bool
    truncated: bool

    @property
    def date(self) -> int | None:
        """The sender's claim of when it was written, in microseconds since the epoch."""
        return _date(_unfolded(self.date_field))


def scan(head: bytes) -> HeaderScan:
    """Read the header at the start of `head`; what is beyond the caps is not looked at."""
    once, received, delivered_to, truncated = _fields(head)
    return HeaderScan(
        message_id=_message_id(_unfolded(once.get(b"message-id", b""))),
        in_reply_to=_ids(_unfolded(once.get(b"in-reply-to", b""))),
        references=_ids(_unfolded(once.get(b"references", b""))),
        from_=_mailboxes(once.get(b"from")),
        to=_mailboxes(once.get(b"to")),
        cc=_mailboxes(once.get(b"cc")),
        subject=readable(_unfolded(once.get(b"subject", b"")[:MAX_RAW])),
        date_field=once.get(b"date", b"")[:200],
        received_count=len(received),
        delivered_to=tuple(harmless(_unfolded(v[:MAX_TEXT])).strip() for v in delivered_to),
        received_by=tuple(_by_hosts(received)),
        auto=_is_automatic(once),
        truncated=truncated,
    )


def _fields(head: bytes) -> tuple[dict[bytes, bytes], list[bytes], list[bytes], bool]:
    """The fields that matter, still folded: once, Received, Delivered-To; and whether cut."""
    once: dict[bytes, bytes] = {}
    received: list[bytes] = []
    delivered_to: list[bytes] = []
    looked_at = head[:MAX_OCTETS]
    for count, found in enumerate(FIELD.finditer(looked_at)):
        if found.lastindex == 3:
            return once, received, delivered_to, False
        if count == MAX_FIELDS:
            return once, received, delivered_to, True
        if found.lastindex is None:
            continue
        name = found[1].lower()
        if name in _ONCE:
            is_cut = found.end() == len(looked_at) < len(head) and name in _ADDRESSES
            # Half an address would be another address.
            once.setdefault(name, found[2].rpartition(b",")[0] if is_cut else found[2])
        elif name == b"received":
            received.append(found[2])
        elif name == b"delivered-to":
            delivered_to.append(found[2])
    return once, received, delivered_to, len(looked_at) < len(head)


def _unfolded(value: bytes) -> str:
    return value.translate(None, b"\r\n").decode("utf-8", "replace")


def _message_id(text: str) -> str | None:
    """The first id; one without its brackets is taken as well when it is a single word."""
    if found := _ID.search(text):
        text = found[1]
    elif "<" in text or len(text.split(None, 1)) > 1:
        return None
    return _squeezed(text) or None


def _ids(text: str) -> tuple[str, ...]:
    distinct = dict.fromkeys(filter(None, map(_squeezed, _ID.findall(text))))
    return tuple(distinct)[-MAX_REFERENCES:]


def _squeezed(text: str) -> str:
    """An id without the white space that folding put into it."""
    return harmless("".join(text.split()))[:MAX_TEXT]


def _mailboxes(value: bytes | None) -> tuple[Mailbox, ...]:
    return parse_mailboxes(_unfolded(value), MAX_MAILBOXES) if value else ()


def _by_hosts(received: Iterable[bytes]) -> Iterable[str]:
    for value in received:
        words = value.lower().split()
        if b"by" in words[:-1]:
            host = words[words.index(b"by") + 1].rstrip(b";")
            yield harmless(host[:MAX_TEXT].decode("ascii", "replace"))


def _date(text: str) -> int | None:
    found = _DATE.match(text)
    if found is None or found[2].lower() not in _MONTHS:
        return None
    day, year, hour, minute = (int(found[group]) for group in (1, 3, 4, 5))
    if year < 1000:  # RFC 5322 4.3
        year += 2000 if year < 50 else 1900
    month = _MONTHS.index(found[2].lower()) + 1
    second = min(int(found[6] or 0), 59)  # a leap second
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return (moment - _EPOCH - _offset(found[7] or "")) // _MICROSECOND


def _offset(zone: str) -> timedelta:
    if zone[:1] in {"+", "-"}:
        distance = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
        return distance if zone[0] == "+" else -distance
    return timedelta(hours=_ZONES.get(zone.upper(), 0))


def _is_automatic(once: dict[bytes, bytes]) -> bool:
    submitted = once.get(b"auto-submitted", b"no").strip().lower()
    precedence = once.get(b"precedence", b"").strip().lower()
    return (
        b"list-id" in once
        or precedence in {b"bulk", b"list", b"junk"}
        or re.match(rb"no\b|\Z", submitted) is None
    )

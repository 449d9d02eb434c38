"""The header scan: the capped reading of a message's header before the message is stored.

Rules this module keeps:

- Never raises, and never decides whether a message is taken: a field that cannot be read is absent.
- At most the first 100 KiB and 1,000 fields are read; `truncated`: there was more.
- Lines end, and the header stops, as `storage.message_format.header_grammar` says, like in the full
  parser, which reads the same bytes later: the two must see one message.
- Of a field that may occur once the first one counts, but for ids in several References or
  In-Reply-To, which count together.
- Raw octets are UTF-8 where most of them can be, else in the charset of the message's text, be it
  named in a header or in the HTML alone, else windows-1252.
- Ids count without their brackets and in encoded words too; in a field with brackets only the text
  within them counts.
- `gateway.message.automatic` says which mail is automatic.

RFC 5322 2.2 and 3.6.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple
from urllib.parse import unquote

from gateway.message.address_lists import Mailbox, parse_mailboxes
from gateway.message.automatic import FAMILIES, OF_MACHINES, OTHERS, is_automatic, says_so
from gateway.message.encoded_words import MAX_RAW, MAX_TEXT, decoded, harmless, readable
from storage.message_format.charset_labels import ISO_2022_JP, codec_of
from storage.message_format.charsets import decode_text
from storage.message_format.header_grammar import FIELD, MAX_FIELDS, MAX_OCTETS, begin
from storage.message_format.japanese import is_iso_2022_jp

MAX_MAILBOXES = 100
MAX_REFERENCES = 100
MAX_REPLIED_TO = 10

_ID = re.compile(r"<(?:mid:)?([^<>]+)>")
_BETWEEN_IDS = re.compile(r"[,;]")
_COMMENT = re.compile(r"\([^()]*\)")
_DATE = re.compile(
    r"""\s*(?:[a-z]+\s*,?\s*)?([0-9]{1,2})[\s-]+([a-z]{3})[a-z]*\.?[\s-]+([0-9]{2,4})
    \s+([0-9]{1,2})[:.]([0-9]{2})(?:[:.]([0-9]{2}))?(?:[.,][0-9]{1,9})?
    \s*(?:(?:gmt|utc)(?=[+-]))?([+-][0-9]{2}:?[0-9]{2}|[a-z]{1,4})?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONES = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ADDRESSES = frozenset({b"from", b"to", b"cc"})
# Fields that count together where they stand more than once, and what parts their values.
_SEVERAL = {b"references": b" ", b"in-reply-to": b" ", b"to": b",", b"cc": b","}
_ONCE = (
    frozenset(b"message-id in-reply-to references from to cc subject date content-type".split())
    | OTHERS
)
_CHARSET = re.compile(
    rb"\bcharset(?:\*0?\*?)?\s*=\s*[\"']?(?:us-ascii'[a-z-]{0,20}')?([A-Za-z0-9_.:+-]{1,60})",
    re.IGNORECASE,
)
_TEXT_PART = re.compile(
    rb"^content-type[ \t]*:\s*[\"']?text/[^\r\n]*(?:\r?\n[ \t][^\r\n]*){0,5}",
    re.IGNORECASE | re.MULTILINE,
)
_MAX_TEXT_PARTS = 10
# HTML that names its charset itself, be it in quoted-printable.
_META = re.compile(
    rb"<meta\b[^>]{0,300}?\bcharset\s*=(?:3D)?\s*[\"']?([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE
)


class HeaderScan(NamedTuple):
    """The header fields that gateway and store need.

    Ids are without their angle brackets; `references` are the last 100, oldest first. `received_by`
    has the lower-cased host after "by" of each Received that has one. `auto`: automatic mail.
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
        """The sender's claim of the date, in microseconds since 1970."""
        return _date(_unfolded(self.date_field))


def scan(head: bytes) -> HeaderScan:
    """Read the header at the start of `head`, up to the caps."""
    once, received, delivered_to, of_machine, truncated = _fields(head)
    wanted = once.get
    content_type = wanted(b"content-type", b"")
    # Most mail is without many of these: a field that is not there is not read.
    in_reply_to, references, cc = wanted(b"in-reply-to"), wanted(b"references"), wanted(b"cc")
    from_ = _mailboxes(head, content_type, wanted(b"from"))
    sender = from_[0].email if from_ else ""
    subject = readable(raw_text(head, content_type, wanted(b"subject", b"")[:MAX_RAW]))
    return HeaderScan(
        _message_id(raw_text(head, content_type, wanted(b"message-id", b""))),
        _ids(head, content_type, in_reply_to)[-MAX_REPLIED_TO:] if in_reply_to else (),
        _with_root(_ids(head, content_type, references)) if references else (),
        from_,
        _mailboxes(head, content_type, wanted(b"to")),
        _mailboxes(head, content_type, cc) if cc else (),
        subject,
        wanted(b"date", b"")[:200],
        len(received),
        tuple([harmless(_unfolded(value[:MAX_TEXT])).strip() for value in delivered_to]),
        tuple(_by_hosts(received)) if received else (),
        of_machine or is_automatic(once, sender=sender, subject=subject),
        truncated,
    )


_Fields = tuple[dict[bytes, bytes], list[bytes], list[bytes], bool, bool]


def _fields(head: bytes) -> _Fields:
    """The wanted fields, still folded: those that occur once, Received, and Delivered-To.

    Then whether a machine wrote the mail, and whether the header was cut.
    """
    once: dict[bytes, bytes] = {}
    received: list[bytes] = []
    delivered_to: list[bytes] = []
    of_machine = truncated = False
    looked_at = head[:MAX_OCTETS]
    cut_at = len(looked_at) if len(looked_at) < len(head) else -1
    for count, found in enumerate(FIELD.finditer(looked_at, begin(looked_at))):
        kind = found.lastindex
        if kind == 3:
            break
        if count == MAX_FIELDS:
            truncated = True
            break
        if kind is None:
            continue
        name, value = found.group(1, 2)
        name = name.lower()
        # The first, as in the parser: of two From fields check and reader must see the same one.
        if name in _ONCE:
            # Half an address would be another address.
            if name in _ADDRESSES and found.end() == cut_at:
                value = value.rpartition(b",")[0]
            if name not in once:
                once[name] = value
            elif separator := _SEVERAL.get(name):
                once[name] += separator + value
        elif name == b"received":
            received.append(value)
        elif name == b"delivered-to":
            delivered_to.append(value)
        elif name in OF_MACHINES or name.startswith(FAMILIES):
            of_machine = of_machine or says_so(value)
    else:
        truncated = cut_at >= 0
    return once, received, delivered_to, of_machine, truncated


def raw_text(head: bytes, content_type: bytes, value: bytes) -> str:
    """Return a value of the header that begins with `head`, on one line.

    Its charset is looked for only when it matters.
    """
    octets = value.translate(None, b"\r\n")
    # In seven bits, so that it looks like UTF-8; decoded first, as its octets can be commas.
    if b"\x1b" in octets and is_iso_2022_jp(octets):
        return decode_text(octets, ISO_2022_JP)
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return _in_charset(octets, raw_charset(head, content_type))


def raw_charset(head: bytes, content_type: bytes) -> str:
    """Return the codec of raw header octets: that of the message's text, else windows-1252."""
    for label in _charsets(head, content_type):
        codec = codec_of(label.decode("ascii"))
        if codec is not None and codec != "ascii":
            return "cp1252" if codec.startswith("utf") else codec
    return "cp1252"


def _charsets(head: bytes, content_type: bytes) -> Iterable[bytes]:
    """The labels by which the message names the charset of its text."""
    parts = (part[0] for part in _TEXT_PART.finditer(head, 0, MAX_OCTETS))
    for field in (content_type, *islice(parts, _MAX_TEXT_PARTS)):
        if named := _CHARSET.search(field):
            yield named[1]
    if named := _META.search(head, 0, MAX_OCTETS):
        yield named[1]


def names_charset(content_type: bytes) -> bool:
    """Whether the header alone tells how its raw octets are read; else the body does."""
    return _CHARSET.search(content_type) is not None


def _in_charset(octets: bytes, codec: str) -> str:
    """Damaged UTF-8 stays UTF-8: half a character at a cap or a fold is no other charset."""
    try:
        return getincrementaldecoder("utf-8")().decode(octets)
    except UnicodeDecodeError:
        pass
    text = octets.decode("utf-8", "replace")
    unreadable = text.count("\ufffd")
    if sum(not sign.isascii() for sign in text) >= 3 * unreadable:
        return text
    try:
        return decode_text(octets, codec, errors="strict")
    except UnicodeError:
        return decode_text(octets, "cp1252")


def _unfolded(value: bytes) -> str:
    return value.translate(None, b"\r\n").decode("utf-8", "replace")


def _message_id(text: str) -> str | None:
    """Return the first id; one without brackets is taken as well when it is a single word."""
    text = _unwrapped(text)
    if found := _ID.search(text):
        return _squeezed(found[1]) or None
    text = _COMMENT.sub(" ", text)
    return None if len(text.split(None, 1)) > 1 else _bare_id(text) or None


def _ids(head: bytes, content_type: bytes, value: bytes) -> tuple[str, ...]:
    text = _unwrapped(raw_text(head, content_type, value))
    named = _ID.findall(text)
    if text and not named:
        named = _BETWEEN_IDS.sub(" ", _COMMENT.sub(" ", text)).split()
        if len(named) > 1 and not all("@" in word for word in named):
            return ()  # "your message of Friday", as it once was written
        named = [_bare_id(word) for word in named]
    return tuple(dict.fromkeys(filter(None, map(_squeezed, named))))


def _bare_id(text: str) -> str:
    """Return an id without brackets; those of an address literal, `a@[192.0.2.1]`, are its own."""
    name = text.strip("<>\"' \t").removeprefix("mid:")
    return _squeezed(name[1:].removesuffix("]") if name[:1] == "[" else name)


def _unwrapped(text: str) -> str:
    """Return ids without what programs put around all of them: encoded words, escapes of HTML."""
    if "=?" in text:
        text = decoded(text)
    if "&lt;" in text:
        text = text.replace("&lt;", "<").replace("&gt;", ">")
    return unquote(text) if "%3C" in text or "%3c" in text else text


def _with_root(ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the newest ids, and the first of all: the root of the thread (RFC 5322 3.6.4)."""
    if len(ids) <= MAX_REFERENCES:
        return ids
    return (ids[0], *ids[1 - MAX_REFERENCES :])


def _squeezed(text: str) -> str:
    """Return an id without the white space that folding put into it."""
    # Of all white space only the blank counts as printable.
    if text.isprintable() and " " not in text:
        return text[:MAX_TEXT]
    return harmless("".join(text.split()))[:MAX_TEXT]


def _mailboxes(head: bytes, content_type: bytes, value: bytes | None) -> tuple[Mailbox, ...]:
    if not value:
        return ()
    return parse_mailboxes(raw_text(head, content_type, value), MAX_MAILBOXES)


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
        zone = zone.replace(":", "")
        distance = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
        return distance if zone[0] == "+" else -distance
    return timedelta(hours=_ZONES.get(zone.upper(), 0))

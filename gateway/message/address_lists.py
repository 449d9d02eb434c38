"""The address lists of From, To and Cc.

Rules this module keeps:

- Never raises; the time is in proportion to the text, of which 32,768 characters are read, and it
  ends after `limit` mailboxes, or 2,000 entries whatever is in them.
- Comments and groups are understood, quoted strings protect their content, encoded words are
  decoded only after the structure is known: no decoded character ever makes an address. Where no
  semicolon ends a group there is none, and a colon is of a name: `Desk: Ann <ann@example.com>`.
- Only an address in the text counts: words are never joined to one, but around the dots and the @
  where RFC 5322 4.4 allows blanks. A quote or parenthesis that is never closed protects nothing.
- Words before a comma that have no address are the beginning of the next one's name, as in `Doe,
  Jane <jane@example.com>`; so are words before a semicolon that ends no group. A second address in
  an entry is another mailbox: its comma is missing.
- A comment is a part of the name that it stands beside, as mail programs show it; where there are
  no other words, it is the name.
- Of several words none is an address that has a slash before the @ and no dot behind it: `Ann
  Lee/Sales/Acme@Acme` is a name of Lotus Notes.
- An entry without any other address has the one that stands in its quoted string or comment; an
  entry without any at all has an empty `email`, and what stands in angle brackets is its name where
  there is no other. A comment that stands alone behind a mailbox is none.
- Around an address brackets of all kinds, signs that take no room, `mailto:` and `SMTP:` are passed
  over, as Exchange, Outlook and web pages leave them.

RFC 5322 3.4 and 4.4.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.message.encoded_words import MAX_TEXT, WORD_OF_NAME, harmless, readable

MAX_EMAIL = 320
_MAX_RAW = 32_768
_MOST_ENTRIES = 2_000
# Of an address with comments within it.
_LONGEST_COMMENTED = 1_000

# Possessive (`*+`) wherever blanks may stand: a long run of them is gone over once.
# Signs that take no room: copied from address books, they stand around addresses.
_UNSEEN = (
    "\u00ad\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064"
    "\u2066\u2067\u2068\u2069\ufeff"
)
_PLAIN = re.compile(
    rf"""([^"<>,;:()@\\]*+)<(?!=\?)([^\s"<>,;:()@\\{_UNSEEN}]+@[^\s"<>,;:()@\\{_UNSEEN}]+)>\s*+"""
)
_TOKEN = re.compile(
    rf"""(?P<quoted>"(?:[^"\\]++|\\.)*+"?)
    | (?P<angle><(?:"(?:[^"\\]++|\\.)*+"|[^"<>]++)*+>?)
    | (?P<word>{WORD_OF_NAME})
    | (?P<mark>[,;:()])
    | (?P<pair>\\[()"\\])
    | (?P<atom>(?:\[[^][\s]{{0,80}}\]|[^\s"<>,;:()\\]|\\(?![()"\\]))+)
    | (?P<space>\s+)
    | (?P<stray>.)""",
    re.VERBOSE | re.DOTALL,
)
_OF_ADDRESS = rf"""[^\s"'<>,;:()@\\[\]{_UNSEEN}]+"""
_USUAL = re.compile(
    rf"""\s*+(?:(?:"([^"\\<>@]+)"\s*+|([^"<>,;:()@\\=[\]]*+))
    <({_OF_ADDRESS}@{_OF_ADDRESS})>
    |({_OF_ADDRESS}@{_OF_ADDRESS})(?:\s++\(([^()\\"]*)\))?)\s*+(?:,|\Z)""",
    re.VERBOSE,
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_AROUND_MARKS = re.compile(r" ?([.@]) ?")
_LOOSE = re.compile(r" [.@]|@ ")
_BARE_WORD = re.compile(r"""(?:"(?:[^"\\]++|\\.)*+"|[^\s"]|")++""")
_ADDRESS = re.compile(r"""(?:"(?:[^"\\]++|\\.)*+"|[^\s"<>()@,;]+)@[^\s"<>()@,;]+""")
_WRAPPING = "[]'`<>{}\\‹›«»“”‘’＜＞" + _UNSEEN
# What programs write before an address: the URI scheme, the address type of Exchange.
_SCHEME = re.compile(r"(?:mailto|smtp|e-?mail):\s*", re.IGNORECASE)
_SCHEMES = frozenset(("mailto", "smtp", "email", "e-mail"))
_LONGEST_SCHEME = max(map(len, _SCHEMES))
_OPENING = " [<{("
_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,60}\?[bBqQ]\?")
# Written in the place of brackets and quotes.
_STAND_INS = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("＜", "<"), ("＞", ">"))
_ESCAPE = re.compile(r"&#?\w{2,8}\Z", re.ASCII)
_QUOTE = {ord('"'): " "}
_QUOTES = ("'", '"')
_PARENTHESES = {ord("("): " ", ord(")"): " "}
# A comment within an address.
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*+\)")
_NOTES_NAME = re.compile(r"[^@]*/[^@]*@[^@.]*")


class Mailbox(NamedTuple):
    """A mailbox of a header field: the display name decoded, the address as written."""

    name: str
    email: str


@dataclass(slots=True)
class _Entry:
    """The part of one entry of the list that was read so far.

    `phrase` has the comments too, as they were written, and `has_words` says whether there is more
    in it. `angle` is the text in angle brackets, `email` the address in it; `named` has how much of
    `phrase` and `bare` stands before it.
    """

    phrase: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    comment: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)
    angle: str | None = None
    email: str = ""
    named: tuple[int, int] = (0, 0)
    has_words: bool = False


def parse_mailboxes(text: str, limit: int) -> tuple[Mailbox, ...]:
    """Return the first `limit` mailboxes of an unfolded address list."""
    if len(text) > _MAX_RAW:  # up to a comma: half an address would be another address
        text = text[:_MAX_RAW].rpartition(",")[0]
    if (plain := _PLAIN.fullmatch(text)) and plain[2][0] not in _WRAPPING:
        return (_mailbox(plain[1], plain[2]),)
    if (usual := _usual(text, limit)) is not None:
        return usual
    if "<" not in text and ("&lt;" in text or "＜" in text):
        for sign, mark in _STAND_INS:
            text = text.replace(sign, mark)
    reading = _Reading(limit, ";" in text)
    start = 0
    while (unclosed := reading.read(text, start)) is not None:
        # Else it would hide every address behind it.
        signs = _QUOTE if text[unclosed] == '"' else _PARENTHESES
        start = unclosed + 1
        text = text[:start] + text[start:].translate(signs)
    reading.finish()
    return tuple(reading.mailboxes[:limit])


def _usual(text: str, limit: int) -> tuple[Mailbox, ...] | None:
    """Return the mailboxes of a usual list, as nearly all are; None for any other."""
    found: list[Mailbox] = []
    position = 0
    while position < len(text) and len(found) < limit:
        entry = _USUAL.match(text, position)
        if entry is None:
            return None
        quoted, phrase, angle, bare, comment = entry.groups()
        if bare and (bare[0] in _WRAPPING or bare[-1] in _WRAPPING or bare.startswith("=?")):
            return None
        name = quoted or phrase or comment or ""
        found.append(_mailbox(name, angle or bare))
        position = entry.end()
    return tuple(found) if found else None


def _is_closed(quoted: str) -> bool:
    return len(quoted) > 1 and re.fullmatch(r'"(?:[^"\\]++|\\.)*+"', quoted, re.DOTALL) is not None


@dataclass(slots=True)
class _Reading:
    """A list as far as it was read. `before` may be the part of a name before a comma.

    `has_ends` says whether a group can end: one that cannot is no group, but words of a name.
    `opened` has where the comment that is being read began, and what was there of the entry then.
    """

    limit: int
    has_ends: bool
    mailboxes: list[Mailbox] = field(default_factory=list)
    entry: _Entry = field(default_factory=_Entry)
    entries: int = 0
    depth: int = 0
    opened: tuple[int, int, int] = (0, 0, 0)
    in_group: bool = False
    before: str = ""

    @property
    def is_full(self) -> bool:
        return len(self.mailboxes) >= self.limit or self.entries >= _MOST_ENTRIES

    def read(self, text: str, start: int) -> int | None:
        """Read on from `start`; where a sign is that is never closed, else None at the end."""
        for token in _TOKEN.finditer(text, start):
            kind, value = token.lastgroup or "", token[0]
            if kind == "quoted" and not _is_closed(value):
                self.take("space", " ")
                return token.start()
            if value == "(" and not self.depth:
                entry = self.entry
                self.opened = token.start(), len(entry.comment), len(entry.phrase) + 1
            self.take(kind, value)
            if self.is_full:
                return None
        if not self.depth:
            return None
        unclosed, comments, words = self.opened
        del self.entry.comment[comments:], self.entry.phrase[words:]
        self.depth = 0
        return unclosed

    def take(self, kind: str, value: str) -> None:
        """Read one token."""
        entry = self.entry
        if kind == "pair":
            kind, value = "atom", value[1]
        elif value == ";" and entry.bare and _ESCAPE.search(entry.bare[-1]):
            kind = "atom"  # `Smith &amp; Sons`
        if kind == "mark" and (value == "(" or (value == ")" and self.depth)):
            self.depth += 1 if value == "(" else -1
            # A blank on either side: `Pete(his account)` is no word.
            if value == "(" and self.depth == 1 and entry.comment:
                entry.comment.append(" ")
            apart = value == "(" and entry.phrase and not entry.phrase[-1].isspace()
            entry.phrase.append(f" {value}" if apart and self.depth == 1 else value)
            entry.bare.append(" ")
        elif self.depth:
            entry.comment.append(value)
            entry.phrase.append(value)
        elif kind == "mark" and value != ")":
            self._mark(value)
        elif kind == "angle":
            self._angle(value.strip("<>"))
        elif kind == "mark" and not entry.has_words:  # a bracket that closes nothing
            return
        elif kind != "stray":
            entry.bare.append(value if value != ")" else " ")
            entry.has_words = entry.has_words or kind != "space"
            if kind == "quoted":
                value = _QUOTED_PAIR.sub(r"\1", value[1:].removesuffix('"'))
                entry.quoted.append(value)
            entry.phrase.append(value)

    def _angle(self, inner: str) -> None:
        if "(" in inner and len(inner) <= _LONGEST_COMMENTED:
            inner = _without_comments(inner)
        entry = self.entry
        email = _address(inner)  # once for each: the first one may be long, and thousands follow
        if entry.email and email not in ("", entry.email):
            phrases, bares = entry.named
            following = _Entry(entry.phrase[phrases:], entry.bare[bares:], has_words=True)
            del entry.phrase[phrases:], entry.bare[bares:]
            self.finish()
            entry = self.entry = following
        if not entry.email:
            entry.angle, entry.email = inner, email
            entry.named = len(entry.phrase), len(entry.bare)

    def _mark(self, mark: str) -> None:
        if mark == ":":
            if _last_word(self.entry.bare).lower() in _SCHEMES:
                _drop_last_word(self.entry)
                return
            # A stray mark: no group is called so.
            if self.entry.angle or _address("".join(self.entry.bare).strip(_OPENING)):
                self.finish()
                return
            if not self.has_ends:
                self.entry.phrase.append(mark)
                self.entry.bare.append(": ")
                return
            # It was the name of a group.
            self.entry, self.before, self.in_group = _Entry(), "", True
        elif mark == ";" and self.in_group:
            self.finish()
            self.in_group = False
        else:
            self._end_entry(", " if mark == "," else ";")

    def _end_entry(self, mark: str) -> None:
        """End an entry at `mark`, which is empty where no name goes on behind it."""
        is_apart = "".join(self.entry.phrase[:1])[:1].isspace()
        found = _mailboxes_of(self.entry)
        if self.mailboxes and not (self.entry.has_words or self.entry.email):
            found = []  # a remark behind a group
        self.entry = _Entry()
        self.entries += 1
        if self.before and found:
            gap = " " if is_apart and self.before.endswith(";") else ""
            first = found[0]
            name = (self.before + gap + first.name)[:MAX_TEXT].rstrip(",; ")
            found[0] = Mailbox(name, first.email)
        elif self.before:
            found = [Mailbox(self.before.rstrip(",; "), "")]
        self.before = ""
        if mark and len(found) == 1 and not found[0].email:
            self.before = found[0].name + mark
            return
        self.mailboxes += found

    def finish(self) -> None:
        """End the entry: the end of a group or of the list."""
        self._end_entry("")


def _last_word(tokens: Sequence[str]) -> str:
    """The last word, as far as one of `_SCHEMES` goes; without the brackets around it."""
    word = ""
    for token in reversed(tokens):
        if word and (token.isspace() or len(word) > _LONGEST_SCHEME):
            break
        word = (token + word).strip(_OPENING)
    return word


def _drop_last_word(entry: _Entry) -> None:
    """Take `mailto` out of what was read."""
    for words in (entry.phrase, entry.bare):
        while words and not words.pop().strip(_OPENING):
            pass


def _without_comments(inner: str) -> str:
    """The text between angle brackets; comments may lie in one another, three deep."""
    for _ in range(3):
        inner = _COMMENT.sub(" ", inner)
    return " ".join(inner.split())


def _mailboxes_of(entry: _Entry) -> list[Mailbox]:
    """Return the mailboxes of an entry: mostly one, several when only blanks separate addresses."""
    if email := entry.email:
        others = _bare_addresses("".join(entry.bare[entry.named[1] :]).split())
        if others:
            del entry.phrase[entry.named[0] :]
        more = [_mailbox("", one) for one in others.values() if one != email]
        return [_mailbox(_name(entry), email), *more]
    bare = " ".join("".join(entry.bare).split())
    if _LOOSE.search(bare):
        joined = _AROUND_MARKS.sub(r"\1", bare)
        bare = joined if _address(joined) else bare
    words = _BARE_WORD.findall(bare)
    addresses = _bare_addresses(words)
    if not addresses:
        return _without_bare_address(entry)
    if len(addresses) > 1:
        return [_mailbox("", email) for email in addresses.values()]
    ((place, email),) = addresses.items()
    beside = [_unquoted(word) for word in words[:place] + words[place + 1 :]]
    name = " ".join(beside) or "".join(entry.comment)
    return [_mailbox(name, email)]


def _bare_addresses(words: list[str]) -> dict[int, str]:
    """The addresses among words, by their place."""
    found = {place: email for place, word in enumerate(words) if (email := _address(word))}
    if len(words) > 1 and any("/" in email for email in found.values()):
        return {at: email for at, email in found.items() if not _NOTES_NAME.fullmatch(email)}
    return found


def _name(entry: _Entry) -> str:
    return "".join(entry.phrase if entry.has_words else entry.comment)


def _without_bare_address(entry: _Entry) -> list[Mailbox]:
    """Return the mailbox whose address stands in a quoted string or in the comment, if one does."""
    comment = "".join(entry.comment)
    for within in (*entry.quoted, comment):
        found = list(filter(None, map(_address, re.split(r"[\s<>,;]+", within))))
        if len(found) == 1:
            phrase = "".join(entry.phrase).replace(f"({comment})", "")
            name = phrase.replace(f"<{found[0]}>", "").replace(found[0], "")
            return [_mailbox(name.strip(" <>()"), found[0])]
    name = readable(_name(entry) or entry.angle or "")
    # `undisclosed-recipients:`, whose end was left out, is nobody.
    return [Mailbox(name, "")] if name and not name.endswith(":") else []


def _unquoted(word: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", word[1:-1]) if len(word) > 1 and _is_closed(word) else word


def _address(text: str) -> str:
    """Return the address in `text`, or an empty one."""
    email = text.strip(" \t,")
    if email.startswith("@"):  # a source route
        email = email.partition(":")[2].lstrip()
    if email[:1] in _WRAPPING or email[-1:] in _WRAPPING:
        email = email.strip(_WRAPPING)
    if len(email) > 2 and email[0] == '"' == email[-1]:
        email = email[1:-1].strip(_WRAPPING)
    if ":" in email and (scheme := _SCHEME.match(email)):
        email = email[scheme.end() :].partition("?")[0]
    if _LOOSE.search(email):
        email = _AROUND_MARKS.sub(r"\1", email)
    domain_literal = text.strip().endswith("]") and "@[" in email
    email += "]" if domain_literal and not email.endswith("]") else ""
    usable = len(email) <= MAX_EMAIL and _ADDRESS.fullmatch(email)
    if not usable or _ENCODED_WORD.match(email):
        return ""
    return harmless(email)


def _mailbox(name: str, email: str) -> Mailbox:
    usable = len(email) <= MAX_EMAIL
    # Decoded only now: an encoded `<` or `@` must not make an address.
    if name and (name := readable(name)):
        if "  " in name:
            name = " ".join(name.split())
        # Quotes that were encoded with the name, or put around quotes.
        if len(name) > 2 and name[0] == name[-1] in _QUOTES and name[0] not in name[1:-1]:
            name = name[1:-1].strip()
    return Mailbox(name, harmless(email).removesuffix(".") if usable else "")

"""The address lists of From, To and Cc.

Rules this module keeps:

- Never raises; the time is in proportion to the text, of which 32,768 characters are read, and it
  ends after `limit` mailboxes.
- Comments and groups are understood, quoted strings protect their content, encoded words are
  decoded only after the structure is known: no decoded character ever makes an address.
- Only an address in the text counts: words are never joined to one, but around the dots and the @
  where RFC 5322 4.4 allows blanks. A quote that is never closed protects nothing.
- Words before a comma that have no address are the beginning of the next one's name, as in `Doe,
  Jane <jane@example.com>`. A second address in an entry is another mailbox: its comma is missing.
- An entry without any other address has the one that stands in its quoted string or comment; an
  entry without any at all has an empty `email`.
- Around an address brackets of all kinds, `mailto:` and `SMTP:` are passed over, as Exchange,
  Outlook and web pages leave them.

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
_USUAL = re.compile(
    r"""\s*+(?:(?:"([^"\\<>@]+)"|([^"<>,;:()@\\=[\]]*))\s*<([^\s"'<>,;:()@\\[\]]+@[^\s"'<>,;:()@\\[\]]+)>
    |([^\s"'<>,;:()@\\[\]]+@[^\s"'<>,;:()@\\[\]]+)(?:\s+\(([^()\\"]*)\))?)\s*+(?:,|\Z)""",
    re.VERBOSE,
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_AROUND_MARKS = re.compile(r" ?([.@]) ?")
_LOOSE = re.compile(r" [.@]|@ ")
_BARE_WORD = re.compile(r"""(?:"(?:[^"\\]++|\\.)*+"|[^\s"]|")++""")
_ADDRESS = re.compile(r"""(?:"(?:[^"\\]++|\\.)*+"|[^\s"<>()@,;]+)@[^\s"<>()@,;]+""")
_WRAPPING = "[]'`<>{}‹›«»“”‘’＜＞"
# What programs write before an address: the URI scheme, the address type of Exchange.
_SCHEME = re.compile(r"(?:mailto|smtp|e-?mail):\s*", re.IGNORECASE)
_SCHEMES = frozenset(("mailto", "smtp", "email", "e-mail"))
_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,60}\?[bBqQ]\?")
_OF_HTML = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'))


class Mailbox(NamedTuple):
    """A mailbox of a header field: the display name decoded, the address as written."""

    name: str
    email: str


@dataclass(slots=True)
class _Entry:
    """The part of one entry of the list that was read so far.

    `named` has how much of `phrase` and `bare` stands before the address in angle brackets.
    """

    phrase: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    comment: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)
    angle: str | None = None
    named: tuple[int, int] = (0, 0)


def parse_mailboxes(text: str, limit: int) -> tuple[Mailbox, ...]:
    """Return the first `limit` mailboxes of an unfolded address list."""
    if len(text) > _MAX_RAW:  # up to a comma: half an address would be another address
        text = text[:_MAX_RAW].rpartition(",")[0]
    if (plain := _PLAIN.fullmatch(text)) and plain[2][0] not in _WRAPPING:
        return (_mailbox(plain[1], plain[2]),)
    if (usual := _usual(text, limit)) is not None:
        return usual
    if "&lt;" in text and "<" not in text:
        for escape, mark in _OF_HTML:
            text = text.replace(escape, mark)
    reading = _Reading(limit)
    position = 0
    for token in _TOKEN.finditer(text):
        # Else a quote that never closes would hide every address behind it.
        if token.lastgroup == "quoted" and not _is_closed(token[0]):
            reading.take("space", " ")
            position = token.start() + 1
            break
        reading.take(token.lastgroup or "", token[0])
        position = token.end()
        if reading.is_full:
            break
    if position < len(text) and not reading.is_full:
        for token in _TOKEN.finditer(text[position:].replace('"', " ")):
            reading.take(token.lastgroup or "", token[0])
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
        if bare and (bare[0] in _WRAPPING or bare.startswith("=?")):
            return None
        name = quoted or phrase or comment or ""
        found.append(_mailbox(name, angle or bare))
        position = entry.end()
    return tuple(found) if found else None


def _is_closed(quoted: str) -> bool:
    return len(quoted) > 1 and re.fullmatch(r'"(?:[^"\\]++|\\.)*+"', quoted, re.DOTALL) is not None


@dataclass(slots=True)
class _Reading:
    """A list as far as it was read. `before` may be the part of a name before a comma."""

    limit: int
    mailboxes: list[Mailbox] = field(default_factory=list)
    entry: _Entry = field(default_factory=_Entry)
    depth: int = 0
    before: str = ""

    @property
    def is_full(self) -> bool:
        return len(self.mailboxes) >= self.limit

    def take(self, kind: str, value: str) -> None:
        """Read one token."""
        entry = self.entry
        if value == "(" or (value == ")" and self.depth):
            self.depth += 1 if value == "(" else -1
            entry.bare.append(" ")
        elif self.depth:
            entry.comment.append(value)
        elif kind == "mark":
            self._mark(value)
        elif kind == "angle":
            self._angle(value.strip("<>"))
        elif kind != "stray":
            entry.bare.append(value)
            if kind == "quoted":
                value = _QUOTED_PAIR.sub(r"\1", value[1:].removesuffix('"'))
                entry.quoted.append(value)
            entry.phrase.append(value)

    def _angle(self, inner: str) -> None:
        entry = self.entry
        known = _address(entry.angle or "")
        if known and _address(inner) not in ("", known):
            phrases, bares = entry.named
            following = _Entry(entry.phrase[phrases:], entry.bare[bares:])
            del entry.phrase[phrases:], entry.bare[bares:]
            self.finish()
            entry = self.entry = following
            entry.angle = None
        if not entry.angle:
            entry.angle = inner
            entry.named = len(entry.phrase), len(entry.bare)

    def _mark(self, mark: str) -> None:
        if mark == ":":
            said = "".join(self.entry.bare).strip(" [<{(")
            if said.rpartition(" ")[2].strip("[<{(").lower() in _SCHEMES:
                _drop_last_word(self.entry)
                return
            if _address(said):  # a stray mark: no group is called so
                self.finish()
                return
            self.entry, self.before = _Entry(), ""  # it was the name of a group
        elif mark == ",":
            self._end_entry(goes_on=True)
        else:
            self.finish()

    def _end_entry(self, *, goes_on: bool) -> None:
        found = _mailboxes_of(self.entry)
        self.entry = _Entry()
        if goes_on and len(found) == 1 and not found[0].email:
            self.before += found[0].name + ", "
            return
        if self.before and found:
            first = found[0]
            found[0] = Mailbox(readable(self.before + first.name).rstrip(", "), first.email)
        elif self.before:
            found = [Mailbox(self.before.rstrip(", "), "")]
        self.before = ""
        self.mailboxes += found

    def finish(self) -> None:
        """End the entry: a comma, the end of a group or of the list."""
        self._end_entry(goes_on=False)


def _drop_last_word(entry: _Entry) -> None:
    """Take `mailto` out of what was read."""
    for words in (entry.phrase, entry.bare):
        while words and not words.pop().strip(" [<{("):
            pass


def _mailboxes_of(entry: _Entry) -> list[Mailbox]:
    """Return the mailboxes of an entry: mostly one, several when only blanks separate addresses."""
    phrase = "".join(entry.phrase)
    if entry.angle is not None and (email := _address(entry.angle)):
        behind = "".join(entry.bare[entry.named[1] :]).split()
        others = list(filter(None, map(_address, behind)))
        if others:
            phrase = "".join(entry.phrase[: entry.named[0]])
        return [_mailbox(phrase, email), *(_mailbox("", one) for one in others if one != email)]
    bare = " ".join("".join(entry.bare).split())
    if _LOOSE.search(bare):
        joined = _AROUND_MARKS.sub(r"\1", bare)
        bare = joined if _address(joined) else bare
    words = _BARE_WORD.findall(bare)
    addresses = {place: email for place, word in enumerate(words) if (email := _address(word))}
    if not addresses:
        return _without_bare_address(entry, phrase)
    if len(addresses) > 1:
        return [_mailbox("", email) for email in addresses.values()]
    ((place, email),) = addresses.items()
    others = [_unquoted(word) for word in words[:place] + words[place + 1 :]]
    name = " ".join(others) or "".join(entry.comment)
    return [_mailbox(name, email)]


def _without_bare_address(entry: _Entry, phrase: str) -> list[Mailbox]:
    """Return the mailbox whose address stands in a quoted string or in the comment, if one does."""
    comment = "".join(entry.comment)
    for within in (*entry.quoted, comment):
        found = list(filter(None, map(_address, re.split(r"[\s<>,;]+", within))))
        if len(found) == 1:
            name = phrase.replace(f"<{found[0]}>", "").replace(found[0], "")
            return [_mailbox(name.strip(" <>()"), found[0])]
    name = readable(phrase) or readable(comment)
    return [Mailbox(name, "")] if name else []


def _unquoted(word: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", word[1:-1]) if len(word) > 1 and _is_closed(word) else word


def _address(text: str) -> str:
    """Return the address in `text`, or an empty one."""
    email = text.strip()
    if email.startswith("@"):  # a source route
        email = email.partition(":")[2]
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
    name = readable(name)
    if len(name) > 2 and name[0] == "'" == name[-1]:
        name = name[1:-1].strip()
    return Mailbox(name, harmless(email) if usable else "")

"""Content lines: a vCard file as its physical lines, and a card as its properties.

- A file may be UTF-8, UTF-16 (with a byte order mark, or plainly so) or in an 8-bit charset; its
  lines may end in CRLF, LF or CR. It is read in pieces.
- A fold is undone; so is a soft line break of quoted-printable. A physical line that is no property
  goes on with the text before it, as programs write that do not escape line ends; but not with a
  number, an address or another value that has one line only.
- An entry is a property together with what its group says of it (`item1.TEL`, `item1.X-ABLabel`),
  as lines that are joined by LF. Entries compare without the name of their group.

RFC 6350 section 3; vCard 2.1 section 2.1.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import IncrementalNewlineDecoder
from itertools import chain
from typing import Protocol

from storage.vcard.vcard_values import decoded, quoted_printable

MAX_READ = 4 * 1024 * 1024

_CHUNK = 64 * 1024
_MOST_FOLDS = 40
_HEAD = re.compile(r"(?:([\w-]+)\.)?([\w-]+)[ \t]*(?=[;:])", re.ASCII)
# Possessive: a line without a colon may have 4 MiB, and each step that could be taken back is kept.
_OCTET_HEAD = re.compile(
    rb"(?:[\w-]++\.)?([\w-]++)[ \t]*+(?:;(?:\"[^\"]*+\"|[^\":]++)*+|;[^:]*+)?:"
)
# A line that ends within the quotes of a parameter.
_OPEN_HEAD = re.compile(rb"(?:[\w-]++\.)?([\w-]++);(?:\"[^\"]*+\"|[^\":]++)*+(?<==)\"[^\"]*+")
_PARAMETER = re.compile(r';((?:"[^"]*+"|[^";:]++)*+)')
_LOOSE_PARAMETER = re.compile(r";([^;:]*)")
_CUSTOM = re.compile(r"X-CUSTOM\(CHARSET=([\w-]+),ENCODING=QUOTED-PRINTABLE,(.*)\)", re.IGNORECASE)
_GROUP = re.compile(r"^([\w-]+)\.(?=[\w-]+[;:])", re.ASCII)
_CHARSET = re.compile(rb";[ \t]*CHARSET=\"?([\w.+-]+)", re.IGNORECASE)
_CARET = {"^n": "\n", "^'": '"', "^^": "^"}
_WORD = re.compile(r"[\w./+-]+")
_PLAIN_PARAMETER = re.compile(r"[^\s\";:,]+")
_ENCODINGS = frozenset({"QUOTED-PRINTABLE", "BASE64", "8BIT", "7BIT"})
# A line behind one of these that is no property is not theirs: it would spoil them.
_OF_ONE_LINE = frozenset(
    b"VERSION PRODID REV UID TEL EMAIL BDAY ANNIVERSARY KIND GENDER GEO TZ CLASS MAILER".split()
)
_DATA = re.compile(rb":[ \t]*+data:[\w.+/-]*+[^,]{0,100};base64", re.IGNORECASE)
_MOST_PARAMETERS = 100
# What a group says of another property of it. Each property of the group holds it: there must not
# be much of it.
_COMPANIONS = frozenset({"X-ABLABEL", "X-ABADR"})
_MOST_COMPANIONS = 4
_LONGEST_COMPANION = 1_000
# The properties of RFC 6350 with its extensions, of RFC 2426 and of 2.1. Behind a note any other
# name begins a line of the note: "Office: ask for Ann".
_KNOWN = re.compile(
    r"ADR|AGENT|ANNIVERSARY|BDAY|BIRTHPLACE|CALADRURI|CALURI|CATEGORIES|CLASS|CLIENTPIDMAP"
    r"|CONTACT-URI|CREATED|DEATHDATE|DEATHPLACE|EMAIL|EXPERTISE|FBURL|FN|GENDER|GEO|GRAMGENDER"
    r"|HOBBY|IMPP|INTEREST|JSPROP|KEY|KIND|LABEL|LANG|LANGUAGE|LOGO|MAILER|MEMBER|N|NAME|NICKNAME"
    r"|NOTE|ORG|ORG-DIRECTORY|PHOTO|PRODID|PROFILE|PRONOUNS|RELATED|REV|ROLE|SOCIALPROFILE"
    r"|SORT-STRING|SOUND|SOURCE|TEL|TITLE|TZ|UID|URL|VERSION|XML|X-.+"
)


class Octets(Protocol):
    """A file of octets that is read from where it stands."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Line:
    """A content line, unfolded; `raw` is all of it."""

    raw: str
    group: str
    name: str
    parameters: tuple[tuple[str, str], ...]
    value: str

    def values(self, name: str) -> list[str]:
        """The values of a parameter, also where it stands more than once."""
        found = [value for key, value in self.parameters if key == name]
        return [part for value in found for part in _parted_parameter(value)]

    def rebuilt(self) -> Line:
        """The line with `raw` made anew from its parts."""
        prefix = f"{self.group}." if self.group else ""
        parameters = "".join(f";{name}={value}" for name, value in self.parameters)
        return replace(self, raw=f"{prefix}{self.name}{parameters}:{self.value}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A property and what its group says of it. `label` is that of Apple's X-ABLabel."""

    text: str
    line: Line
    label: str
    has_companions: bool

    def under(self, group: str) -> str:
        """The text under another group."""
        return "\n".join(f"{group}.{_GROUP.sub('', raw)}" for raw in self.text.split("\n"))


def physical_lines(file: Octets) -> Iterator[bytes]:
    """The lines without their ends, in UTF-8 or in the 8-bit charset of the file."""
    chunk = file.read(_CHUNK)
    encoding = _encoding(chunk)
    newlines = IncrementalNewlineDecoder(
        codecs.getincrementaldecoder(encoding)(errors="replace"), translate=True
    )
    written = "latin-1" if encoding == "latin-1" else "utf-8"
    rest = ""
    while chunk:
        rest += newlines.decode(chunk)
        *whole, rest = rest.split("\n")
        if len(rest) > MAX_READ:  # more than a card may have: given in pieces
            whole, rest = [*whole, rest], ""
        yield from (line.encode(written, "replace") for line in whole)
        chunk = file.read(_CHUNK)
    rest += newlines.decode(b"", final=True)
    yield from (line.encode(written, "replace") for line in rest.split("\n") if line)


def _encoding(start: bytes) -> str:
    """UTF-16 as its mark or its zero octets tell; else octets as they are."""
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    # Outlook and some telephones export UTF-16 without a mark; ASCII text then has zeros.
    if start[:4:2] == b"\0\0":
        return "utf-16-be"
    return "utf-16-le" if start[1:4:2] == b"\0\0" else "latin-1"


@dataclass(slots=True)
class _Open:
    """A property that is being read: its octets, and how what follows is joined to it."""

    octets: list[bytes]
    name: bytes
    joint: bytes
    is_quoted: bool
    blanks: int = 0


def unfolded(physical: Iterable[bytes]) -> Iterator[str]:
    """Whole lines as text, which hold an LF where a line end was not escaped."""
    current: _Open | None = None
    for line, folds in _with_folds(physical):
        head = line if _OCTET_HEAD.match(line) else _head_of(line, folds)
        if current is None or not _goes_on(current, line, head):
            if current is not None:
                yield _as_text(current)
            current = _opened(line, head) if line.strip() else None
        for fold in folds:
            if current is not None:
                _goes_on(current, fold, fold)
    if current is not None:
        yield _as_text(current)


def _with_folds(physical: Iterable[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
    """Each line that begins without a blank, and those behind it that begin with one."""
    line: bytes | None = None
    folds: list[bytes] = []
    for one in physical:
        if line is not None and one[:1] in (b" ", b"\t"):
            folds.append(one)
            continue
        if line is not None:
            yield line, folds
        line, folds = one, []
    if line is not None:
        yield line, folds


def _head_of(line: bytes, folds: Sequence[bytes]) -> bytes:
    """The line with as many folds as parameters may have: the colon may stand behind some."""
    return line + b"".join(fold[1:] for fold in folds[:_MOST_FOLDS])


def _goes_on(current: _Open, line: bytes, head: bytes) -> bool:
    """Add a line to the property before it, if it belongs there; `head` has all its parameters."""
    if current.is_quoted and current.octets[-1].rstrip().endswith(b"="):
        current.octets[-1] = current.octets[-1].rstrip()[:-1]
        current.octets.append(line[1:] if line[:1] in (b" ", b"\t") else line)
    elif not line.strip():
        current.blanks += 1
    elif line[:1] in (b" ", b"\t"):
        current.octets.append(line[1:])
        current.blanks = 0
    elif current.name in _OF_ONE_LINE or _begins_property(head, after=current.name):
        return False
    else:
        current.octets.append(current.joint * (1 + current.blanks) + line)
        current.blanks = 0
    return True


def _begins_property(line: bytes, *, after: bytes) -> bool:
    head = _OCTET_HEAD.match(line)
    if head is None:
        is_open = _OPEN_HEAD.fullmatch(line)
        return is_open is not None and _KNOWN.fullmatch(is_open[1].upper().decode()) is not None
    name = head[1].upper().decode()
    is_grouped = head.start(1) > 0
    # Programs that do not escape line ends write notes with lines such as "Office: ask for Ann".
    return after != b"NOTE" or _KNOWN.fullmatch(name) is not None or is_grouped


def _opened(line: bytes, whole: bytes) -> _Open:
    found = _OCTET_HEAD.match(whole)
    head = found[0].upper() if found else b""
    is_quoted = re.search(rb"[;=]QUOTED-PRINTABLE[;:]", head) is not None
    is_binary = re.search(rb"[;=](?:BASE64|B)[;:]", head) is not None or (
        found is not None and _DATA.match(whole, found.end() - 1) is not None
    )
    name = found[1].upper() if found else b""
    return _Open([line], name, b"" if is_quoted or is_binary else b"\n", is_quoted)


def _as_text(one: _Open) -> str:
    octets = b"".join(one.octets)
    found = _OCTET_HEAD.match(octets)
    label = _CHARSET.search(found[0]) if found else None
    return decoded(octets, label[1].decode() if label else "")


def content_line(raw: str) -> Line | None:
    """The parts of a content line; None when it is none."""
    head = _HEAD.match(raw)
    if head is None:
        return None
    found = _parameters(raw, head.end(), _PARAMETER)
    if found is None:  # a quote that is never closed
        found = _parameters(raw, head.end(), _LOOSE_PARAMETER)
    if found is None:
        return None
    parameters, end, is_bare = found
    line = Line(raw, head[1] or "", head[2].upper(), parameters, raw[end + 1 :])
    return line.rebuilt() if is_bare else line


def _parameters(
    raw: str, position: int, pattern: re.Pattern[str]
) -> tuple[tuple[tuple[str, str], ...], int, bool] | None:
    """Parameters, where the colon stands, and whether one was a bare word as in 2.1."""
    parameters: list[tuple[str, str]] = []
    is_bare = False
    while found := pattern.match(raw, position):
        if len(parameters) == _MOST_PARAMETERS:
            return None
        position = found.end()
        name, equals, value = map(str.strip, found[1].partition("="))
        if custom := _CUSTOM.fullmatch(found[1]):
            label = quoted_printable(custom[2], custom[1])
            name, equals, value = "TYPE", "", parameter_value(label)
        elif not equals:
            value = name
            name = "ENCODING" if value.upper() in _ENCODINGS else "TYPE"
            value = value if _WORD.fullmatch(value) else parameter_value(value)
        is_bare = is_bare or not equals
        if value:
            parameters.append((name.upper(), value))
    return (tuple(parameters), position, is_bare) if raw[position : position + 1] == ":" else None


def parameter_value(text: str) -> str:
    """A text as it stands in a parameter (RFC 6868)."""
    written = text.replace("^", "^^").replace("\n", "^n").replace('"', "^'")
    return written if _PLAIN_PARAMETER.fullmatch(written) else f'"{written}"'


def _parted_parameter(value: str) -> list[str]:
    """The values of a list, also of one that stands in quotes as a whole (RFC 6350 section 8)."""
    parts: list[str] = []
    for part in re.findall(r'"[^"]*"|[^,"]+', value):
        words = part.strip('"').split(",")
        parts += words if all(map(_WORD.fullmatch, words)) else [part.strip('"')]
    return [re.sub(r"\^[n'^]", lambda one: _CARET[one[0]], part) for part in parts]


def has_group(entry: str) -> bool:
    """Whether an entry stands in a group."""
    return _GROUP.match(entry) is not None


def without_group(entry: str) -> str:
    """The text of an entry as it compares."""
    return "\n".join(_GROUP.sub("", raw) for raw in entry.split("\n"))


def bundled(raws: Iterable[str]) -> tuple[str, ...]:
    """Entries: each property with what its group says of it; what is one already stays so."""
    said: dict[str, list[str]] = {}
    entries: list[tuple[str, str]] = []
    for raw in raws:
        group = found[1].lower() if "\n" not in raw and (found := _GROUP.match(raw)) else ""
        name = _GROUP.sub("", raw).replace(";", ":").partition(":")[0].upper()
        if not (group and name in _COMPANIONS):
            entries.append((group, raw))
        elif len(raw) <= _LONGEST_COMPANION and len(said.get(group, ())) < _MOST_COMPANIONS:
            said.setdefault(group, []).append(raw)
        else:
            entries.append(("", raw))
    groups = {group for group, _ in entries}
    whole = ["\n".join([raw, *said.get(group, [])]) for group, raw in entries]
    # A group that says it of nothing: each by itself, however many come back together.
    alone = (raws for group, raws in said.items() if group not in groups)
    return (*whole, *chain.from_iterable(alone))


def entry_of(text: str) -> Entry | None:
    """The parts of an entry; None when its first line is no property."""
    first, *others = text.split("\n")
    line = content_line(first)
    if line is None:
        return None
    label = ""
    for companion in map(content_line, others):
        if companion is not None and companion.name == "X-ABLABEL":
            label = _apple_label(companion.value)
    return Entry(text, line, label, bool(others))


def _apple_label(value: str) -> str:
    """`_$!<Work>!$_` is a label that Apple's programs translate."""
    text = value.replace("\\n", " ").replace("\\", "").strip()
    return text.removeprefix("_$!<").removesuffix(">!$_")[:100]

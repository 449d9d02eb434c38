"""The tree of parts, cut in one pass over the octets.

- Nothing is recursive: the boundaries that are open are a stack of at most 100, and each line that
  could be a boundary costs one look-up, however deep it lies.
- A boundary of an outer part ends the inner ones. A multipart that takes up the boundary of one
  around it has what follows, up to the end that it names; the rest is the outer one's again.
- A multipart in which no part begins is text, up to its end; so says Python's `email`, too.
- Which part lies in which is kept: what a part means depends on the multipart around it.
- Beyond 1,000 parts, 100 levels or the time given, what was found until then is the result, and
  `whole` is false.
- An attached message is one leaf: it is a file to its reader, not a part of the letter.
- A leaf in base 64 ends before the footer that a mailing list wrote behind it in plain text. One
  that has nothing but digits, some of them `-` or `_`, is in the alphabet for addresses.

RFC 2046 5.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from string import ascii_letters, digits

from gateway.message.header_scan import raw_charset
from gateway.parser.fields import Kind, Octets, kind_of, read_header
from storage.message_format.header_grammar import MAX_OCTETS, begin

MAX_PARTS = 1_000
MAX_DEPTH = 100
_MAX_BOUNDARY = 1_000
_LOOK_AT_CLOCK = 256

# Single quotes, a comment, a doubled sign of equality: of the field, not of the boundary.
_ODD_BOUNDARY = re.compile(rb"\A['=]+|'\Z|[ \t]*\([^()]*\)\Z")
# A ruler, or a line of three words. It is looked for in the last octets of a part only.
_FOOTER = re.compile(
    rb"^[ \t]*+(?:_{5}|-{5}|-- ?\r?$|[^\s=]++[ \t]++[^\s=]++[ \t]++[^\s=])", re.MULTILINE
)
_FOOTER_WITHIN = 4 * 1024
_ALPHABET_WITHIN = 64 * 1024
_DIGITS_OF_URLS = (ascii_letters + digits + "-_=\r\n").encode()
# No ruler, and longer than a word of a text that is called base 64.
_LINE_OF_URLS = re.compile(rb"\s*+(?=[_-]{0,3}[A-Za-z0-9])[A-Za-z0-9_-]{16,}+={0,2}(?:[\r\n]|\Z)")
_BASE64_LINE = re.compile(rb"\s*+[A-Za-z0-9+/]{4,}+={0,2}[ \t]*(?:[\r\n]|\Z)")
_REST_OF_LINE = re.compile(rb"[^\r\n]*")
_LINE_END = re.compile(rb"\r\n?|\n|\Z")


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Octets that parts are cut from: those of the message, or those that are signed in `part`."""

    octets: Octets
    part: Leaf | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part that holds no parts: octets `start` to `end` of its source.

    `size` is there when the letter that is signed in it is shown in its place: how long it is once
    decoded.
    """

    kind: Kind
    start: int
    end: int
    source: Source
    size: int | None = None

    def beginning(self, most: int) -> bytes:
        """At most so many octets of it, from the first on."""
        return self.source.octets[self.start : min(self.end, self.start + most)]


@dataclass(frozen=True, slots=True)
class Branch:
    """A multipart: its type, its parts in their order, the Content-Id of its root if it has one."""

    content_type: str
    parts: list[Leaf | Branch]
    root_id: str | None = None


@dataclass(frozen=True, slots=True)
class Structure:
    """The tree, and the raw Content-Type and Reply-To of the message itself."""

    root: Leaf | Branch
    content_type: bytes
    reply_to: bytes
    whole: bool
    parts: int

    @property
    def leaves(self) -> list[Leaf]:
        """All that hold no parts, in the order in which they stand in the message."""
        return list(leaves_of(self.root))


def leaves_of(part: Leaf | Branch) -> Iterator[Leaf]:
    """The leaves below a part; at most 100 levels lie above one."""
    if isinstance(part, Leaf):
        yield part
        return
    for one in part.parts:
        yield from leaves_of(one)


@dataclass(slots=True)
class _Level:
    """A multipart that is open; `outer` is the level that has the same boundary."""

    kind: Kind
    start: int
    outer: int | None = None
    parts: list[Leaf | Branch] = field(default_factory=list)


@dataclass(slots=True)
class _Cutter:
    source: Source
    raw_codec: Callable[[], str]
    parts: int
    levels: list[_Level] = field(default_factory=list)
    active: dict[bytes, int] = field(default_factory=dict)
    root: Leaf | Branch | None = None
    open_leaf: tuple[Kind, int] | None = None
    whole: bool = True

    @property
    def data(self) -> Octets:
        """The octets that are cut."""
        return self.source.octets

    def put(self, part: Leaf | Branch) -> None:
        """Place a part that is complete."""
        if self.levels:
            self.levels[-1].parts.append(part)
        else:
            self.root = part

    def level_of(self, line: bytes) -> tuple[int, bool] | None:
        """The level whose boundary a line is, and whether it closes that level."""
        mark = line[2:].rstrip(b"\r\n").rstrip(b" \t")
        if mark in self.active:
            return self.active[mark], False
        if not mark.endswith(b"--"):
            return None
        # A boundary that is said to end in blanks is known without them.
        level = self.active.get(mark[:-2].rstrip(b" \t"))
        return None if level is None else (level, True)


def split(source: Source, in_time: Callable[[], bool], parts: int = 0) -> Structure:
    """The parts of a message; `in_time` is asked now and then. So many were found elsewhere."""
    data = source.octets
    header = read_header(data, begin(data), lambda line: False)
    of_type = header.values.get(b"content-type", b"")
    cutter = _Cutter(source, cache(lambda: raw_charset(data[:MAX_OCTETS], of_type)), parts)
    cutter.whole = header.whole
    position = _open(cutter, header.values, header.body, "text/plain")
    end = len(data)
    for count, start in enumerate(_candidates(data, position) if cutter.levels else ()):
        if not cutter.levels:
            break
        if cutter.parts > MAX_PARTS or (count % _LOOK_AT_CLOCK == 0 and not in_time()):
            cutter.whole = False
            end = _before_line_end(data, start)
            break
        # Lines of a header that was read already are no boundaries.
        if start >= position:
            position = _meet(cutter, start) or position
    _close_to(cutter, 0, end)
    assert cutter.root is not None
    reply_to = header.values.get(b"reply-to", b"")
    return Structure(cutter.root, of_type, reply_to, cutter.whole, cutter.parts)


def _candidates(data: Octets, position: int) -> Iterator[int]:
    """Where lines begin with two hyphens. Each kind of line end is looked for only once."""
    following = {mark: data.find(mark, max(position - 1, 0)) for mark in (b"\n--", b"\r--")}
    while True:
        found = [(place, mark) for mark, place in following.items() if place >= 0]
        if not found:
            return
        place, mark = min(found)
        yield place + 1
        following[mark] = data.find(mark, place + 1)


def _meet(cutter: _Cutter, start: int) -> int | None:
    """Take a line that may be a boundary; where to go on when it is one."""
    level, after = _boundary_at(cutter, start)
    if level is None:
        return None
    number, closes = level
    _close_to(cutter, number + 1, _before_line_end(cutter.data, start))
    if closes:
        _close_to(cutter, number, _before_line_end(cutter.data, start))
        return after
    while True:  # boundaries in a row part nothing from nothing
        level, behind = _boundary_at(cutter, after)
        if level is None or level[0] != number:
            break
        after = behind
    header = read_header(cutter.data, after, lambda line: cutter.level_of(line) is not None)
    cutter.whole = cutter.whole and header.whole
    digest = cutter.levels[number].kind.content_type == "multipart/digest"
    return _open(cutter, header.values, header.body, "message/rfc822" if digest else "text/plain")


def _boundary_at(cutter: _Cutter, start: int) -> tuple[tuple[int, bool] | None, int]:
    """Return the boundary in the line at `start`, if it is one, and where the next line begins."""
    if cutter.data[start : start + 2] != b"--":
        return None, start
    line = _REST_OF_LINE.match(cutter.data, start, start + _MAX_BOUNDARY + 8)
    assert line is not None
    level = cutter.level_of(line[0])
    if level is None:
        return None, start
    line_end = _LINE_END.search(cutter.data, line.end())
    assert line_end is not None
    return level, line_end.end()


def _open(cutter: _Cutter, values: dict[bytes, bytes], body: int, default: str) -> int:
    """Begin a part whose body begins at `body`; where to go on."""
    cutter.parts += 1
    kind = kind_of(values, default, cutter.raw_codec)
    if not kind.content_type.startswith("multipart/"):
        cutter.open_leaf = kind, body
        return body
    kind = _with_real_boundary(cutter, kind, body)
    if not kind.boundary:
        cutter.open_leaf = _text_of(kind), body
        return body
    # The tree is walked by recursion later: a deeper one would exhaust the stack.
    if len(cutter.levels) >= MAX_DEPTH or len(kind.boundary) > _MAX_BOUNDARY:
        cutter.whole = False
        cutter.open_leaf = kind, body
        return body
    cutter.levels.append(_Level(kind, body, cutter.active.get(kind.boundary)))
    cutter.active[kind.boundary] = len(cutter.levels) - 1
    return body


def _with_real_boundary(cutter: _Cutter, kind: Kind, body: int) -> Kind:
    """The kind with the boundary that the body has, where that of the header has odd signs."""
    plain = _ODD_BOUNDARY.sub(b"", kind.boundary)
    if plain == kind.boundary or not plain or cutter.data.find(b"--" + kind.boundary, body) >= 0:
        return kind
    return replace(kind, boundary=plain)


def _close_to(cutter: _Cutter, number: int, end: int) -> None:
    """Close the open leaf, and every level from `number` on."""
    if cutter.open_leaf is not None:
        kind, start = cutter.open_leaf
        last = max(start, end)
        if kind.encoding == "base64":
            if _is_of_urls(cutter.data[start : min(last, start + _ALPHABET_WITHIN)]):
                kind = replace(kind, encoding="base64url")
            last = _before_footer(cutter.data, start, last)
        cutter.put(Leaf(kind, start, last, cutter.source))
        cutter.open_leaf = None
    while len(cutter.levels) > number:
        level = cutter.levels.pop()
        del cutter.active[level.kind.boundary]
        if level.outer is not None:
            cutter.active[level.kind.boundary] = level.outer
        if level.parts:
            cutter.put(Branch(level.kind.content_type, level.parts, level.kind.root_id))
        else:
            last = max(level.start, end)
            cutter.put(Leaf(_text_of(level.kind), level.start, last, cutter.source))


def _is_of_urls(base64: bytes) -> bool:
    """Whether a beginning of base 64 is in the alphabet for addresses of the web."""
    if b"+" in base64 or b"/" in base64 or not (b"-" in base64 or b"_" in base64):
        return False
    return not base64.translate(None, _DIGITS_OF_URLS) and _LINE_OF_URLS.match(base64) is not None


def _before_footer(data: Octets, start: int, end: int) -> int:
    """Where base 64 ends; what does not begin with a line of it is none."""
    first = _BASE64_LINE.match(data, start, end)
    if first is None:
        return end
    footer = _FOOTER.search(data, max(first.end(), end - _FOOTER_WITHIN), end)
    return footer.start() if footer else end


def _text_of(kind: Kind) -> Kind:
    return replace(kind, content_type="text/plain", boundary=b"")


def _before_line_end(data: Octets, start: int) -> int:
    """The end of what comes before the line at `start`: its line end is the boundary's."""
    if data[start - 2 : start] == b"\r\n":
        return start - 2
    return start - 1

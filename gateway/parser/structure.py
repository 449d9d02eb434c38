"""The tree of parts, cut into its leaves in one pass over the octets.

- Nothing is recursive: the boundaries that are open are a stack of at most 100, and each line that
  could be a boundary costs one look-up, however deep it lies.
- A boundary of an outer part ends the inner ones; where two are alike it is the outer one's. A
  multipart in which no boundary comes is text. So says Python's `email` parser as well.
- Beyond 1,000 parts, 100 levels or the time given, what was found until then is the result, and
  `whole` is false.
- An attached message is one leaf: it is a file to its reader, not a part of the letter.

RFC 2046 5.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from gateway.parser.fields import Kind, Octets, kind_of, read_header

MAX_PARTS = 1_000
MAX_DEPTH = 100
_MAX_BOUNDARY = 1_000
_LOOK_AT_CLOCK = 256

_REST_OF_LINE = re.compile(rb"[^\r\n]*")
_LINE_END = re.compile(rb"\r\n?|\n|\Z")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part that holds no parts: octets `start` to `end`, and the multipart types around it."""

    kind: Kind
    start: int
    end: int
    around: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Structure:
    """The leaves in their order, and the raw Reply-To of the message itself."""

    leaves: tuple[Leaf, ...]
    reply_to: bytes
    whole: bool


@dataclass(slots=True)
class _Level:
    """A multipart that is open."""

    kind: Kind
    start: int
    around: tuple[str, ...]
    has_parts: bool = False


@dataclass(slots=True)
class _Cutter:
    data: Octets
    levels: list[_Level] = field(default_factory=list)
    active: dict[bytes, int] = field(default_factory=dict)
    leaves: list[Leaf] = field(default_factory=list)
    open_leaf: tuple[Kind, int] | None = None
    parts: int = 0
    whole: bool = True

    def level_of(self, line: bytes) -> tuple[int, bool] | None:
        """The level whose boundary a line is, and whether it closes that level."""
        mark = line[2:].rstrip(b"\r\n").rstrip(b" \t")
        if mark in self.active:
            return self.active[mark], False
        if mark.endswith(b"--") and mark[:-2] in self.active:
            return self.active[mark[:-2]], True
        return None


def split(data: Octets, in_time: Callable[[], bool]) -> Structure:
    """The leaves of the message in `data`; `in_time` is asked now and then."""
    cutter = _Cutter(data)
    header = read_header(data, 0, lambda line: False)
    cutter.whole = header.whole
    position = _open(cutter, header.values, header.body, "text/plain")
    end = len(data)
    for count, start in enumerate(_candidates(data, position)):
        if not cutter.levels:
            break
        if cutter.parts > MAX_PARTS or (count % _LOOK_AT_CLOCK == 0 and not in_time()):
            cutter.whole = False
            end = _before_line_end(data, start)
            break
        if start >= position:
            position = _meet(cutter, start) or position
    _close_to(cutter, 0, end)
    return Structure(tuple(cutter.leaves), header.values.get(b"reply-to", b""), cutter.whole)


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
    cutter.levels[number].has_parts = True
    if closes:
        _close_to(cutter, number, start)
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
    """What boundary the line at `start` is, if it is one, and where the next line begins."""
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
    kind = kind_of(values, default)
    if not kind.content_type.startswith("multipart/"):
        cutter.open_leaf = kind, body
        return body
    if not kind.boundary:
        cutter.open_leaf = _text_of(kind), body
        return body
    if len(cutter.levels) >= MAX_DEPTH or len(kind.boundary) > _MAX_BOUNDARY:
        cutter.whole = False
        cutter.open_leaf = kind, body
        return body
    around = _around(cutter)
    cutter.levels.append(_Level(kind, body, around))
    cutter.active.setdefault(kind.boundary, len(cutter.levels) - 1)
    return body


def _around(cutter: _Cutter) -> tuple[str, ...]:
    """The types of the multiparts that are open, without repeating one that lies in its like."""
    if not cutter.levels:
        return ()
    inner = cutter.levels[-1]
    content_type = inner.kind.content_type
    return inner.around if content_type in inner.around else (*inner.around, content_type)


def _close_to(cutter: _Cutter, number: int, end: int) -> None:
    """Close the open leaf, and every level from `number` on."""
    if cutter.open_leaf is not None:
        kind, start = cutter.open_leaf
        cutter.leaves.append(Leaf(kind, start, max(start, end), _around(cutter)))
        cutter.open_leaf = None
    while len(cutter.levels) > number:
        level = cutter.levels.pop()
        if cutter.active.get(level.kind.boundary) == len(cutter.levels):
            del cutter.active[level.kind.boundary]
        if not level.has_parts:
            cutter.leaves.append(
                Leaf(_text_of(level.kind), level.start, max(level.start, end), level.around)
            )


def _text_of(kind: Kind) -> Kind:
    return replace(kind, content_type="text/plain", boundary=b"")


def _before_line_end(data: Octets, start: int) -> int:
    """The end of what comes before the line at `start`: its line end is the boundary's."""
    if data[start - 2 : start] == b"\r\n":
        return start - 2
    return start - 1

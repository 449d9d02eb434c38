"""Which parts are the letter, and which are files: by the structure of the multipart.

- Plain text and HTML are the letter unless they are called an attachment, or have a file name and
  are neither the first part of their multipart nor one of several alternatives. Where that leaves
  no letter, the first text that is no attachment is it, whatever its name. Text of another kind,
  which is not made for a program, is the letter where it stands first and has no name. Enriched
  text is shown as a page.
- Of alternatives one is read as text and one is shown as HTML: the last that has plain text in it,
  the last that has HTML. Blank text says nothing, so there the HTML is read; an empty page shows
  nothing, so there the text is shown.
- In every other multipart all parts count in their order: the letter as text is then partly read
  from HTML, and the letter as HTML partly made from text. So a mailing list's footer is a footer.
- In multipart/related only the root can be the letter: the part that `start` names, else the first
  one that is text or a multipart. A page right behind plain text, which nothing names, is the same
  letter once more: some programs take the one type of multipart for the other.

RFC 2046 5.1, RFC 2387, RFC 8621 4.1.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gateway.parser.structure import Branch, Leaf

_TEXTS = {"text/plain", "text/html"}
# Text for programs; any other kind is read as plain text (RFC 2046 4.1.4).
_FOR_PROGRAMS = {
    f"text/{kind}"
    for kind in (
        *("calendar", "css", "csv", "directory", "javascript", "rfc822-headers", "rtf", "vcard"),
        *("tab-separated-values", "watch-html", "x-amp-html", "x-vcalendar", "x-vcard", "xml"),
    )
}
_ENRICHED = {"text/enriched", "text/richtext"}
_ALTERNATIVE = "multipart/alternative"
_RELATED = "multipart/related"


@dataclass(frozen=True, slots=True)
class File:
    """A part that is not the letter, and the types of the multiparts around it."""

    leaf: Leaf
    around: frozenset[str]


@dataclass(frozen=True, slots=True)
class Letter:
    """The parts to be read as text, those to be shown as HTML, and the files."""

    text: tuple[Leaf, ...]
    page: tuple[Leaf, ...]
    files: tuple[File, ...]


_Both = tuple[list[Leaf], list[Leaf]]


@dataclass(slots=True)
class _Sorting:
    has_text: Callable[[Leaf], bool]
    shows: Callable[[Leaf], bool]
    files: list[File] = field(default_factory=list)


def letter_of(
    root: Leaf | Branch, has_text: Callable[[Leaf], bool], shows: Callable[[Leaf], bool]
) -> Letter:
    """Sort the parts.

    `has_text` tells whether a part of plain text says anything, `shows` whether a page does.
    """
    sorting = _Sorting(has_text, shows)
    text, page = _sorted(sorting, root, "", 0, frozenset())
    files = sorting.files
    if not text and (named := next(filter(_can_be_letter, files), None)):
        text, page = [named.leaf], [named.leaf]
        files.remove(named)
    if all(map(is_plain, page)):
        page = []
    return Letter(tuple(text), tuple(page), tuple(files))


def _can_be_letter(file: File) -> bool:
    kind = file.leaf.kind
    return kind.content_type in _TEXTS | _ENRICHED and kind.disposition != "attachment"


def _sorted(
    sorting: _Sorting, part: Leaf | Branch, parent: str, place: int, around: frozenset[str]
) -> _Both:
    if isinstance(part, Leaf):
        if _is_letter(part, parent, place):
            return [part], [part]
        sorting.files.append(File(part, around))
        return [], []
    kind = part.content_type
    inner = around | {kind}
    first = _root_place(part) if kind == _RELATED else 0
    pair = part.parts[first : first + 2] if kind == _RELATED else []
    if _are_alternatives(pair):
        part = replace(part, parts=list(part.parts))
        part.parts[first : first + 2] = [Branch(_ALTERNATIVE, pair)]
    found = [
        _sorted(sorting, one, kind, number - first, inner) for number, one in enumerate(part.parts)
    ]
    if kind == _ALTERNATIVE:
        return _chosen(sorting, found)
    return [one for text, _ in found for one in text], [one for _, page in found for one in page]


def _root_place(related: Branch) -> int:
    """The place of the part that shows the others (RFC 2387 3.2)."""
    parts = list(enumerate(related.parts))
    if related.root_id is not None:
        for place, part in parts:
            if isinstance(part, Leaf) and part.kind.content_id == related.root_id:
                return place
    for place, part in parts:
        if isinstance(part, Branch) or _is_letter(part, _RELATED, 0):
            return place
    return 0


def _are_alternatives(pair: list[Leaf | Branch]) -> bool:
    """Whether they are plain text and the page of it."""
    if len(pair) < 2:
        return False
    text, page = pair
    return (
        isinstance(text, Leaf)
        and isinstance(page, Leaf)
        and (text.kind.content_type, page.kind.content_type) == ("text/plain", "text/html")
        and page.kind.disposition != "attachment"
        and page.kind.filename is None
        and page.kind.content_id is None
    )


def _is_letter(leaf: Leaf, parent: str, place: int) -> bool:
    kind = leaf.kind
    if kind.disposition == "attachment":
        return False
    if kind.content_type not in _TEXTS:
        is_text = kind.content_type.startswith("text/") and kind.content_type not in _FOR_PROGRAMS
        return is_text and kind.filename is None and place == 0 and parent != _ALTERNATIVE
    # RFC 2387 3.2: the other parts are what the first one shows.
    if parent == _RELATED:
        return place == 0
    return kind.filename is None or place == 0 or parent == _ALTERNATIVE


def _chosen(sorting: _Sorting, found: list[_Both]) -> _Both:
    """One of the alternatives as text, one as HTML; either stands in for the other."""
    texts = [text for text, _ in found if text and all(map(is_plain, text))]
    pages = [page for _, page in found if not all(map(is_plain, page))]
    said = [text for text in texts if any(map(sorting.has_text, text))]
    page = pages[-1] if pages else []
    if said:  # else an empty page is all there is
        page = next((one for one in reversed(pages) if _is_seen(sorting, one)), [])
    text = (said or ([page] if page else texts) or [[]])[-1]
    return text, page or text


def _is_seen(sorting: _Sorting, page: list[Leaf]) -> bool:
    return any(sorting.has_text(leaf) if is_plain(leaf) else sorting.shows(leaf) for leaf in page)


def is_plain(leaf: Leaf) -> bool:
    """Whether a part of the letter is read as plain text."""
    return leaf.kind.content_type != "text/html" and leaf.kind.content_type not in _ENRICHED

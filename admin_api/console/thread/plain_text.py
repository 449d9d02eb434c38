"""The text of a message as a page shows it: paragraphs, folded quotes, links.

- Lines that begin with `>` are a quote; quotes of more than three lines are folded.
- A link is an address of http or https in the text, and leads where it says.
- At most the first 256 Ki characters are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

MOST = 256 << 10
_FOLDED = 3
# No other scheme: `javascript:` in a mail must never become a link.
_LINK = re.compile(r"\bhttps?://[^\s<>\"'`\x00-\x1f\x7f]{1,2000}", re.IGNORECASE)
_NOT_AT_END = ".,;:!?*_"
_PAIRS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text; `link` is where it leads, empty for none."""

    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one kind; `lines` is their number in a folded quote, 0 where nothing is folded."""

    pieces: tuple[Piece, ...]
    quoted: bool = False
    lines: int = 0


def blocks(text: str) -> list[Block]:
    """Return the blocks of a text, in its order."""
    lines = text[:MOST].replace("\r\n", "\n").rstrip().split("\n")
    groups = groupby(lines, key=lambda line: line.startswith(">"))
    return [_block(quoted, list(group)) for quoted, group in groups]


def is_cut(text: str) -> bool:
    """Whether a text is longer than what is shown of it."""
    return len(text) > MOST


def _block(quoted: bool, lines: list[str]) -> Block:
    folded = len(lines) if quoted and len(lines) > _FOLDED else 0
    return Block(tuple(pieces("\n".join(lines))), quoted, folded)


def pieces(text: str) -> Iterator[Piece]:
    """Yield the text with its links apart."""
    end = 0
    for found in _LINK.finditer(text):
        address = _trimmed(found[0])
        if address.partition("://")[2]:
            if found.start() > end:
                yield Piece(text[end : found.start()])
            yield Piece(address, address)
            end = found.start() + len(address)
    if end < len(text):
        yield Piece(text[end:])


def _trimmed(address: str) -> str:
    """Take off what belongs to the sentence: a full stop, a bracket that was opened before."""
    spare = {closing: address.count(closing) - address.count(_PAIRS[closing]) for closing in _PAIRS}
    end = len(address)
    while end:
        last = address[end - 1]
        if spare.get(last, 0) > 0:
            spare[last] -= 1
        elif last not in _NOT_AT_END:
            break
        end -= 1
    return address[:end]

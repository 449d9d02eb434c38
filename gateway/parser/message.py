"""One message, parsed whole: what a reader sees of it, its files, its words.

- Pure: octets in, a value out. It runs in a process of its own, which is ended when it takes too
  long; `in_time` lets it stop by itself before, with what it has.
- A part is the letter's text when it is plain text or HTML, has no file name and is not called an
  attachment; of several, all. Everything else is an attachment, known by its place.
- HTML goes through a library of another language. `with_html=False` leaves it out, for a message
  on which that failed; what the HTML says is then missing, and the result partial.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.message.address_lists import Mailbox, parse_mailboxes
from gateway.message.header_scan import MAX_MAILBOXES, HeaderScan, scan
from gateway.parser.fields import Octets, unfolded
from gateway.parser.structure import Leaf, split
from storage.content.header_grammar import MAX_OCTETS
from storage.content.mime_parts import MAX_TEXT_OCTETS, Parsed, Part, Slice
from storage.content.transfer_encoding import decode, decoder, joined, read_text
from storage.index.words import MAX_CHARACTERS, document, pack

PREVIEW = 200
_PREVIEW_FROM = 4_000
_CHUNK = 256 * 1024


@dataclass(slots=True)
class _Budget:
    """Octets of text that may still be read, and whether that was enough."""

    left: int = MAX_TEXT_OCTETS
    whole: bool = True

    def take(self, leaf: Leaf) -> int:
        """The end of what is read of a leaf."""
        end = min(leaf.end, leaf.start + self.left)
        self.whole = self.whole and end == leaf.end
        self.left -= end - leaf.start
        return end


def parse(data: Octets, in_time: Callable[[], bool], *, with_html: bool = True) -> Parsed:
    """The result for the message in `data`."""
    structure = split(data, in_time)
    texts, pages, files = _sorted(structure.leaves)
    budget = _Budget()
    slices = [_slice(data, leaf, budget) for leaf in texts]
    html_slices = [_slice(data, leaf, budget) for leaf in pages]
    text = joined(_read(data, one) for one in slices)
    html, derived = _html(data, html_slices, in_time) if with_html else (None, None)
    shown = text if text.strip() else derived or ""
    attachments, all_measured = _attachments(data, files, in_time)
    whole = structure.whole and budget.whole and all_measured
    whole = whole and (html is not None or not pages)
    return Parsed(
        status="parsed" if whole else "partial",
        preview=" ".join(shown[:_PREVIEW_FROM].split())[:PREVIEW],
        reply_to=tuple((one.name, one.email) for one in _reply_to(structure.reply_to)),
        text_parts=tuple(slices),
        text=None if slices or not derived else zlib.compress(derived.encode(), 1),
        html=None if html is None else zlib.compress(html.encode(), 6),
        attachments=attachments,
        words=_words(scan(data[:MAX_OCTETS]), shown, derived, attachments),
    )


def _reply_to(value: bytes) -> tuple[Mailbox, ...]:
    return parse_mailboxes(unfolded(value), MAX_MAILBOXES) if value else ()


def _sorted(leaves: Sequence[Leaf]) -> tuple[list[Leaf], list[Leaf], list[Leaf]]:
    """The letter's plain text, its HTML, and the files."""
    texts, pages, files = [], [], []
    for leaf in leaves:
        kind = leaf.kind
        is_file = kind.disposition == "attachment" or kind.filename is not None
        if kind.content_type == "text/plain" and not is_file:
            texts.append(leaf)
        elif kind.content_type == "text/html" and not is_file:
            pages.append(leaf)
        else:
            files.append(leaf)
    return texts, pages, files


def _slice(data: Octets, leaf: Leaf, budget: _Budget) -> Slice:
    end = budget.take(leaf)
    kind = leaf.kind
    charset = kind.charset
    if charset is None or charset == "ascii":
        octets = decode(data[leaf.start : end], kind.encoding)
        charset = _likely_charset(octets, whole=end == leaf.end)
    return Slice(leaf.start, end, kind.encoding, charset)


def _likely_charset(octets: bytes, *, whole: bool) -> str:
    """For text that names no charset, or a wrong one: UTF-8 when it can be."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(octets, whole)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _read(data: Octets, part: Slice) -> str:
    return read_text(data[part.start : part.end], part.encoding, part.charset)


def _html(
    data: Octets, slices: Sequence[Slice], in_time: Callable[[], bool]
) -> tuple[str | None, str | None]:
    """Sanitised HTML and what it says; nothing when there is none, or no time."""
    if not slices or not in_time():
        return None, None
    from gateway.parser import html  # plain mail never needs it

    source = joined(_read(data, one) for one in slices)
    if html.is_deep(source):
        return None, html.without_tags(source)
    clean = html.sanitised(source)
    return clean, html.said(clean)


def _attachments(
    data: Octets, leaves: Sequence[Leaf], in_time: Callable[[], bool]
) -> tuple[tuple[Part, ...], bool]:
    """The files and their sizes; those that are not measured in time are left out."""
    parts: list[Part] = []
    for leaf in leaves:
        if not in_time():
            return tuple(parts), False
        kind = leaf.kind
        related = "multipart/related" in leaf.around and kind.content_id is not None
        parts.append(
            Part(
                filename=kind.filename,
                content_type=kind.content_type,
                size=_decoded_size(data, leaf),
                is_inline=kind.disposition == "inline" or (related and not kind.disposition),
                content_id=kind.content_id,
                start=leaf.start,
                end=leaf.end,
                encoding=kind.encoding,
            )
        )
    return tuple(parts), True


def _decoded_size(data: Octets, leaf: Leaf) -> int:
    if leaf.kind.encoding == "identity":
        return leaf.end - leaf.start
    one = decoder(leaf.kind.encoding)
    size = 0
    for start in range(leaf.start, leaf.end, _CHUNK):
        size += len(one.feed(data[start : min(start + _CHUNK, leaf.end)]))
    return size + len(one.finish())


def _words(
    header: HeaderScan, shown: str, derived: str | None, attachments: Sequence[Part]
) -> bytes:
    names = " ".join(part.filename for part in attachments if part.filename)
    body = [shown[:MAX_CHARACTERS], names]
    if derived and len(derived) > 2 * len(shown):  # else it says the same again
        body.append(derived[:MAX_CHARACTERS])
    return pack(
        document(
            sender=_named(header.from_),
            recipient=_named((*header.to, *header.cc)),
            subject=header.subject,
            body=body,
        )
    )


def _named(mailboxes: Sequence[Mailbox]) -> str:
    return " ".join(f"{mailbox.name} {mailbox.email}" for mailbox in mailboxes)

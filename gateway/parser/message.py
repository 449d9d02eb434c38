"""One message, parsed whole: what a reader sees of it, its files, its words.

- Pure: octets in, a value out. It runs in a process of its own, which is ended when it takes too
  long; `in_time` lets it stop by itself before, with what it has.
- Which parts are the letter says `gateway.parser.letter`; everything else is a file, known by its
  place.
- The words are those of all that is shown: of the text, of the names of files, and of the HTML and
  in the place of its pictures where it says more than the text.
- A report about the delivery of a letter is read, too, where the message is one (RFC 3464).
- HTML goes through a library of another language. `with_html=False` leaves it out, for a message
  on which that failed; what the HTML says is then missing, and the result partial.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape

from gateway.message.address_lists import Mailbox, parse_mailboxes
from gateway.message.delivery_report import CONTENT_TYPES, read_report
from gateway.message.delivery_report import MAX_OCTETS as MAX_REPORT
from gateway.message.header_scan import MAX_MAILBOXES, HeaderScan, raw_text, scan
from gateway.parser.attachments import (
    MAX_FILES,
    Shown,
    TakesTooLong,
    decoded_in_time,
    is_winmail,
    parts_of,
    placed,
    shown_ids,
    uuencoded,
)
from gateway.parser.detection import likely_codec
from gateway.parser.fields import Octets, kind_of
from gateway.parser.letter import File, Letter, is_plain, letter_of
from gateway.parser.signed_letter import may_be_signed, opened
from gateway.parser.structure import Branch, Leaf, Source, Structure, split
from storage.index.words import MAX_CHARACTERS, document, pack, words
from storage.message_format.delivery_report import DeliveryReport
from storage.message_format.header_grammar import MAX_OCTETS
from storage.message_format.mime_parts import MAX_TEXT_OCTETS, Parsed, Part, Slice
from storage.message_format.tnef import letter_in
from storage.message_format.transfer_encoding import decode, joined, read_text, readable_lines

PREVIEW = 200
_PREVIEW_FROM = 16_000
_PREVIEW_FIRST = 1_000

# Signs that take no room; senders fill what stands before their text with them.
_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
)
_PADDING = re.compile(rf"[{_UNSEEN}]*\s[\s{_UNSEEN}]*|[{_UNSEEN}]{{2,}}")
_FILLING = re.compile(rf"(?:[{_UNSEEN}][^\S\n]*){{3,}}")
# Text that is called base 64 and is not: a tag, or a line of three words, which may come after a
# greeting of one or two (no whole line of base 64).
_PROSE = re.compile(
    rb"\s*+(?:<|(?:(?!(?:[A-Za-z0-9+/=]{4})++[ \t]*+(?:[\r\n]|\Z))[^\r\n]++\s++){0,2}"
    rb"[^\s=]++[ \t]++[^\s=]++[ \t]++[^\s=])"
)
_BLOCK = re.compile(
    r"\s*(?:<(?:p|div|table|ul|ol|dl|h[1-6]|blockquote|pre|hr|center|br|address)\b|\Z)"
)
_NOTHING = re.compile(rf"[\s{_UNSEEN}]*")


@dataclass(slots=True)
class _Reader:
    """Reads the parts of a letter, each once, as far as a mebibyte of their octets goes."""

    in_time: Callable[[], bool]
    with_html: bool
    left: int = MAX_TEXT_OCTETS
    whole: bool = True
    slices: dict[int, list[Slice]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    files: list[Part] = field(default_factory=list)
    pages: dict[int, tuple[str | None, str]] = field(default_factory=dict)
    named_ids: frozenset[str] = frozenset()
    ids: Mapping[str, str] = field(default_factory=dict)
    """The Content-Ids of parts by their locations."""

    def has_text(self, leaf: Leaf) -> bool:
        """Whether plain text says anything."""
        return _NOTHING.fullmatch(self.text(leaf)) is None

    def shows(self, leaf: Leaf) -> bool:
        """Whether a page has a text or a picture; one that cannot be read may have."""
        clean, said = self.page(leaf)
        return clean is None or bool(said) or "<img" in clean

    def says(self, leaf: Leaf) -> bool:
        """Whether a part of the letter says or shows anything."""
        return self.has_text(leaf) if is_plain(leaf) else self.shows(leaf)

    def text(self, leaf: Leaf) -> str:
        """Return the text of a plain part, or the source of an HTML part."""
        key = id(leaf)
        if key not in self.texts:
            slices = self.slices_of(leaf)
            self.texts[key] = joined(_read(leaf.source.octets, one) for one in slices)
        return self.texts[key]

    def slices_of(self, leaf: Leaf) -> list[Slice]:
        """The places of a part's text: what is between the files that are uuencoded in it."""
        key = id(leaf)
        if key not in self.slices:
            # Of uuencode a part: each of its lines is decoded by itself.
            most = self.left // 4 if leaf.kind.encoding == "uuencode" else self.left
            end = min(leaf.end, leaf.start + most)
            self.whole = self.whole and end == leaf.end
            self.left -= end - leaf.start
            self.slices[key] = self._cut(leaf, end)
        return self.slices[key]

    def _cut(self, leaf: Leaf, end: int) -> list[Slice]:
        kind, data = leaf.kind, leaf.source.octets
        is_page = not is_plain(leaf)
        encoding = kind.encoding
        if encoding == "base64" and _PROSE.match(data, leaf.start, end):
            encoding = "identity"
        # A text that was made of a winmail.dat has no places in the message for files.
        is_made = leaf.source.part is not None and is_winmail(leaf.source.part)
        can_have = not (is_page or is_made)
        files = uuencoded(data, leaf.start, end, encoding, kind.charset) if can_have else []
        self.files += [placed(one, leaf.source) for one in files]
        source = data[leaf.start : end]
        octets = decode(source, encoding)
        if not octets and encoding == "base64" and not source.isascii():
            encoding, octets = "identity", source  # no letter of it is a digit
        codec = likely_codec(octets, kind.charset, is_page=is_page, whole=end == leaf.end)
        starts = [leaf.start, *(one.end for one in files)]
        ends = [*(one.start for one in files), end]
        return [
            Slice(first, last, encoding, codec, "" if is_page else kind.flow)
            for first, last in zip(starts, ends, strict=True)
            if first < last or not files
        ]

    def page(self, leaf: Leaf) -> tuple[str | None, str]:
        """Sanitised HTML, None when it cannot be, and what it says."""
        key = id(leaf)
        if key not in self.pages:
            self.pages[key] = self._page(leaf)
        return self.pages[key]

    def _page(self, leaf: Leaf) -> tuple[str | None, str]:
        if not (self.with_html and self.in_time()):
            self.whole = False
            return None, ""
        from gateway.parser import html  # plain mail never needs it

        source = self.text(leaf)
        if (kind := leaf.kind.content_type) != "text/html":
            source = html.from_enriched(source, is_rich=kind == "text/richtext")
        if self.ids:
            source = html.with_parts(source, self.ids, leaf.kind.location)
        self.named_ids |= shown_ids(source)
        if html.is_deep(source):
            source, whole = html.flattened(source)
            self.whole = self.whole and whole
        clean = html.sanitised(source)
        return clean, _FILLING.sub(" ", html.said(clean)).strip()


def preview_of(shown: str) -> str:
    """Return the first `PREVIEW` characters of a text, with its padding as single blanks."""
    text = _PADDING.sub(" ", shown[:_PREVIEW_FIRST]).strip()
    # Nearly every text has enough in its first thousand characters; to read all costs as much as
    # the rest of parsing. One character more is needed: the last depends on what follows.
    if len(text) <= PREVIEW:
        text = _PADDING.sub(" ", shown[:_PREVIEW_FROM]).strip()
    return text[:PREVIEW]


def parse(data: Octets, in_time: Callable[[], bool], *, with_html: bool = True) -> Parsed:
    """The result for the message in `data`."""
    structure = split(Source(data), in_time)
    kinds = [leaf.kind for leaf in structure.leaves]
    if any(map(may_be_signed, kinds)):
        structure = opened(structure, in_time)
        kinds = [leaf.kind for leaf in structure.leaves]
    ids = {kind.location: kind.content_id for kind in kinds if kind.location and kind.content_id}
    reader = _Reader(in_time, with_html, ids=ids)
    letter = letter_of(structure.root, reader.has_text, reader.shows)
    unpacked: dict[Leaf, bytes] = {}
    packed = next((one.leaf for one in letter.files if is_winmail(one.leaf)), None)
    if packed is not None and not any(map(reader.says, letter.text)):
        try:
            unpacked[packed] = decoded_in_time(packed, in_time)
            letter = _unpacked(reader, letter, packed, unpacked[packed])
        except TakesTooLong:
            reader.whole = False
    as_it_is = all(is_plain(leaf) and leaf.source.part is None for leaf in letter.text)
    slices = [one for leaf in letter.text if as_it_is for one in reader.slices_of(leaf)]
    said = _text(reader, letter.text)
    html = _html(reader, letter.page)
    is_said_plain = any(is_plain(leaf) and reader.has_text(leaf) for leaf in letter.text)
    derived = [reader.page(leaf)[1] for leaf in letter.page if not is_plain(leaf)]
    if html is not None and ' alt="' in html:
        derived.append(_said_by_pictures(html))
    shown = Shown(shown_ids(html), reader.named_ids)
    parts, attached, measured = parts_of(letter.files, shown, in_time, unpacked)
    files = sorted([*parts, *reader.files], key=lambda part: part.start)
    attachments = tuple(files[:MAX_FILES])
    is_whole = structure.whole and reader.whole and measured and len(files) <= MAX_FILES
    return Parsed(
        status="parsed" if is_whole else "partial",
        preview=preview_of(said),
        reply_to=tuple((one.name, one.email) for one in _reply_to(data, structure)),
        text_parts=tuple(slices),
        text=None if as_it_is or not said else zlib.compress(said.encode(), 1),
        html=None if html is None else zlib.compress(html.encode(), 6),
        attachments=attachments,
        words=_words(scan(data[:MAX_OCTETS]), said, joined(derived), attachments),
        has_files=attached or bool(reader.files),
        report=_report(letter.files),
        text_from_html=bool(said and html) and not is_said_plain,
    )


def _unpacked(reader: _Reader, letter: Letter, packed: Leaf, octets: bytes) -> Letter:
    """The letter in a winmail.dat, for a message that has no other."""
    text, html, charset, is_whole = letter_in(octets)
    reader.whole = reader.whole and is_whole

    def leaf(content_type: str, octets: bytes, charset: str | None) -> list[Leaf | Branch]:
        values = {b"content-type": content_type.encode()}
        kind = replace(kind_of(values, content_type), charset=charset)
        return [Leaf(kind, 0, len(octets), Source(octets, packed))] if octets.strip() else []

    plain = leaf("text/plain", readable_lines(text).encode(), "utf-8")
    forms = Branch("multipart/alternative", plain + leaf("text/html", html, charset))
    inner = letter_of(forms, reader.has_text, reader.shows)
    return replace(letter, text=inner.text, page=inner.page) if inner.text else letter


def _report(files: Sequence[File]) -> DeliveryReport | None:
    """The first delivery status of a multipart/report; a report that is only attached is none."""
    for file in files:
        leaf = file.leaf
        if leaf.kind.content_type in CONTENT_TYPES and "multipart/report" in file.around:
            # The limit holds before and after decoding: base64 only shrinks.
            octets = leaf.beginning(2 * MAX_REPORT)
            return read_report(decode(octets, leaf.kind.encoding))
    return None


def _reply_to(data: Octets, structure: Structure) -> tuple[Mailbox, ...]:
    if not structure.reply_to:
        return ()
    text = raw_text(data[:MAX_OCTETS], structure.content_type, structure.reply_to)
    return parse_mailboxes(text, MAX_MAILBOXES)


def _read(data: Octets, part: Slice) -> str:
    return read_text(data[part.start : part.end], part.encoding, part.charset, part.flow)


def _text(reader: _Reader, leaves: Sequence[Leaf]) -> str:
    """The letter as text. A page that says what was said already is not repeated."""
    texts: list[str] = []
    said: set[str] = set()
    for leaf in leaves:
        text = reader.text(leaf) if is_plain(leaf) else reader.page(leaf)[1]
        plain = " ".join(text.split())
        if is_plain(leaf) or plain not in said:
            texts.append(text)
        said.add(plain)
    return joined(texts)


def _html(reader: _Reader, leaves: Sequence[Leaf]) -> str | None:
    """The letter as HTML; None when there is no page, or one that cannot be shown."""
    if not leaves:
        return None
    shown: list[str] = []
    for leaf in leaves:
        if is_plain(leaf):
            text = escape(reader.text(leaf), quote=False)
            shown.append(f'<div style="white-space:pre-wrap">{text}</div>')
            continue
        clean, _ = reader.page(leaf)
        if clean is None:
            return None
        # Words of a page do not go on in those of the next one.
        shown.append(clean if not shown or _BLOCK.match(clean) else f"<div>{clean}</div>")
    return "".join(shown)


def _said_by_pictures(clean: str) -> str:
    from gateway.parser import html  # plain mail never needs it

    return html.said_by_pictures(clean)


def _words(header: HeaderScan, shown: str, derived: str, attachments: Sequence[Part]) -> bytes:
    names = " ".join(part.filename for part in attachments if part.filename)
    body = [shown[:MAX_CHARACTERS], names]
    # Who reads the HTML sees more than its plain alternative says, and must find it, too.
    if derived and derived != shown:
        body += _lines_that_say_more(derived[:MAX_CHARACTERS], set(words(body[0])))
    return pack(
        document(
            sender=_named(header.from_),
            recipient=_named((*header.to, *header.cc)),
            subject=header.subject,
            body=body,
        )
    )


def _lines_that_say_more(text: str, known: set[str]) -> list[str]:
    """Lines with a word that is not known; whole ones, so that phrases in them are found."""
    return [line for line in text.split("\n") if not known.issuperset(words(line))]


def _named(mailboxes: Sequence[Mailbox]) -> str:
    return " ".join(f"{mailbox.name} {mailbox.email}" for mailbox in mailboxes)

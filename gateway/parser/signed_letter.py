"""Letters that are signed as a whole: what is signed is cut into parts as well, and read.

- S/MIME puts such a letter into one part, application/pkcs7-mime. Whether it is signed say its
  octets, not its header; one that is encrypted or compressed stays a file.
- What is signed stands before the part that it came in, which is shown as a signature is. Nothing
  is verified, and nothing is said about it.
- A part is opened where the letter must be: when it is all there is, or has the name that such
  parts have and a type within. In `invoice.xml.p7m` somebody signed a document, no letter.
- At most four are opened, one in the other or beside it, below five multiparts at most.

RFC 8551 3.5.2 and 3.9.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.parser.fields import Kind, read_header
from gateway.parser.structure import Branch, Leaf, Source, Structure, split
from storage.message_format.cms import SignedContent
from storage.message_format.header_grammar import begin
from storage.message_format.mime_parts import MAX_STEPS
from storage.message_format.transfer_encoding import decoder

CMS = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
NAME = "smime.p7m"
_MAX_DEPTH = 5
_AT_ONCE = 256 * 1024
# What a letter can be that was signed without a header: no document.
_PROSE = re.compile(rb"(?!<\?xml|%PDF)[^\0-\x08\x0e-\x1a\x1c-\x1f]*")
_PROSE_WITHIN = 1024


def may_be_signed(kind: Kind) -> bool:
    """Whether a part may hold a letter that is signed as a whole."""
    return kind.content_type in CMS or (kind.filename is not None and kind.filename.lower() == NAME)


def opened(structure: Structure, in_time: Callable[[], bool]) -> Structure:
    """The structure with what is signed in its parts before each of them."""
    opening = _Opening(in_time, structure.parts)
    root = opening.of(structure.root, 0, is_letter=True)
    return replace(structure, root=root, whole=structure.whole and opening.whole)


@dataclass(slots=True)
class _Opening:
    in_time: Callable[[], bool]
    parts: int
    left: int = MAX_STEPS
    whole: bool = True

    def of(self, part: Leaf | Branch, depth: int, *, is_letter: bool) -> Leaf | Branch:
        """A part, with what is signed in it before it. `is_letter`: it is all there is."""
        if depth > _MAX_DEPTH:
            return part
        if isinstance(part, Branch):
            parts = [self.of(one, depth + 1, is_letter=False) for one in part.parts]
            return replace(part, parts=parts)
        kind = part.kind
        if not (self.left and may_be_signed(kind)):
            return part
        if not (is_letter or kind.filename is None or kind.filename.lower() == NAME):
            return part
        found = self._signed(part)
        if found is None:
            return part
        signed, size = found
        if not (_has_type(signed) or (is_letter and _is_prose(signed))):
            return part
        self.left -= 1
        inner = split(Source(signed, part), self.in_time, self.parts)
        self.parts = inner.parts
        self.whole = self.whole and inner.whole
        root = self.of(inner.root, depth + 1, is_letter=is_letter)
        return Branch("multipart/signed", [root, replace(part, size=size)])

    def _signed(self, leaf: Leaf) -> tuple[bytes, int] | None:
        """What is signed in a part, and how long the part is once decoded.

        None where nothing is, or time does not suffice.
        """
        decoding, signed = decoder(leaf.kind.encoding), SignedContent()
        pieces: list[bytes] = []
        size = 0
        for start in range(leaf.start, leaf.end, _AT_ONCE):
            if not self.in_time():
                self.whole = False
                return None
            octets = decoding.feed(leaf.source.octets[start : min(start + _AT_ONCE, leaf.end)])
            size += len(octets)
            pieces.append(signed.feed(octets))
            if signed.has_ended and not signed.has_begun:
                return None
        octets = decoding.finish()
        size += len(octets)
        pieces += signed.feed(octets), signed.finish()
        found = b"".join(pieces) if signed.has_begun else b""
        return (found, size) if found else None


def _has_type(octets: bytes) -> bool:
    return b"content-type" in read_header(octets, begin(octets), lambda line: False).values


def _is_prose(octets: bytes) -> bool:
    within = min(len(octets), _PROSE_WITHIN)
    return _PROSE.fullmatch(octets, 0, within) is not None

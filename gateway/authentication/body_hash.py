"""Hashes of a message's body: which ones its signatures want, made while the body is read once.

- The body is never in memory as a whole: a chunk is brought to canonical form, hashed and let go.
- `simple`: empty lines at the end do not count, and it ends with CRLF. `relaxed`: white space
  within a line is one space, at its end none. Of an empty body `simple` hashes CRLF, `relaxed`
  nothing.
- A bare LF counts as CRLF, as the signer saw it (RFC 6376 5.3); a bare CR is an octet as any other.
- A hash over the first `length` octets, by `l=`, comes with the length of the whole.
- Only SHA-256 is made (RFC 8301 3.1), and only for signatures that are going to be verified: at
  most nine hashes for a message, however many signatures it has.

RFC 6376 3.4.3 to 3.4.5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.authentication.signatures.canonical import Canonicalization
from gateway.authentication.signatures.header_block import HeaderBlock, cut
from gateway.authentication.signatures.selection import chosen, newest_signature
from gateway.authentication.signatures.signature import Signature, read_signature

_BLOCK = 1024 * 1024


class HashWanted(NamedTuple):
    """A hash that a signature names: SHA-256 over the body in this form, or over its beginning."""

    form: Canonicalization
    length: int | None


class BodyHash(NamedTuple):
    """A hash, and the length of the whole body in that form."""

    digest: bytes
    length: int


def body_start(head: bytes) -> int | None:
    """Where the body begins; None when that is beyond the caps, and no hash is wanted.

    `head` is the whole message or its first octets, more than `header_grammar.MAX_OCTETS`.
    """
    return cut(head).body


def wanted_hashes(header: bytes) -> tuple[HashWanted, ...]:
    """Return the hashes that the check of this message is going to ask for.

    `header` may have the body behind it.
    """
    return wanted_by(cut(header))


def wanted_by(block: HeaderBlock) -> tuple[HashWanted, ...]:
    """See `wanted_hashes`."""
    if block.body is None:
        return ()
    read: list[object] = [read_signature(one) for one in chosen(block)]
    newest = newest_signature(block)
    if newest is not None:
        read.append(read_signature(newest, arc=True))
    return tuple(dict.fromkeys(hash_of(one) for one in read if isinstance(one, Signature)))


def hash_of(signature: Signature) -> HashWanted:
    """Return the hash that a signature names."""
    return HashWanted(signature.body_form, signature.length)


def hash_body(chunks: Iterable[bytes], wanted: Iterable[HashWanted]) -> dict[HashWanted, BodyHash]:
    """Hash the body that comes in these chunks, cut anywhere."""
    bodies = [_Body(form, lengths) for form, lengths in _by_form(wanted).items()]
    if bodies:
        for chunk in _with_crlf(chunks):
            for body in bodies:
                body.take(body.canonical.update(chunk))
    for body in bodies:
        body.take(body.canonical.finish())
    return {key: found for body in bodies for key, found in body.results()}


def _by_form(wanted: Iterable[HashWanted]) -> dict[Canonicalization, list[int | None]]:
    forms: dict[Canonicalization, list[int | None]] = {}
    for one in dict.fromkeys(wanted):
        forms.setdefault(one.form, []).append(one.length)
    return forms


class _Body:
    """One canonical form of the body, and the hashes over it."""

    def __init__(self, form: Canonicalization, lengths: list[int | None]) -> None:
        self.form = form
        self.canonical = _Simple() if form == "simple" else _Relaxed()
        self.length = 0
        self.hashes = [(length, hashlib.sha256()) for length in lengths]

    def take(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            for length, digest in self.hashes:
                if length is None or length - self.length >= len(piece):
                    digest.update(piece)
                elif length > self.length:
                    digest.update(piece[: length - self.length])
            self.length += len(piece)

    def results(self) -> Iterator[tuple[HashWanted, BodyHash]]:
        for length, digest in self.hashes:
            yield HashWanted(self.form, length), BodyHash(digest.digest(), self.length)


def _with_crlf(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks in which each LF stands behind a CR; none but the last one ends with CR."""
    held = b""
    for chunk in chunks:
        text = held + chunk
        held = b"\r" if text.endswith(b"\r") else b""
        text = text[:-1] if held else text
        # The signer saw CRLF: over a bare LF no hash would fit.
        if text.count(b"\n") != text.count(b"\r\n"):
            text = text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if text:
            yield text
    if held:
        yield held


class _Simple:
    """The form `simple`. Line ends that may be the last ones are only counted."""

    def __init__(self) -> None:
        self._empty = 0

    def update(self, chunk: bytes) -> Iterator[bytes]:
        content = _without_line_ends(chunk)
        if content:
            yield from _line_ends(self._empty)
            yield chunk[:content]
            self._empty = 0
        self._empty += (len(chunk) - content) // 2

    def finish(self) -> Iterator[bytes]:
        yield b"\r\n"


class _Relaxed:
    """The form `relaxed`: spaces at the end of a chunk wait for what follows them."""

    def __init__(self) -> None:
        self._lines = _Simple()
        self._space = b""
        self._is_empty = True

    def update(self, chunk: bytes) -> Iterator[bytes]:
        text = self._space + chunk
        kept = text.rstrip(b" \t")
        self._space = b" " if len(kept) < len(text) else b""
        kept = kept.replace(b"\t", b" ")
        while b"  " in kept:  # each time half as long
            kept = kept.replace(b"  ", b" ")
        for piece in self._lines.update(kept.replace(b" \r\n", b"\r\n")):
            self._is_empty = False
            yield piece

    def finish(self) -> Iterator[bytes]:
        if not self._is_empty:
            yield b"\r\n"


def _without_line_ends(chunk: bytes) -> int:
    """Where the CRLFs at the end of a chunk begin."""
    if not chunk.endswith(b"\r\n"):
        return len(chunk)
    start = len(chunk.rstrip(b"\r\n"))
    odd = chunk.rfind(b"\r\r", start)  # the first of these ends no line
    return start if odd < 0 else odd + 1


def _line_ends(count: int) -> Iterator[bytes]:
    """Yield this many CRLFs, in blocks."""
    while count:
        some = min(count, _BLOCK)
        yield b"\r\n" * some
        count -= some

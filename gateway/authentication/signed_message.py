"""The part of a message that its signatures need: the header, and the hashes of the body.

It is made where the message is read anyway, and is small: at most the 100 KiB that the header scan
reads, and nine hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.authentication.body_hash import BodyHash, HashWanted, hash_body, wanted_by
from gateway.authentication.signatures.header_block import cut
from storage.message_format.header_grammar import MAX_OCTETS


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """The header as it came, the empty line and some of the body may be behind it; the hashes."""

    header: bytes
    body_hashes: Mapping[HashWanted, BodyHash]


def read_signed(chunks: Iterable[bytes]) -> SignedMessage:
    """Read a whole message, in chunks of any size."""
    rest = iter(chunks)
    head = bytearray()
    for chunk in rest:
        head += chunk
        if len(head) > MAX_OCTETS:
            break
    header = bytes(head[: MAX_OCTETS + 1])
    block = cut(header)
    if block.body is None:
        return SignedMessage(header, {})
    wanted = wanted_by(block)
    hashes = hash_body(_behind(head, block.body, rest), wanted) if wanted else {}
    return SignedMessage(header[: block.body], hashes)


def _behind(head: bytearray, start: int, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield bytes(head[start:])
    yield from rest

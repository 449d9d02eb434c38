"""Frames with what the check of a sender needs: the header of a message, the hashes of its body.

- The parser's process is not trusted here either: every value is checked.
- `l=` of a signature may have 76 digits, more than JSON's readers take: lengths are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, cast

import orjson

from gateway.authentication.body_hash import BodyHash, HashWanted
from gateway.authentication.signed_message import SignedMessage
from gateway.parser.ipc import BadFrame, frame

_MOST_HASHES = 9
_LENGTH = re.compile(r"[0-9]{1,76}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FORMS = ("simple", "relaxed")


def signed_frame(message: SignedMessage) -> bytes:
    """An answer, as the gateway reads it."""
    hashes = [
        [
            wanted.form,
            None if wanted.length is None else str(wanted.length),
            found.digest.hex(),
            found.length,
        ]
        for wanted, found in message.body_hashes.items()
    ]
    return frame({"hashes": hashes}, message.header)


def read_signed_result(json: bytes, octets: bytes, size: int) -> SignedMessage | str:
    """Read the answer for a message of `size` octets, or the reason of a failure.

    Raises BadFrame.
    """
    try:
        head = orjson.loads(json)
        if "failure" in head:
            return str(head["failure"])[:200]
        return SignedMessage(octets, dict(_hashes(head["hashes"], size)))
    except (KeyError, ValueError, TypeError) as error:
        raise BadFrame(type(error).__name__) from error


def _hashes(given: object, size: int) -> Iterator[tuple[HashWanted, BodyHash]]:
    if not isinstance(given, list) or len(given) > _MOST_HASHES:
        raise BadFrame("no hashes")
    for form, length, digest, octets in given:
        if form not in _FORMS or not (length is None or _LENGTH.fullmatch(length)):
            raise BadFrame("no such hash")
        # Bare line ends grow to two octets, and `simple` adds the last one.
        if not _DIGEST.fullmatch(digest) or type(octets) is not int or octets > 2 * size + 2:
            raise BadFrame("no hash")
        wanted = HashWanted(
            cast(Literal["simple", "relaxed"], form), None if length is None else int(length)
        )
        yield wanted, BodyHash(bytes.fromhex(digest), octets)

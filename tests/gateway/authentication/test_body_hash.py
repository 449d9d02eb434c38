"""The hashes of a body: as dkimpy makes them, however the body is cut, and never all in memory."""

from __future__ import annotations

import hashlib
import random
import tracemalloc
from collections.abc import Iterator

import pytest
from dkim.canonicalization import CanonicalizationPolicy

from gateway.authentication.body_hash import (
    BodyHash,
    HashWanted,
    body_start,
    hash_body,
    wanted_hashes,
)
from gateway.authentication.signed_message import read_signed
from storage.message_format.header_grammar import MAX_OCTETS
from tests.support.signing import MESSAGE

SIMPLE, RELAXED = HashWanted("simple", None), HashWanted("relaxed", None)
PIECES = (
    b"a",
    b" ",
    b"\t",
    b"\r\n",
    b"\n",
    b"\r",
    b"word",
    b"\r\n\r\n",
    b"  ",
    b"\r\r\n",
    b" \r\n",
)


def expected(body: bytes, form: str) -> BodyHash:
    """By dkimpy, which takes the body with CRLF."""
    whole = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    policy = CanonicalizationPolicy.from_c_value(f"{form}/{form}".encode())
    canonical = policy.canonicalize_body(whole)
    return BodyHash(hashlib.sha256(canonical).digest(), len(canonical))


def cut(body: bytes, chance: random.Random) -> Iterator[bytes]:
    while body:
        size = chance.randint(1, 6)
        yield body[:size]
        body = body[size:]


def compare(count: int, seed: int) -> dict[bytes, str]:
    chance = random.Random(seed)
    wrong: dict[bytes, str] = {}
    for _ in range(count):
        body = b"".join(chance.choices(PIECES, k=chance.randint(0, 14)))
        # A body in SMTP ends with a line end; dkimpy mends others in its own way.
        body += b"\r\n" if body and not body.endswith(b"\r\n") else b""
        found = hash_body(cut(body, chance), [SIMPLE, RELAXED])
        for key in (SIMPLE, RELAXED):
            if found[key] != expected(body, key.form):
                wrong[body] = key.form
    return wrong


def test_bodies_cut_anywhere_hash_as_dkimpy_hashes_them() -> None:
    assert compare(2_000, seed=7) == {}


@pytest.mark.soak
def test_very_many_bodies_hash_as_dkimpy_hashes_them() -> None:
    assert compare(200_000, seed=random.randrange(1 << 30)) == {}


def test_the_empty_bodies_of_rfc_6376_3_4_hash_as_it_says() -> None:
    for body in (b"", b"\r\n", b"\r\n\r\n\r\n"):
        found = hash_body([body], [SIMPLE, RELAXED])
        assert found[SIMPLE] == BodyHash(hashlib.sha256(b"\r\n").digest(), 2)
        assert found[RELAXED] == BodyHash(hashlib.sha256(b"").digest(), 0)
    example = b" C \r\nD \t E\r\n\r\n\r\n"  # RFC 6376 3.4.5
    found = hash_body([example], [SIMPLE, RELAXED])
    assert found[RELAXED].digest == hashlib.sha256(b" C\r\nD E\r\n").digest()
    assert found[SIMPLE].digest == hashlib.sha256(b" C \r\nD \t E\r\n").digest()


def test_a_hash_over_the_beginning_comes_with_the_whole_length() -> None:
    body = b"one\r\ntwo\r\nthree\r\n\r\n"
    for size in (0, 1, 5, 17, 99):
        wanted = HashWanted("simple", size)
        found = hash_body(iter([body[:7], body[7:]]), [wanted, SIMPLE])
        assert found[wanted] == BodyHash(hashlib.sha256(body[:17][:size]).digest(), 17)
        assert found[SIMPLE].digest == hashlib.sha256(body[:17]).digest()


def test_a_large_body_is_hashed_in_little_memory() -> None:
    def chunks(piece: bytes) -> Iterator[bytes]:
        for _ in range(64):
            yield piece * (64 * 1024 // len(piece))

    for piece in (b"\r\n", b" ", b"a b\t\r\n", b"\r", b"\n", b"\r\r\n"):
        tracemalloc.start()
        try:
            hash_body(chunks(piece), [SIMPLE, RELAXED, HashWanted("simple", 10)])
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 2 * 1024 * 1024, piece


def test_hashes_are_wanted_only_for_what_is_verified() -> None:
    tags = "v=1; a=rsa-sha256; b=AA==; bh=AA==; s=s; h=from"
    many = "".join(f"DKIM-Signature: {tags}; d=d{n}.test; l={n}\r\n" for n in range(700))
    odd = f"DKIM-Signature: {tags.replace('256', '1')}; d=sender.test\r\nDKIM-Signature: x\r\n"
    head = f"{many}{odd}From: ann@sender.test\r\n\r\n".encode()

    assert len(wanted_hashes(head)) == 7  # one of the eight is SHA-1
    assert wanted_hashes(b"From: a@b.test\r\n\r\nDKIM-Signature: of the body\r\n") == ()


def test_a_message_is_read_in_one_go_whatever_its_chunks() -> None:
    whole = read_signed([MESSAGE])
    single = read_signed(MESSAGE[n : n + 1] for n in range(len(MESSAGE)))

    assert whole == single
    assert whole.header == MESSAGE[: body_start(MESSAGE)]
    endless = read_signed(b"X-Field: value\r\n" for _ in range(100_000))
    assert (len(endless.header), endless.body_hashes) == (MAX_OCTETS + 1, {})

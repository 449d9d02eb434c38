"""The header as it is verified is the header that is scanned, parsed and shown."""

from __future__ import annotations

import random

import pytest

from gateway.authentication.author import Author, author_of
from gateway.authentication.domain_names import domain_name
from gateway.authentication.signatures.canonical import canonical_field, unsigned
from gateway.authentication.signatures.header_block import cut
from gateway.message.header_scan import scan
from gateway.parser.fields import read_header
from storage.message_format.header_grammar import MAX_FIELDS, MAX_OCTETS, begin, fields, unfolded
from tests.support.mutants import mutants

LATIN = b"Content-Type: text/plain; charset=iso-8859-1\r\n"
UNCLEAR = Author(None, "unclear_from")


def disagreements(count: int, seed: int) -> list[bytes]:
    """Messages of which scan, parser and verifier do not see one header."""
    wrong = []
    for message in mutants(count, seed=seed):
        block = cut(message)
        shown = [(name.lower(), unfolded(value)) for name, value in fields(message)]
        verified = [(one.name, unfolded(one.value)) for one in block.fields]
        whole = len(message) <= MAX_OCTETS and block.body is not None
        parsed = read_header(message, begin(message), lambda line: False)
        author = author_of(block).domain
        written = [one.email.rpartition("@")[2] for one in scan(message).from_]
        same_author = author is None or [author] == [domain_name(one) for one in written]
        same_body = parsed.body == block.body or not whole
        if shown != verified or not same_body or not same_author:
            wrong.append(message)
    return wrong


def test_the_verifier_cuts_a_header_where_scan_and_parser_do() -> None:
    assert disagreements(400, seed=21) == []


@pytest.mark.soak
def test_the_verifier_cuts_very_many_headers_where_scan_and_parser_do() -> None:
    assert disagreements(20_000, seed=random.randrange(1 << 30)) == []


def test_the_fields_of_a_header_come_raw_with_crlf() -> None:
    block = cut(b"\xef\xbb\xbfFrom : a@b.test\nX:\r y\r\n\tz\rSubject: s\r\n\r\nbody")

    assert [(one.name, one.raw) for one in block.fields] == [
        (b"from", b"From : a@b.test\r\n"),
        (b"x", b"X:\r\n y\r\n\tz\r\n"),
        (b"subject", b"Subject: s\r\n"),
    ]
    assert block.body == 3 + len(b"From : a@b.test\nX:\r y\r\n\tz\rSubject: s\r\n\r\n")
    assert canonical_field(block.fields[0], "relaxed") == b"from:a@b.test\r\n"
    assert canonical_field(block.fields[1], "relaxed") == b"x:y z\r\n"


def test_a_header_beyond_the_caps_has_no_body() -> None:
    assert cut(b"X: y\r\n" * (MAX_FIELDS + 1) + b"\r\nbody").body is None
    assert cut(b"X: " + b"y" * MAX_OCTETS + b"\r\n\r\nbody").body is None
    assert cut(b"X: y\r\n" * MAX_FIELDS + b"\r\nbody").body == MAX_FIELDS * 6 + 2
    assert cut(b"").body == 0


def test_only_the_value_of_b_is_left_out_of_a_signature() -> None:
    field = cut(b"DKIM-Signature: bh=B; x=b=1; b\r\n = AA\r\n AA==\r\n ; nb=b\r\n\r\n").fields[0]

    assert unsigned(field, "simple") == b"DKIM-Signature: bh=B; x=b=1; b\r\n =; nb=b"
    assert unsigned(field, "relaxed") == b"dkim-signature:bh=B; x=b=1; b =; nb=b"


@pytest.mark.parametrize(
    ("head", "author"),
    [
        (b"From: Ann <ann@Sender.TEST.>\r\n", Author("sender.test")),
        (b"From:ann@b\xc3\xbccher.test\r\n", Author("xn--bcher-kva.test")),
        (b'From: "eve@other.test" <ann@sender.test>\r\n', Author("sender.test")),
        (b"From: =?utf-8?q?eve=40other=2Etest?= <ann@sender.test>\r\n", Author("sender.test")),
        (b"From: a@sender.test, b@sender.test\r\n", Author(None, "several_from")),
        (b"From: a@sender.test\r\nfrom : b@other.test\r\n", Author(None, "several_from")),
        (b"From: a@sender.test\rFrom: b@other.test\r\n", Author(None, "several_from")),
        (b"From: a@sender.test\nFrom: b@other.test\r\n", Author(None, "several_from")),
        (b"From: a@sender.test (b@other.test)\r\n", Author("sender.test")),
        (b"From: Doe, Jane <jane@sender.test>\r\n", Author("sender.test")),
        (b"From: <a@[192.0.2.1]>\r\n", Author(None, "no_domain")),
        (b"From: J\xfcrgen <a@sender.test>\r\n", UNCLEAR),
        (b"From: J\xfcrgen <a@sender.test>\r\n" + LATIN, Author("sender.test")),
        (b"From: J\xfcrgen <a@sender.test>\r\n" + LATIN[:20] + b"\r\n", UNCLEAR),
        (b"From: undisclosed:;\r\n", Author(None, "no_from")),
        (b"From:\r\n", Author(None, "no_from")),
        (b"Sender: a@sender.test\r\n", Author(None, "no_from")),
        (b"\r\nFrom: a@sender.test\r\n", Author(None, "no_from")),
    ],
)
def test_there_is_an_author_only_with_one_address_in_one_from(head: bytes, author: Author) -> None:
    assert author_of(cut(head)) == author

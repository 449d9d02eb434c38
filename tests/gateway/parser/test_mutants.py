"""Messages with faults: scan and parser see one header, and every part has the octets it has."""

from __future__ import annotations

import re

import pytest

from gateway.message.address_lists import parse_mailboxes
from gateway.message.header_scan import scan
from gateway.parser.fields import read_header
from gateway.parser.message import parse
from storage.message_format.header_grammar import begin
from tests.support import headers
from tests.support.mutants import agreed_parts, mutants, our_parts, seeds

SEED = 15
HYPHENS = re.compile(rb"^--[^\r\n]*:", re.MULTILINE)


def check(data: bytes) -> bool:
    """Whether the other parsers agreed, so that the parts could be compared."""
    header = headers.read(data)
    scanned, found = scan(data), read_header(data, begin(data), lambda line: False)
    assert found.body == header.body, data
    assert bool(scanned.subject) <= (header.first(b"subject") is not None), data
    assert bool(scanned.message_id) <= (header.first(b"message-id") is not None), data
    sender = header.first(b"from")
    if sender is None:
        assert scanned.from_ == (), data
    elif sender.isascii():
        line = sender.replace(b"\r", b"").replace(b"\n", b"").decode()
        assert scanned.from_ == parse_mailboxes(line, 100), data
    assert parse(data, lambda: True).status in {"parsed", "partial"}, data
    # Two hyphens and a colon end our header; for the others they are a field.
    agreed = None if HYPHENS.search(data) else agreed_parts(data)
    if agreed is not None:
        assert our_parts(data) == agreed, data
    return agreed is not None


def test_whole_messages_have_the_parts_that_others_see() -> None:
    assert sum(map(check, seeds())) > 30


def test_faults_change_nothing_of_that() -> None:
    assert sum(map(check, mutants(300, seed=SEED))) > 60


@pytest.mark.soak
def test_twenty_thousand_faults_change_nothing_of_that() -> None:
    assert sum(map(check, mutants(20_000, seed=SEED + 1))) > 4_000

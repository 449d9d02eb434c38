"""The header of a message as names and values."""

import email.parser
import email.policy
import re

from hypothesis import given
from hypothesis import strategies as st

from admin_api.mailbox.header_fields import header_fields
from storage.message_format.header_grammar import MAX_FIELDS, MAX_OCTETS
from tests.support import headers

PIECES = [
    b"Subject: a",
    b"X:",
    b": none",
    b"bad name: x",
    b"From x",
    b" more",
    b"\tmore",
    b"word",
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\r\n\r\n",
    b"To:b",
    b"\x00",
    b"\xff",
    b":",
]


def pairs(head: bytes) -> list[tuple[str, str]]:
    return [(str(field["name"]), str(field["value"])) for field in header_fields(head)]


def test_values_are_unfolded_and_otherwise_as_they_came() -> None:
    head = b"Subject: =?utf-8?q?a?=\r\n  b\r\n\tc\r\nX-A:1\r\nx-a:\r\n\r\nBody: x\r\n"
    assert pairs(head) == [("Subject", "=?utf-8?q?a?=  b\tc"), ("X-A", "1"), ("x-a", "")]


def test_what_is_no_text_becomes_a_replacement_character() -> None:
    assert pairs(b"A: \xff\x00\xc3\xa9\r\n\r\n") == [("A", "\ufffd\ufffdé")]


def test_the_header_stops_at_the_first_line_that_is_none() -> None:
    assert pairs(b"A: 1\r\nno field\r\nB: 2\r\n") == [("A", "1")]
    assert pairs(b"A: 1\n\nB: 2\n") == [("A", "1")]
    assert pairs(b"") == []


def test_only_so_much_is_looked_at() -> None:
    assert len(header_fields(b"A: 1\r\n" * 5000)) == MAX_FIELDS
    (field,) = header_fields(b"A: " + b"x" * (2 * MAX_OCTETS))
    assert len(str(field["value"])) == MAX_OCTETS - 3
    assert len(header_fields(b"A:\r\n" + b" \r\n" * 200_000)) == 1


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_the_email_parser_sees_the_same_fields_where_all_lines_are_in_order(head: bytes) -> None:
    if not headers.read(head).orderly:
        return
    parsed = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(head, True)
    expected = [
        (name, re.sub(r"\r\n?|\n", "", str(value)).strip(" \t"))
        for name, value in parsed._headers  # type: ignore[attr-defined]
    ]
    clean = [(name, value.replace("\x00", "\ufffd")) for name, value in expected]
    seen = [(name, value) for name, value in pairs(head)]
    assert [name for name, _ in seen] == [name for name, _ in clean]
    for (_, ours), (_, theirs) in zip(seen, clean, strict=True):
        if "\ufffd" not in ours:
            assert ours == theirs

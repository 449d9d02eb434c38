"""Decoding of what was damaged on the way."""

import binascii
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.message_format import transfer_encoding
from storage.message_format.mime_parts import ENCODINGS, MAX_PADDING
from storage.message_format.transfer_encoding import decode, decoder, read_text
from tests.support.cost import is_within, seconds_of

OCTETS = bytes(range(200, 245)) * 3


def uu(*lines: bytes) -> bytes:
    return b"begin 644 a.bin\r\n" + b"\r\n".join(lines) + b"\r\n`\r\nend\r\n"


def lines() -> list[bytes]:
    return [binascii.b2a_uu(OCTETS[at : at + 45]).rstrip(b"\n") for at in (0, 45, 90)]


def test_a_damaged_digit_of_uuencode_costs_its_own_octets_only() -> None:
    first, second, third = lines()
    damaged = second[:5] + b"\xff" + second[6:]

    found = decode(uu(first, damaged, third), "uuencode")

    assert len(found) == len(OCTETS)
    wrong = {at for at in range(len(OCTETS)) if found[at] != OCTETS[at]}
    assert wrong and wrong <= {48, 49}


def test_a_damaged_length_of_uuencode_is_told_by_the_digits() -> None:
    first, second, third = lines()
    assert decode(uu(first, b"\xff" + second[1:], third), "uuencode") == OCTETS


def test_a_length_that_tells_less_than_its_digits_is_believed() -> None:
    for length in range(32, 97):
        line = bytes([length]) + b"ABCD" * 21
        for encoded in (line, b"begin 644 a\n" + line + b"\nend\n"):
            assert len(decode(encoded, "uuencode")) in {0, (length - 32) & 63}


def test_what_hangs_behind_a_line_of_uuencode_is_none_of_the_file() -> None:
    first, second, third = lines()
    assert decode(uu(first, second + b" [cut by a gateway]", third), "uuencode") == OCTETS


def test_a_cut_line_of_uuencode_keeps_the_others_at_their_place() -> None:
    first, second, third = lines()

    found = decode(uu(first, second[:20], third), "uuencode")

    assert found[:45] == OCTETS[:45] and found[90:] == OCTETS[90:]


def test_uuencode_that_is_base64_is_decoded() -> None:
    file = b"begin-base64 644 a.bin\r\n" + binascii.b2a_base64(OCTETS, newline=False)
    for end in (b"", b"\r\n====\r\n", b"\n====\nprose\n"):
        assert decode(b"prose before it\r\n" + file + end, "uuencode") == OCTETS, end


def test_prose_around_a_uuencoded_file_is_none_of_it() -> None:
    prose = b"Dear all, \xe4ttached is a file that I promised to you last week.\r\n"
    assert decode(prose + uu(*lines()) + prose, "uuencode") == OCTETS


def test_a_paragraph_that_flows_on_costs_no_more_than_as_many_lines() -> None:
    flowing, lines = b"a \r\n" * 100_000, b"a\r\n" * 100_000

    def read(octets: bytes) -> str:
        return read_text(octets, "identity", "utf-8", "delsp")

    assert read(flowing) == "a" * 100_000 + "\n"
    assert is_within(5, lambda: read(flowing), seconds_of(lambda: read(lines)))


def test_a_soft_end_of_a_quoted_printable_line_may_be_a_bare_cr() -> None:
    wanted = {
        b"Gr=C3=BC=\r=C3=9Fe\rund mehr\r": "Grü\u00dfe\nund mehr\n",
        b"a= \t\rb\r\nc=\r\nd": "ab\ncd",
        b"a=\r": "a",
        b"a=\r\n": "a",
    }
    for octets, text in wanted.items():
        assert read_text(octets, "quoted-printable", "utf-8") == text, octets


def test_blanks_that_a_line_of_uuencode_has_lost_count_up_to_a_bound() -> None:
    assert decode(b"begin 644 a\nM\nM\nend\n", "uuencode") == bytes(90)
    grown = decode(b"begin 644 a\n" + b"_\n" * 100_000, "uuencode")
    assert set(grown) == {0}
    assert MAX_PADDING / 2 < len(grown) < MAX_PADDING


# A few of each: where a chunk ends they may be taken for something else.
PIECES = (
    *(
        b"=",
        b"==",
        b"=3D",
        b"=4",
        b"=\r",
        b"=\r\n",
        b"A",
        b"-",
        b"x",
        b"QUI=",
        b"QUJD",
        b"QUJDQUJDQUJD",
    ),
    *(b"\n", b"\r\n", b"\r", b" ", b"\t", b"      ", b"M", b"#0V%T", b"`\n", b"end\n", b"====\n"),
    *(b"begin 644 x\n", b"begin-base64 644 x\n"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=30), st.lists(st.integers(0, 100), max_size=8))
def test_the_octets_are_the_same_however_they_come(pieces: list[bytes], cuts: list[int]) -> None:
    octets = b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer_encoding, "_LONGEST_LINE", 8)  # else only mebibytes would tell
        for encoding in ENCODINGS:
            decoding = decoder(encoding)
            places = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]
            found = [decoding.feed(octets[a:b]) for a, b in pairwise(places)]
            assert b"".join([*found, decoding.finish()]) == decode(octets, encoding), encoding


def test_a_line_behind_padding_costs_no_more_for_a_sign_at_its_end() -> None:
    lines, odd = b"QQ==\n" + b"QUJD" * 10 + b"\n", b"QQ==\n" + b"QUJD" * 10 + b"QUJ!\n"
    assert decode(lines, "base64") == b"A" + b"ABC" * 10
    assert decode(odd, "base64") == b"A"
    assert is_within(10, lambda: decode(odd, "base64"), seconds_of(lambda: decode(lines, "base64")))


def test_a_line_of_blanks_costs_no_more_than_one_of_letters() -> None:
    def read(octets: bytes) -> None:
        decoding = decoder("quoted-printable")
        for _ in range(400):
            decoding.feed(octets)
        decoding.finish()

    blanks, letters = b" " * 16_384, b"x" * 16_384
    assert is_within(4, lambda: read(blanks), seconds_of(lambda: read(letters)))

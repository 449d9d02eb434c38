"""Decoding of what was damaged on the way."""

import binascii

from storage.message_format.transfer_encoding import decode, read_text
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

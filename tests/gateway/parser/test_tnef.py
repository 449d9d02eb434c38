"""winmail.dat: its files are the message's."""

from __future__ import annotations

import struct
import zlib
from base64 import encodebytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.parser.message import parse
from storage.message_format.mime_parts import Part
from storage.message_format.tnef import decompressed, files_in, letter_in, text_of_rtf
from storage.message_format.transfer_encoding import file_decoder
from tests.support.cost import is_within, seconds_of
from tests.support.written import page_of


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("<BII", 2, kind, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def text_property(name: int, text: str) -> bytes:
    value = (text + "\x00").encode("utf-16-le")
    head = struct.pack("<HHII", 0x001F, name, 1, len(value))
    return head + value + bytes(-len(value) % 4)


def file(title: bytes, octets: bytes, *properties: bytes) -> bytes:
    number = struct.pack("<HHI", 0x0003, 0x0E21, 7)
    all_of_it = struct.pack("<I", len(properties) + 1) + number + b"".join(properties)
    return (
        attribute(0x00069002, bytes(14))
        + attribute(0x00018010, title + b"\x00")
        + attribute(0x0006800F, octets)
        + attribute(0x00069005, all_of_it)
    )


def winmail(*files: bytes) -> bytes:
    codepage = attribute(0x00069007, struct.pack("<II", 1252, 0))
    return b"\x78\x9f\x3e\x22\x01\x00" + codepage + b"".join(files)


def message(data: bytes, *, content_type: str = "application/ms-tnef") -> bytes:
    return (
        b"From: a@x.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nsee file\r\n"
        b"--b\r\nContent-Type: " + content_type.encode() + b"; name=winmail.dat\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + encodebytes(data) + b"\r\n--b--\r\n"
    )


def octets_of(content: bytes, part: Part, *, step: int = 1_000) -> bytes:
    decoding = file_decoder(part)
    place = range(part.start, part.end, step)
    found = b"".join(decoding.feed(content[n : min(n + step, part.end)]) for n in place)
    return found + decoding.finish()


LONG = text_property(0x3707, "Jahresübersicht 2026.pdf")
TWO = winmail(
    file(b"JAHRES~1.PDF", b"%PDF-1.4 " + bytes(range(256)) * 40, LONG),
    file("Größe.txt".encode("cp1252"), b"hello"),
)


@pytest.mark.parametrize("content_type", ["application/ms-tnef", "application/octet-stream"])
def test_the_files_of_a_winmail_dat_are_shown_in_its_place(content_type: str) -> None:
    content = message(TWO, content_type=content_type)
    result = parse(content, lambda: True)

    assert [(one.filename, one.content_type, one.size) for one in result.attachments] == [
        ("Jahresübersicht 2026.pdf", "application/pdf", 9 + 256 * 40),
        ("Größe.txt", "text/plain", 5),
    ]
    pdf, text = result.attachments
    for step in (1, 77, 100_000):
        assert octets_of(content, text, step=step) == b"hello"
    assert octets_of(content, pdf) == b"%PDF-1.4 " + bytes(range(256)) * 40
    assert result.has_files


def test_a_message_attached_in_a_winmail_dat_is_a_file_of_it() -> None:
    value = bytes(range(16)) + TWO  # the interface of the object, then the object
    within = struct.pack("<HHII", 0x000D, 0x3701, 1, len(value)) + value + bytes(-len(value) % 4)
    number = struct.pack("<HHI", 0x0003, 0x0E21, 7)
    properties = struct.pack("<I", 3) + number + within + text_property(0x3001, "Grüße")
    attached = attribute(0x00069002, bytes(14)) + attribute(0x00069005, properties)
    content = message(winmail(attached, file(b"a.txt", b"hello")))

    inner, text = parse(content, lambda: True).attachments
    assert (inner.filename, inner.content_type) == ("Grüße.tnef", "application/ms-tnef")
    assert octets_of(content, inner) == TWO
    assert octets_of(content, text) == b"hello"


def test_a_winmail_dat_without_files_stays_a_file() -> None:
    for data in (winmail(), b"something else", TWO[:30]):
        (part,) = parse(message(data), lambda: True).attachments
        assert part.filename == "winmail.dat"


def binary_property(name: int, octets: bytes) -> bytes:
    head = struct.pack("<HHII", 0x0102, name, 1, len(octets))
    return head + octets + bytes(-len(octets) % 4)


def properties_of_letter(*properties: bytes) -> bytes:
    return attribute(0x00069003, struct.pack("<I", len(properties)) + b"".join(properties))


PAGE = binary_property(0x1013, '<meta charset="utf-8"><p>Grüße <b>vom</b> Numbat</p>'.encode())
BARE = b"From: a@x.test\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\n\r\n"


def test_the_letter_in_a_winmail_dat_is_shown_where_there_is_no_other() -> None:
    plain = attribute(0x0002800C, "Grüße vom Numbat\r\n\0".encode("cp1252"))
    text = text_property(0x1000, "Grüße vom Numbat\r\n")
    unseen = text_property(0x1000, "\u200b\r\n")
    a_file = file(b"a.txt", b"hello")
    for inner in (
        plain,
        *(properties_of_letter(*them) for them in ([text], [PAGE], [text, PAGE], [unseen, PAGE])),
    ):
        data = BARE + winmail(inner, a_file)
        found = parse(data, lambda: True)
        assert found.status == "parsed"
        assert found.text is not None
        assert zlib.decompress(found.text).decode().rstrip() == "Grüße vom Numbat"
        assert (page_of(found) == "<p>Grüße <b>vom</b> Numbat</p>") == (PAGE in inner)
        assert found.preview == "Grüße vom Numbat"
        (part,) = found.attachments
        assert octets_of(data, part) == b"hello"

    data = message(winmail(properties_of_letter(PAGE), a_file))
    found = parse(data, lambda: True)
    assert (found.text, found.html, found.preview) == (None, None, "see file")
    found = parse(data.replace(b"see file", b" "), lambda: True)
    assert found.preview == "Grüße vom Numbat"


# From MS-OXRTFCP 3.1: runs of the dictionary, and one that repeats what it writes.
HELLO = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af320"
    "68656c090020627705b06c647d0a800fa0"
)
REPEATED = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
RICH = rb"""{\rtf1\ansi\ansicpg1252\fromhtml1{\fonttbl{\f0 Arial;}}{\colortbl\red0;}
{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Gr\'fc\'dfe \u8364?5 \{a\} {\b bold} \endash  x\par}
\uc2\u26085 ab\u-10179 ab\u-8704 ab!{\pict 0102}\line next\tab one}"""


def test_the_words_of_a_letter_that_is_rich_text_alone_are_shown() -> None:
    assert decompressed(HELLO) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert decompressed(REPEATED) == b"{\\rtf1 " + b"WXYZ" * 5 + b"}"
    assert decompressed(b"something else, which is longer") == b""
    assert text_of_rtf(RICH) == "Grüße €5 {a} bold – x\n日😀!\nnext\tone"

    rich = binary_property(0x1009, bytes(8) + b"MELA" + bytes(4) + RICH)
    found = parse(BARE + winmail(properties_of_letter(rich)), lambda: True)
    assert found.preview == "Grüße €5 {a} bold – x 日😀! next one"
    rich = binary_property(0x1009, HELLO)
    assert parse(BARE + winmail(properties_of_letter(rich)), lambda: True).preview == "hello world"
    other = properties_of_letter(text_property(0x1000, "The letter"), rich)
    assert parse(BARE + winmail(other), lambda: True).preview == "The letter"


@given(st.binary(max_size=200))
def test_no_rich_text_fails_or_grows_beyond_a_bound(octets: bytes) -> None:
    assert len(decompressed(bytes(8) + b"LZFu" + bytes(4) + octets)) <= 17 * len(octets)
    text_of_rtf(octets)
    text_of_rtf(RICH[: len(octets)] + octets)


def test_a_picture_of_the_page_is_no_reason_for_a_paper_clip() -> None:
    page = properties_of_letter(binary_property(0x1013, b"<p>See <img src='cid:p@x'></p>"))
    picture = file(b"p.png", b"PNG", text_property(0x3712, "p@x"))
    found = parse(BARE + winmail(page, picture), lambda: True)
    (part,) = found.attachments
    assert (part.filename, part.is_inline, found.has_files) == ("p.png", True, False)
    assert parse(BARE + winmail(page, picture, file(b"a.txt", b"hello")), lambda: True).has_files


@given(st.integers(0, len(TWO)), st.binary(max_size=8))
def test_what_is_broken_ends_the_reading(place: int, octets: bytes) -> None:
    data = TWO[:place] + octets + TWO[place + len(octets) :]
    for one in files_in(data):
        assert 0 < one.start <= one.start + one.size <= len(data)
    assert len(letter_in(data).html) <= len(data)


def test_many_files_are_read_up_to_a_bound() -> None:
    many = winmail(*[file(b"a", b"x")] * 1_100)
    assert len(files_in(many)) == 1_001
    found = parse(message(many), lambda: True)
    assert (found.status, len(found.attachments)) == ("partial", 1_000)
    found = parse(message(winmail(*[file(b"a", b"x")] * 300)), lambda: True)
    assert (found.status, len(found.attachments)) == ("parsed", 300)


def rich_letter(rtf: bytes) -> bytes:
    return BARE + winmail(
        properties_of_letter(binary_property(0x1009, bytes(8) + b"MELA" + bytes(4) + rtf))
    )


def test_the_octets_of_rich_text_are_in_the_charset_of_their_font() -> None:
    fonts = (
        rb"{\fonttbl{\f0\fswiss\fcharset0 Arial;}{\f1\fcharset204 Arial CYR;}{\f2\fcharset128 MS;}}"
    )
    told = {
        rb"\f0 Gr\'fc\'dfe {\f1 \'cf\'f0\'e8} \'fc \f2 \'93\'fa\plain \'fc": "Grüße При ü 日ü",
        rb"\pard\f1 \'cf\par\f0\'fc": "П\nü",
        rb"{\*\x \f1}\'fc{\stylesheet{\f1 x}}\'fc": "üü",
    }
    for words, text in told.items():
        assert text_of_rtf(rb"{\rtf1\ansi\ansicpg1252\deff0" + fonts + words + b"}") == text
    assert text_of_rtf(rb"{\rtf1\ansicpg1251\deff0" + fonts + rb"\f0 \'cf\f2 \'93\'fa}") == "П日"


def test_what_rich_text_holds_for_programs_is_no_text() -> None:
    told = {
        rb"a{\pict\bin5 }}{{}b}c": "ac",
        rb"a\bin999999999 b": "a",
        rb"a\bin-3 b": "ab",
        rb"{\u8364}5 {\u8364?}5": "€5 €5",
        rb"{\field{\fldinst HYPERLINK x}{\fldrslt y}}{\footerf 1}": "y",
    }
    for words, text in told.items():
        assert text_of_rtf(rb"{\rtf1 " + words + b"}") == text, words


def test_of_long_rich_text_the_beginning_is_shown() -> None:
    found = parse(rich_letter(rb"{\rtf1 " + b"word " * 100_000 + b"}"), lambda: True)
    assert (found.status, found.preview[:9]) == ("partial", "word word")


def test_the_page_is_in_the_code_page_that_outlook_names() -> None:
    page = binary_property(0x1013, "<p>Привет</p>".encode("cp1251"))
    number = struct.pack("<HHI", 0x0003, 0x3FDE, 1251)
    for inner in (properties_of_letter(number, page), properties_of_letter(page, number)):
        assert parse(BARE + winmail(inner), lambda: True).preview == "Привет"
    wide = properties_of_letter(text_property(0x1013, "<p>Привет</p>"))
    assert parse(BARE + winmail(wide), lambda: True).preview == "Привет"


def test_a_uuencoded_file_in_the_letter_stays_its_text() -> None:
    coded = b"See:\r\nbegin 644 hi.txt\r\n%:&5L;&\\ \r\n`\r\nend\r\n"
    found = parse(BARE + winmail(attribute(0x0002800C, coded)), lambda: True)
    assert [one.filename for one in found.attachments] == ["winmail.dat"]
    assert "hi.txt" in found.preview


def test_half_a_sign_of_utf_7_fails_nobody() -> None:
    codepage = attribute(0x00069007, struct.pack("<II", 65000, 0))
    data = winmail()[:6] + codepage + attribute(0x0002800C, b"a+2AA-b")
    assert parse(BARE + data, lambda: True).preview == "a\ufffdb"


def test_an_attribute_that_comes_again_costs_nothing() -> None:
    values = struct.pack("<HHI", 0x101E, 0x1234, 1_000) + bytes(4_000)
    letter = attribute(0x00069003, struct.pack("<I", 1_000) + values * 1_000)
    of_file = file(b"a", b"x") + letter.replace(b"\x03\x90", b"\x05\x90", 1) * 30
    once = seconds_of(lambda: letter_in(winmail(letter)))
    several, of_file = winmail(*[letter] * 30), winmail(of_file)
    assert is_within(8, lambda: letter_in(several), once)
    assert is_within(8, lambda: files_in(of_file), once)


def test_a_winmail_dat_is_not_decoded_without_time_for_it() -> None:
    found = parse(BARE + TWO, lambda: False)
    assert (found.status, found.attachments) == ("partial", ())

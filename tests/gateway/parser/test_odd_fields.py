"""Structured fields as mailers write them: read for what they mean (kinds F, I and L)."""

import pytest

from gateway.message.header_scan import scan
from gateway.parser.fields import content_id, kind_of
from gateway.parser.structure import Source, split
from tests.support.cases import cases

HTML = """
text/html;charset=iso-8859-2
text/html charset = iso-8859-2
"text/html; charset=iso-8859-2"
'text/html'; charset='iso-8859-2'
text/html; charset="'iso-8859-2'"
text/html; charset=\\"iso-8859-2\\"
text/html; charset=charset=iso-8859-2
text/html; charset==iso-8859-2
text/html; charset=<iso-8859-2>
text/html; charset=iso8859_2
text/(c)html; charset=iso-8859-2
text(c)/html; charset=iso-8859-2 (x)
text/html.; charset=iso-8859-2
text//html; charset=iso-8859-2
text\\html; charset=iso-8859-2
text-html; charset=iso-8859-2
<text/html>; charset=iso-8859-2
=?utf-8?q?text/html?=; charset=iso-8859-2
Content-Type: text/html; charset=iso-8859-2
; text/html; charset=iso-8859-2
text/htm; charset=iso-8859-2
text/x-html; charset=iso-8859-2
application/html; charset=iso-8859-2
html; charset=latin2
text/html; charset=3Diso-8859-2
text/html; charset=3D"iso-8859-2"
text/html; charset:iso-8859-2
text/html; charset iso-8859-2
text/html; iso-8859-2
text/html;iso-8859-2; format=flowed
"""
BASE64 = """
base64
"base64";
'BASE64'
base64 (c)
(c) base64
base-64
x-base64
b64
=base64
<base64>
[base64]
base 64
base64 charset=utf-8
7bit, base64
encoding=base64
Content-Transfer-Encoding: base64
"""
QUOTED_PRINTABLE = """
quoted-printable;
quoted_printable
quoted printable
quoted/printable
x-quoted-printable
quopri
x-qp
quoted-printable; charset=utf-8
quoted_printable_8bit
quoted-printable charset=utf-8
"""
MULTIPARTS = """
multipart/mixed; boundary=BB
multipart/mixed; boundary='BB'
multipart/mixed; boundary=BB (c)
multipart/mixed; boundary==BB
multipart/mixed boundary = "BB"
"multipart/mixed", boundary=BB
multipart/mixed; boundary*=us-ascii''BB
multipart/\tmixed; boundary=BB
multipart/=mixed; boundary=BB
"""
TWO_PARTS = "--BB\r\n\r\none\r\n--BB\r\n\r\ntwo\r\n--BB--\r\n"
NAMES = (
    ("filename*=UTF-8'Gr%C3%BC.pdf", "Grü.pdf"),
    ("filename*=x-unknown''Gr%C3%BC.pdf", "Grü.pdf"),
    ("filename*=Bob's%20file.pdf", "Bob's file.pdf"),
    ("filename=\"UTF-8''Gr%C3%BC.pdf\"", "Grü.pdf"),
    ("filename*0=\"UTF-8''Gr%C3%BC\"; filename*1=x.pdf", "Grüx.pdf"),
    ('filename="100%25 sure.pdf"', "100%25 sure.pdf"),
    ("filename='My Report.pdf'", "My Report.pdf"),
    ('filename="a "b" c.pdf"; size=3', 'a "b" c.pdf'),
    ('filename="a;b.pdf"', "a;b.pdf"),
    ('filename="=?utf-8?Q?My Gr=C3=BC.pdf?="', "My Grü.pdf"),
    ('filename="inv\u200b\u2067fdp\u2069.exe"', "invfdp.exe"),
    ('filename="a.pdf' + " " * 80 + '.exe"', "a.pdf .exe"),
    ('filename="\x1b$B%F%9%H\x1b(B.txt"', "テスト.txt"),
    ("filename*=UTF-8''; filename=x.pdf", "x.pdf"),
    ("filename*00=a; filename*01=b.txt", "ab.txt"),
    ("filename*0*=UTF-8''a%20; filename*1=b%20c.txt", "a b%20c.txt"),
    ("filename*0*=UTF-8''Gr%C3%B; filename*1*=C.pdf", "Grü.pdf"),
    ('filename=""report.pdf""', "report.pdf"),
    ('filename="report".pdf', "report.pdf"),
    ('filename="report.pdf; size=3', "report.pdf"),
    ("filename*=utf-8''a%E2%80%A8b.pdf", "a b.pdf"),
    ("filename*0*=iso-2022-jp''%1B$B%25F; filename*1*=%259%25H%1B%28B.txt", "テスト.txt"),
)


def test_types_and_charsets_are_read_for_what_they_mean() -> None:
    with cases() as case:
        for field in HTML.strip().split("\n"):
            with case(field):
                kind = kind_of({b"content-type": field.encode()}, "text/plain")
                assert (kind.content_type, kind.charset) == ("text/html", "iso-8859-2")


def test_transfer_encodings_are_read_for_what_they_mean() -> None:
    with cases() as case:
        for fields, encoding in ((BASE64, "base64"), (QUOTED_PRINTABLE, "quoted-printable")):
            for field in fields.strip().split("\n"):
                with case(field):
                    values = {b"content-transfer-encoding": field.encode()}
                    assert kind_of(values, "text/plain").encoding == encoding


def test_a_boundary_is_found_behind_stray_signs() -> None:
    with cases() as case:
        for field in MULTIPARTS.strip().split("\n"):
            with case(field):
                octets = f"Content-Type: {field}\r\n\r\n{TWO_PARTS}".encode()
                leaves = split(Source(octets), lambda: True).leaves
                assert [octets[one.start : one.end] for one in leaves] == [b"one", b"two"]


def test_what_no_other_reader_takes_for_a_multipart_is_text() -> None:
    with cases() as case:
        for written in (
            "multipart\t/mixed",
            '" multipart/mixed',
            "multipart: mixed",
            "<multipart/mixed>",
        ):
            with case(written):
                kind = kind_of({b"content-type": f"{written}; boundary=BB".encode()}, "text/plain")
                assert kind.content_type == "text/plain"


def test_single_quotes_of_a_boundary_count_where_the_body_has_them() -> None:
    octets = b"Content-Type: multipart/mixed; boundary='B'\r\n\r\n--'B'\r\n\r\none\r\n--'B'--\r\n"
    (leaf,) = split(Source(octets), lambda: True).leaves
    assert octets[leaf.start : leaf.end] == b"one"


def test_a_file_name_is_read_in_each_way_that_it_is_written() -> None:
    with cases() as case:
        for written, name in NAMES:
            with case(written):
                values = {b"content-disposition": b"attachment; " + written.encode()}
                assert kind_of(values, "text/plain").filename == name


def test_a_type_that_is_none_is_that_of_the_name() -> None:
    wanted = {
        (b"", b"a.pdf"): "application/pdf",
        (b"pdf", b"a.pdf"): "application/pdf",
        (b"application-x-gzip", b"a.xml.gz"): "application/octet-stream",
        (b"", b"a.html"): "text/html",
        (b"", b"a"): "text/plain",
        (b"text", b"a.pdf"): "text/plain",
        (b"application/x", b"a.pdf"): "application/x",
        (b'"\tmultipart/mixed', b"a.pdf"): "text/plain",
    }
    with cases() as case:
        for (stated, name), media_type in wanted.items():
            with case(f"{stated!r} {name!r}"):
                disposition = b"attachment; filename=" + name
                values = {b"content-type": stated, b"content-disposition": disposition}
                assert kind_of(values, "text/plain").content_type == media_type


def test_a_file_without_a_name_has_that_of_its_location_or_description() -> None:
    wanted = {
        ("image/png", "Content-Location: http://x.test/a/logo%20new.png?size=1"): "logo new.png",
        ("image/png", 'Content-Location: "logo.png"'): "logo.png",
        ("application/pdf", "Content-Description: =?utf-8?q?Gr=C3=BC_3.pdf?="): "Grü 3.pdf",
        ("application/pdf", "Content-Description: for example.com"): None,
        ("application/pdf", "Content-Description: 3 Scanned Pages"): None,
        ("text/plain", "Content-Description: notes.txt"): None,
        ("image/png; name=b.png", "Content-Location: logo.png"): "b.png",
    }
    with cases() as case:
        for (media_type, field), name in wanted.items():
            with case(field):
                octets = f"Content-Type: {media_type}\n{field}\n\nx".encode()
                (leaf,) = split(Source(octets), lambda: True).leaves
                assert leaf.kind.filename == name


def test_a_disposition_that_is_an_encoded_word_is_read() -> None:
    written = b"=?utf-8?Q?attachment=3B_filename=3D=22a.pdf=22?="
    kind = kind_of({b"content-disposition": written}, "text/plain")
    assert (kind.disposition, kind.filename) == ("attachment", "a.pdf")


def test_raw_japanese_of_seven_bits_is_read_in_the_header() -> None:
    found = scan("Subject: テスト\r\nFrom: 田中 <t@x.test>\r\n\r\n".encode("iso-2022-jp"))
    assert (found.subject, *found.from_) == ("テスト", ("田中", "t@x.test"))


@pytest.mark.parametrize(
    "text",
    ["<logo@x>", "logo@x", " <logo@x> (the logo)", '"<logo@x>"', "<cid:logo@x>", "cid:logo@x"],
)
def test_a_content_id_is_read_without_what_stands_around_it(text: str) -> None:
    assert content_id(text) == "logo@x"

"""What the parser makes of a message."""

import time
import zlib
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message.header_scan import scan
from gateway.parser import message
from gateway.parser.fields import read_header
from gateway.parser.message import parse, preview_of
from gateway.parser.structure import Source, split
from storage.index.words import unpack
from storage.message_format.header_grammar import begin
from storage.message_format.mime_parts import Parsed, Part
from storage.message_format.transfer_encoding import decode, read_text
from tests.support import headers
from tests.support.cost import is_within, seconds_of


def always() -> bool:
    return True


def parsed(*lines: str | bytes) -> tuple[Parsed, bytes]:
    data = b"\r\n".join(line.encode() if isinstance(line, str) else line for line in lines)
    return parse(data, always), data


def texts(result: Parsed, data: bytes) -> list[str]:
    return [
        read_text(data[p.start : p.end], p.encoding, p.charset, p.flow) for p in result.text_parts
    ]


def html(result: Parsed) -> str:
    assert result.html is not None
    return zlib.decompress(result.html).decode()


def said(result: Parsed) -> str:
    assert result.text is not None
    return zlib.decompress(result.text).decode()


def octets(data: bytes, part: Part) -> bytes:
    return decode(data[part.start : part.end], part.encoding)


ALTERNATIVE = (
    "From: =?utf-8?q?J=C3=BCrgen?= <j@sender.test>",
    "To: team@example.test",
    "Reply-To: Desk <desk@sender.test>, other@sender.test",
    "Subject: Offer",
    'Content-Type: multipart/mixed; boundary="outer"',
    "",
    "preamble",
    "--outer",
    "Content-Type: multipart/alternative; boundary=inner",
    "",
    "--inner",
    "Content-Type: text/plain; charset=iso-8859-1",
    "Content-Transfer-Encoding: quoted-printable",
    "",
    "Gr=FC=DFe =",
    "an alle",
    "--inner",
    "Content-Type: text/html; charset=utf-8",
    "",
    "<p>Grüße an <b>alle</b></p>",
    "--inner--",
    "--outer",
    "Content-Type: application/pdf",
    "Content-Transfer-Encoding: base64",
    "Content-Disposition: attachment; filename*=utf-8''%C3%9Cbersicht.pdf",
    "",
    "JVBERi0=",
    "--outer",
    'Content-Type: image/png; name="logo.png"',
    "Content-ID: <logo@x>",
    "Content-Disposition: inline",
    "",
    "PNG",
    "--outer--",
    "epilogue",
)


def test_text_html_and_files_are_told_apart() -> None:
    result, data = parsed(*ALTERNATIVE)

    assert result.status == "parsed"
    assert texts(result, data) == ["Grüße an alle"]
    assert html(result) == "<p>Grüße an <b>alle</b></p>"
    assert result.text is None
    assert result.preview == "Grüße an alle"
    assert result.reply_to == (("Desk", "desk@sender.test"), ("", "other@sender.test"))
    pdf, logo = result.attachments
    assert (pdf.filename, pdf.content_type, pdf.size) == ("Übersicht.pdf", "application/pdf", 5)
    assert (pdf.is_inline, octets(data, pdf)) == (False, b"%PDF-")
    assert (logo.filename, logo.content_id, logo.is_inline) == ("logo.png", "logo@x", True)
    assert octets(data, logo) == b"PNG"


def test_the_words_are_those_of_header_text_and_file_names() -> None:
    result, _ = parsed(*ALTERNATIVE)

    assert unpack(result.words) == {
        "sender": "jürgen j sender test",
        "recipient": "team example test",
        "subject": "offer",
        "body": "grüsse an alle übersicht pdf logo png",
    }


@pytest.mark.parametrize(
    ("kind", "parts", "made"),
    [
        ("alternative", {"text/html": "<p>One</p>"}, True),
        ("alternative", {"text/plain": "\u00a0", "text/html": "<p>One</p>"}, True),
        ("mixed", {"text/plain": "", "text/html": "<p>One</p>"}, True),
        ("mixed", {"text/enriched": "<bold>One</bold>"}, True),
        ("alternative", {"text/plain": "One", "text/html": "<p>One</p>"}, False),
        ("mixed", {"text/plain": "One", "text/html": "<p>Two</p>"}, False),
        ("mixed", {"text/plain": "One"}, False),
        ("alternative", {"text/html": "<img src='cid:a'>"}, False),
        ("mixed", {"text/plain": ""}, False),
    ],
)
def test_a_letter_tells_whether_its_text_is_its_own(
    kind: str, parts: dict[str, str], made: bool
) -> None:
    written = [f"--b\r\nContent-Type: {one}; charset=utf-8\r\n\r\n{parts[one]}" for one in parts]
    result, _ = parsed(f"Content-Type: multipart/{kind}; boundary=b", "", *written, "--b--")

    assert result.text_from_html is made
    assert not made or said(result) == "One"


def test_html_without_text_is_read_as_text() -> None:
    result, _ = parsed(
        "Content-Type: text/html; charset=utf-8",
        "",
        "<title>no</title><style>p{}</style><p>One&amp;<b>two</b><br>three</p>four"
        '<table><tr><td title="a>b">x</td><td>y</td></tr></table><script>no()</script>',
    )

    assert said(result) == "One&two\nthree\nfour\n\nx y"
    assert result.preview == "One&two three four x y"
    assert unpack(result.words)["body"] == "one two three four x y"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("<script>alert(1)</script>a", "a"),
        ("<img src='http://x.test/a.png' alt=b>", '<img alt="b">'),
        ("<img src='//x.test/a.png'>", "<img>"),
        ("<img src='cid:logo@x'>", '<img src="cid:logo@x">'),
        ("<img src='data:image/png;base64,AA=='>", '<img src="data:image/png;base64,AA==">'),
        ("<img src='data:image/svg+xml;base64,AA=='>", "<img>"),
        (f"<img src='data:image/png;base64,{'A' * 40_000}'>", "<img>"),
        ("<img srcset='http://x.test/a 2x'>", "<img>"),
        ("<p style='color:red'>a</p>", '<p style="color:red">a</p>'),
        ("<p style='background:url(http://x.test)'>a</p>", "<p>a</p>"),
        ("<p style='color:red;background-image:u\\72l(//x)'>a</p>", "<p>a</p>"),
        ("<p style='position:fixed;top:0'>a</p>", '<p style="">a</p>'),
        ("<p style='color:rgb(1, 2, 3)'>a</p>", '<p style="color:rgb(1, 2, 3)">a</p>'),
        ("<p style='color:xrgb(1, 2, 3)'>a</p>", "<p>a</p>"),
        ("<p style='Background: #17496E'>a</p>", '<p style="background-color:#17496E">a</p>'),
        (
            "<p style='color:#fff; background : no-repeat rgb(1, 2, 3) top'>a</p>",
            '<p style="color:#fff;background-color:rgb(1, 2, 3)">a</p>',
        ),
        ("<p style='background:navy;'>a</p>", '<p style="background-color:navy">a</p>'),
        ("<p style='background:none no-repeat'>a</p>", '<p style="">a</p>'),
        ("<p onclick='x()'>a</p>", "<p>a</p>"),
        ("<table background='http://x.test'></table>", "<table></table>"),
        ("<svg><image href='http://x.test'/></svg>a", "a"),
        ("<iframe src='http://x.test'></iframe>a", "a"),
        ("<form action='http://x.test'><input name=a></form>b", "b"),
        ("<meta http-equiv=refresh content='0;url=http://x'>a", "a"),
        ("<link rel=stylesheet href='http://x.test'>a", "a"),
        ("<base href='http://x.test'>a", "a"),
        ("<a href='javascript:x()'>a</a>", '<a rel="noopener nofollow noreferrer">a</a>'),
        ("<a href='data:text/html,x'>a</a>", '<a rel="noopener nofollow noreferrer">a</a>'),
        (
            "<a href='https://x.test' target=_top>a</a>",
            '<a href="https://x.test" rel="noopener nofollow noreferrer">a</a>',
        ),
    ],
)
def test_html_loads_and_runs_nothing(source: str, shown: str) -> None:
    result, _ = parsed("Content-Type: text/html", "", source)

    assert html(result) == shown


def test_a_file_name_is_a_name_and_nothing_else() -> None:
    for written, kept in (
        ('filename="../../etc/passwd"', "passwd"),
        ('filename="C:\\\\dir\\\\a.exe"', "a.exe"),
        ('filename="a\x01b\x7f.txt"', "a b .txt"),
        ('filename="=?utf-8?b?w5xiZXIudHh0?="', "Über.txt"),
        ("filename*0*=iso-8859-1''%DC; filename*1=ber; filename*2*=%2Etxt", "Über.txt"),
        ('filename=""; size=3', None),
        ("filename*=utf-8''%00%ED%A0%80", "\ufffd" * 4),
        (f'filename="{"n" * 400}"', "n" * 255),
    ):
        result, _ = parsed(
            "Content-Type: application/x-y", f"Content-Disposition: attachment; {written}", "", "x"
        )
        assert result.attachments[0].filename == kept, written


def test_an_attached_message_is_one_file() -> None:
    result, data = parsed(
        "Content-Type: multipart/mixed; boundary=a",
        "",
        "--a",
        "Content-Type: message/rfc822",
        "",
        "Content-Type: multipart/mixed; boundary=b",
        "",
        "--b",
        "",
        "inside",
        "--b--",
        "--a--",
    )

    (part,) = result.attachments
    assert part.content_type == "message/rfc822"
    assert octets(data, part).endswith(b"--b--")
    assert result.text_parts == ()


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["Content-Type: text/plain; charset=x-none", "", b"caf\xe9"], "café"),
        (["Content-Type: text/plain; charset=us-ascii", "", "café"], "café"),
        (["", b"a\x00b\xed\xa0\x80"], "a\ufffdbí\xa0€"),
        (["Content-Type: text/plain; charset=utf-8", "", b"\xed\xa0\x80x"], "\ufffd\ufffd\ufffdx"),
        (["Content-Type: text/plain; charset=utf-7", "", "+2AA-x"], "\ufffdx"),
        (["Content-Transfer-Encoding: base64", "", "aGk!! gd2\u00e9", "9ybGQ="], "hi world"),
        (["Content-Transfer-Encoding: base64", "", "aGkg=", "eHh4"], "hi xxx"),
        (["Content-Transfer-Encoding: base64", "", "aGkg=", "a mailing list"], "hi "),
        (
            ["Content-Transfer-Encoding: quoted-printable", "", "a=ZZ=C3=A9=", "=b", "="],
            "a=ZZé=b\n",
        ),
        (["Content-Transfer-Encoding: x-none", "", "a=41"], "a=41"),
        (["Content-Type: multipart/mixed", "", "--b", "", "a"], "--b\n\na"),
        (["Content-Type: multipart/mixed; boundary=q", "", "--b", "a"], "--b\na"),
        (["Content-Type: what?", "", "a\rb"], "a\nb"),
        ([" begins with white space", "Subject: x", "", "a"], "a"),
        (["no header", "", "a"], "no header\n\na"),
    ],
)
def test_broken_parts_are_read_as_well_as_they_can_be(lines: list[str | bytes], text: str) -> None:
    result, data = parsed(*lines)

    assert texts(result, data) == [text]
    assert result.status == "parsed"


def test_an_outer_boundary_ends_the_inner_parts() -> None:
    result, data = parsed(
        "Content-Type: multipart/mixed; boundary=a",
        "",
        "--a",
        "Content-Type: multipart/mixed; boundary=b",
        "",
        "--b",
        "",
        "one",
        "--a  ",
        "",
        "two",
    )

    assert texts(result, data) == ["one", "two"]


H = b"From: a@b.test\r\nSubject: x\r\n"
MIXED = H + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
HTML = H + b"Content-Type: text/html\r\n\r\n"
HOSTILE = {
    "a file of padding": H
    + b"Content-Type: application/x; name=a\r\nContent-Disposition: attachment\r\n"
    + b"Content-Transfer-Encoding: base64\r\n\r\n"
    + b"AA==\r\n" * 2_000_000,
    "words in To": H + b"To: " + b" ".join([b"=?utf-8?q?=41?="] * 40_000) + b"\r\n\r\nhi",
    "words in Subject": b"Subject: " + b"\r\n ".join([b"=?utf-8?q?=41?="] * 40_000) + b"\r\n\r\nhi",
    "nesting": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
        for level in range(10_000)
    ),
    "one boundary": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * 10_000,
    "parts": MIXED + b"--b\r\n\r\nx\r\n" * 50_000 + b"--b--\r\n",
    "folded Subject": b"Subject: " + b"a b\r\n " * 250_000 + b"\r\n\r\nhi",
    "addresses": b"To: "
    + b", ".join(b"A%d <a%d@b.test>" % (n, n) for n in range(20_000))
    + b"\r\n\r\n",
    "hyphens": MIXED + b"--\n" * 3_000_000,
    "parameters": H + b"Content-Type: text/plain; " + b'a="' * 3_000 + b"\r\n\r\nx",
    "sections": H + b"Content-Type: a/b;\r\n" + b" name*1*=%41;\r\n" * 9_000 + b"\r\nx",
    "fields": b"a:b\r\n" * 2_000_000,
    "deep HTML": HTML + b"<div>" * 100_000,
    "blanks between tags": HTML + b"x" + b"<b> </b>" * 130_000 + b"y",
    "blanks that are kept": HTML + b"<pre>x" + b" " * 1_000_000 + b"y</pre>",
    "ampersands": HTML + b"x&" * 500_000,
    "open tags": HTML + b'<a "' * 200_000,
    "comments": HTML + b"<!--" * 200_000,
    "less-thans": HTML + b"<" * 500_000,
}


ORDINARY = b"Subject: x\r\n\r\n" + b"Some ordinary words in a line of a letter.\r\n" * 45_000


@pytest.fixture(scope="module")
def plain() -> float:
    """How long an ordinary letter of 2 MB takes."""
    return seconds_of(lambda: parse(ORDINARY, always))


@pytest.mark.parametrize("name", HOSTILE)
def test_what_was_made_to_be_slow_is_not(name: str, plain: float) -> None:
    """In ten times as long as an ordinary letter of 2 MB takes it is done, or soon after."""

    def within_ten_times() -> None:
        end = time.process_time() + 10 * plain
        parse(HOSTILE[name], lambda: time.process_time() < end)

    assert is_within(40, within_ten_times, plain)
    result = parse(HOSTILE[name], answers(3_000))
    assert len(result.attachments) + len(result.text_parts) <= 1_002
    assert len(result.preview) <= 200


def answers(count: int) -> Callable[[], bool]:
    left = iter([True] * count)
    return lambda: next(left, False)


def test_what_is_over_a_cap_is_partial() -> None:
    for name in ("nesting", "parts", "hyphens", "fields", "deep HTML"):
        assert parse(HOSTILE[name], answers(1_000)).status == "partial", name
    long = H + b"\r\n" + b"x" * 2_000_000
    assert parse(long, always).status == "partial"
    assert parse(HTML + b"<p>x", always, with_html=False).status == "partial"


LINES = st.sampled_from(
    [
        b"Subject: x",
        b"Content-Type: text/plain",
        b"Content-Type: multipart/mixed; boundary=b",
        b"From: a@b.test",
        b"From mbox",
        b" folded",
        b": nameless",
        b"no field",
        b"--b",
        b"--b--",
        b"",
        b"",
        b"\x00\xff",
    ]
)
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r"])
MESSAGES = st.lists(st.tuples(LINES, ENDS), max_size=14).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@given(MESSAGES)
def test_header_scan_and_parser_see_one_header(data: bytes) -> None:
    found, known = read_header(data, begin(data), lambda line: False), headers.read(data)

    assert found.body == known.body
    subject = (known.first(b"subject") or b"").translate(None, b"\r\n")
    assert scan(data).subject == subject.decode().strip()
    assert (
        found.values.get(b"content-type", b"").strip()
        == (known.first(b"content-type") or b"").strip()
    )


# An mbox-like line at the end of a header is ignored here; that package makes it the body's first.
# Odd lines in a header are passed over here; there they end it.
ODD = (b"From mbox", b"no field", b"\x00\xff")


@given(MESSAGES.filter(lambda data: not any(line in data for line in ODD)))
def test_parts_begin_and_end_where_the_email_package_says(data: bytes) -> None:
    known = message_from_bytes(data)
    structure = split(Source(data), always)
    leaves = [data[leaf.start : leaf.end] for leaf in structure.leaves]
    expected = [octets_of(part) for part in leaves_of(known)]

    if known.is_multipart():
        assert [leaf.strip() for leaf in leaves] == [one.strip() for one in expected]


def leaves_of(message: Message) -> Iterator[Message]:
    if not message.is_multipart():
        yield message
        return
    for part in message.get_payload():
        assert isinstance(part, Message)
        yield from leaves_of(part)


def octets_of(message: Message) -> bytes:
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


@given(st.binary(max_size=300))
def test_any_octets_have_a_result(data: bytes) -> None:
    for head in (b"", H, MIXED, HTML, b"Content-Transfer-Encoding: base64\r\n\r\n"):
        result = parse(head + data, always)
        assert result.status in {"parsed", "partial"}
        places = [(part.start, part.end) for part in result.text_parts]
        places += [(part.start, part.end) for part in result.attachments]
        assert all(0 <= start <= end <= len(head + data) for start, end in places)


@given(
    st.lists(st.tuples(st.sampled_from(("a", " ", "\u200b", "\n\u034f", "é")), st.integers(1, 90)))
)
def test_a_preview_is_the_same_however_little_of_the_text_is_read(
    runs: list[tuple[str, int]],
) -> None:
    text = "".join(sign * count for sign, count in runs * 3)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(message, "_PREVIEW_FIRST", 300)
        little = preview_of(text)
        patch.setattr(message, "_PREVIEW_FIRST", len(text))
        assert little == preview_of(text)


def test_text_of_a_kind_that_needs_no_program_is_the_letter() -> None:
    for kind in ("text/markdown", "text/x-note"):
        result, data = parsed("Subject: s", f"Content-Type: {kind}", "", "the letter")
        assert (texts(result, data), result.has_files) == (["the letter"], False), kind
    for kind in ("text/calendar", "text/vcard", "text/csv"):
        result, _ = parsed("Subject: s", f"Content-Type: {kind}", "", "for a program")
        assert result.has_files, kind


def test_a_document_beside_a_page_is_attached_even_with_an_id() -> None:
    def beside(kind: str) -> Parsed:
        return parsed(
            'Content-Type: multipart/related; boundary="b"',
            "",
            *("--b", "Content-Type: text/html", "", "<p>hello</p>"),
            *("--b", f"Content-Type: {kind}; name=one", "Content-ID: <one@x>", "", "octets"),
            "--b--",
        )[0]

    assert beside("application/pdf").has_files
    assert not beside("image/png").has_files


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("filename='my report.pdf'", "my report.pdf"),
        ('filename="' + "見積書".encode("iso2022_jp").decode("ascii") + '.pdf"', "見積書.pdf"),
    ],
)
def test_odd_spellings_of_a_file_name(written: str, name: str) -> None:
    result, _ = parsed(
        "Content-Type: application/pdf", f"Content-Disposition: attachment; {written}", "", "x"
    )
    assert [part.filename for part in result.attachments] == [name]


@pytest.mark.parametrize(
    "label", ["quoted_printable", "Quoted-Printable", "x-quoted-printable", "QP"]
)
def test_a_transfer_encoding_is_known_whatever_its_punctuation(label: str) -> None:
    result, data = parsed(
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Transfer-Encoding: {label}",
        "",
        "=C3=A4",
    )
    assert texts(result, data) == ["ä"]

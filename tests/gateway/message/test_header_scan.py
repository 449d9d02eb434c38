"""The capped header scan: never raises, always quick, and at one with all who read headers."""

from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.message.address_lists import Mailbox, parse_mailboxes
from gateway.message.encoded_words import readable
from gateway.message.header_scan import scan
from storage.message_format.header_grammar import MAX_FIELDS, MAX_OCTETS
from tests.support import headers
from tests.support.cost import is_within, seconds_of

# An ordinary header of the same size; what takes a multiple of the square of that is found out.
LONG = b"".join(b"X-Field-%d: words of an ordinary line, and more\r\n" % n for n in range(4000))
MOST_TIMES = 100


def subject_of(value: str) -> str:
    return scan(b"Subject: " + value.encode() + b"\r\n\r\n").subject


def from_of(value: str) -> list[tuple[str, str]]:
    scanned = scan(b"From: " + value.encode() + b"\r\n\r\n")
    return [(mailbox.name, mailbox.email) for mailbox in scanned.from_]


def test_an_ordinary_header_is_read() -> None:
    scanned = scan(
        b"Received: from a.example ([192.0.2.1])\r\n\tby MX.Example.test (x) with ESMTP\r\n"
        b"Received: by b.example; Tue, 1 Jul 2025 10:20:30 +0000\r\n"
        b"Delivered-To: team@example.test\r\n"
        b"From: Alice Example <alice@example.com>\r\n"
        b'To: "Team, the" <team@example.test>,\r\n bob@example.com (Bob)\r\n'
        b"Cc: undisclosed: ;\r\n"
        b"Subject: Re: =?utf-8?q?caf=C3=A9?=\r\n =?utf-8?b?IG9wZW4=?=\r\n"
        b"Message-ID: <c@example.com>\r\n"
        b"In-Reply-To: <b@example.com>\r\n"
        b"References: <a@example.com>\r\n <b@example.com> <a@example.com>\r\n"
        b"Date: Tue, 1 Jul 2025 12:20:30 +0200\r\n"
        b"\r\nSubject: of the body\r\n"
    )
    assert scanned.message_id == "c@example.com"
    assert scanned.in_reply_to == ("b@example.com",)
    assert scanned.references == ("a@example.com", "b@example.com")
    assert scanned.from_ == (Mailbox("Alice Example", "alice@example.com"),)
    assert scanned.to == (
        Mailbox("Team, the", "team@example.test"),
        Mailbox("Bob", "bob@example.com"),
    )
    assert scanned.cc == ()
    assert scanned.subject == "Re: café open"
    assert scanned.date == 1_751_365_230_000_000
    assert scanned.received_count == 2
    assert scanned.received_by == ("mx.example.test", "b.example")
    assert scanned.delivered_to == ("team@example.test",)
    assert not scanned.auto
    assert not scanned.truncated


def test_an_empty_header_has_nothing() -> None:
    scanned = scan(b"")
    assert scanned == scan(b"\r\nSubject: x\r\n")
    assert (scanned.message_id, scanned.date, scanned.subject) == (None, None, "")


# Where the header stops, and what is first: the same as a slow reader, and as Python's parser where
# every line is in order.


def shown(value: bytes) -> str:
    """A raw value on one line, its octets read as UTF-8, else as windows-1252."""
    octets = value.replace(b"\r", b"").replace(b"\n", b"")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")


LINES = st.sampled_from(
    [
        b"From: a@x",
        b"from:b@x",
        b"FROM : c@x",
        b"From x",
        b"From : d@x",
        b"Subject: one",
        b"subject:two",
        b" continued",
        b"\tcontinued",
        b" ",
        b"",
        b": no name",
        b":",
        b"no colon",
        b"X\xe9: eight bits",
        b"X-Y: \xff\xc3\xa9",
        b"Subject: \xc3\xa9\x00\x0b\x0c\x1c\x85",
        b"Received: by x",
        b"\x00",
        b"Bad Name: x",
        b"Content-Type: a/b;",
        b"boundary=x",
        b"To: a@x,",
        b"b@x",
        b"B <b@x>",
        b"\xef\xbb\xbfSubject: three",
        b"--X: y",
        b"A" * 50,
        b"Thread-Index: x",
    ]
)
ENDINGS = st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r"])
HEADERS = st.lists(st.tuples(LINES, ENDINGS).map(b"".join), max_size=10).map(b"".join)


@given(HEADERS)
@example(b"From x\n continued\nFrom: a@x\n")
@example(b"From: a@x\r\rFrom: b@x\r\n")
@example(b"Subject: one\r\n \r\n two\r\n\r\nSubject: three")
@example(b" first\r\nFrom: a@x\r\n")
@example(b"X: yyyyyyyyy\r\n" * 900 + b"Subject: far\r\n")
@example(b"\xef\xbb\xbfSubject: one\r\nfrom : b@x\r\n\r\n")
@example(b"Received: by x\r\nby y; now\r\n for z\r\nFrom: a@x\r\n\r\nSubject: two")
@example(b"no colon\r\n\r\nFrom: a@x\r\n")
@example(b"X: y\r\n" + (b"A" * 60 + b"\r\n") * 40 + b"From: a@x\r\n\r\n")
@example(b"X: y;\r\nb=z;\r\nc=z;\n\rd=z\r\nFrom: a@x,\r\nB <b@x>\r\n\r\n")
def test_the_scan_sees_the_header_that_a_slow_reader_sees(content: bytes) -> None:
    scanned, header = scan(content), headers.read(content)
    if len(header.fields) < MAX_FIELDS:
        sender, subject = header.first(b"from"), header.first(b"subject")
        assert scanned.from_ == (() if sender is None else parse_mailboxes(shown(sender), 100))
        assert scanned.subject == ("" if subject is None else readable(shown(subject)))
        assert scanned.received_count == sum(
            name.lower() == b"received" for name, _ in header.fields
        )


@given(HEADERS)
def test_the_slow_reader_and_pythons_parser_see_one_header(content: bytes) -> None:
    header = headers.read(content)
    if not header.orderly:
        return
    known = message_from_bytes(content, policy=policy.compat32)
    names = [name.decode().lower() for name, _ in header.fields if name]
    assert names == [name.lower() for name in known]


@given(st.binary(max_size=200))
def test_any_bytes_are_scanned(content: bytes) -> None:
    for name in (b"", b"From:", b"Subject: =?", b"Date: ", b"References: <", b"Received: by "):
        scanned = scan(name + content)
        assert scanned.subject.isprintable() or "\x00" not in scanned.subject


@given(st.text('"<>@,:;()\\[] ab.=?q\r\n\x00é', max_size=60))
def test_any_address_list_is_read(text: str) -> None:
    for mailbox in parse_mailboxes(text, 10):
        assert mailbox.name or mailbox.email
        assert "\x00" not in mailbox.email + mailbox.name
        assert "\r" not in mailbox.email + mailbox.name


# Texts


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("plain", "plain"),
        ("  spaced  ", "spaced"),
        ("=?utf-8?q?caf=C3=A9?=", "café"),
        ("=?UTF-8*fr?Q?caf=C3=A9?=", "café"),
        ("=?utf-8?b?Y2Fmw6k=?=", "café"),
        ("=?utf-8?b?Y2Fmw6k?=", "café"),
        ("=?iso-8859-1?q?caf=E9_noir?=", "café noir"),
        ("=?gb2312?b?xOO6ww==?=", "你好"),
        ("a =?utf-8?q?b?= =?utf-8?q?c?= d", "a bc d"),
        ("=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "café"),
        ("=?utf-8?q?a?= =?iso-8859-1?q?=E9?=", "aé"),
        ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        ("=?x-nothing?q?a?=", "=?x-nothing?q?a?="),
        ("=?x-nothing?q?a?= =?utf-8?q?b?=", "=?x-nothing?q?a?= b"),
        ("=?x-nothing?q?caf=C3=A9?=", "café"),
        ("=?x-unknown?q?caf=C3=A9?=", "café"),
        ("=?unknown-8bit?q?caf=E9?=", "café"),
        ("=?us-ascii?q?caf=E9?=", "café"),
        ("=?iso-8859-1?q?=80_=93a=94?=", "€ “a”"),
        ("=?iso-8859-1?q?=C3=81?=", "Á"),
        ("=?iso-8859-9?q?=DE=9Fa?=", "ŞŸa"),
        ("=?tis-620?b?y8fR?=", "หวั"),
        ("=?utf-8?q?caf=E9?=", "café"),
        ("=?ISO_8859-1:1987?q?=E9?=", "é"),
        ("=?cp936?b?xOO6ww==?=", "你好"),
        ("=?utf-8?b?77u/YQ==?=", "a"),
        ("=?aliases?q?a?=", "=?aliases?q?a?="),
        ("=?unicode_escape?q?=5Cud800?=", "=?unicode_escape?q?=5Cud800?="),
        ("=?utf-8?b?a?=", "=?utf-8?b?a?="),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?utf-8?q?a", "=?utf-8?q?a"),
        ("=?utf-8?q?a=0D=0ABcc:_b@x?=", "a  Bcc: b@x"),
        ("=?utf-8?q?Müller_=C3=A9?=", "Müller é"),
        ("=?utf-8?q?Müller?= =?utf-8?q?_=C3=A9?=", "Müller é"),
        ("=?utf-8?b?Müll?=", "=?utf-8?b?Müll?="),
        ("=?koi8-r?q?Привет_=F1?=", "Привет Я"),
        ("=?koi8-r?q?日本?=", "=?koi8-r?q?日本?="),
        ("=?x-none?b?GyRCJUYlOSVIGyhC?=", "テスト"),
        ("=?utf-8?q?=00=ED=A0=80?=", "\ufffd" * 4),
        ("=?utf-7?q?+2AA-?=", "\ufffd"),
        ("a\x00b\x07c\x7f", "a\ufffdb c"),
    ],
)
def test_a_subject_reads_as_a_person_reads_it(raw: str, text: str) -> None:
    assert subject_of(raw) == text


def test_a_subject_has_998_characters_at_most() -> None:
    assert subject_of("x" * 5000) == "x" * 998


@pytest.mark.parametrize(
    ("value", "mailboxes"),
    [
        ("a@x", [("", "a@x")]),
        ("<a@x>", [("", "a@x")]),
        ("A <a@x>", [("A", "a@x")]),
        ('"A, B" <a@x>', [("A, B", "a@x")]),
        (r'"A \"B\"" <a@x>', [('A "B"', "a@x")]),
        ("a@x (A (nested, b@x) B)", [("A nested, b@x B", "a@x")]),
        ("a@x, b@x", [("", "a@x"), ("", "b@x")]),
        ("Team: a@x, B <b@x>; c@x", [("", "a@x"), ("B", "b@x"), ("", "c@x")]),
        ("undisclosed-recipients:;", []),
        ("MAILER-DAEMON", [("MAILER-DAEMON", "")]),
        ('"te am"@x', [("", '"te am"@x')]),
        ("a @ x", [("", "a@x")]),
        ("A <@r1,@r2:a@x>", [("A", "a@x")]),
        ("a@[IPv6:::1]", [("", "a@[IPv6:::1]")]),
        ("ceo@bank.example <evil@x>", [("ceo@bank.example", "evil@x")]),
        ('"<ceo@bank.example>" <evil@x>', [("<ceo@bank.example>", "evil@x")]),
        ("=?utf-8?q?=3Cceo=40bank=2Eexample=3E=2C?= <evil@x>", [("<ceo@bank.example>,", "evil@x")]),
        ("=?utf-8?q?M=C3=BCller,_Hans?= <h@x>", [("Müller, Hans", "h@x")]),
        ("=?utf-8?q?J=C3=BC?= =?utf-8?q?rgen?= <j@x>", [("Jürgen", "j@x")]),
        ("Jürgen <jürgen@bücher.example>", [("Jürgen", "jürgen@bücher.example")]),
        ("A <a@x", [("A", "a@x")]),
        ("A <a" + "b" * 400 + "@x>", [("A", "")]),
        (", ,", []),
        ("John Doe john.doe@x.test", [("John Doe", "john.doe@x.test")]),
        ("john.doe@x.test John Doe", [("John Doe", "john.doe@x.test")]),
        ("John Doe Jr. john@x.test", [("John Doe Jr.", "john@x.test")]),
        ("John Doe [mailto:jdoe@x.test]", [("John Doe", "jdoe@x.test")]),
        ("<mailto:jdoe@x.test>", [("", "jdoe@x.test")]),
        ("Doe, Jane PhD <jane@x.test>", [("Doe, Jane PhD", "jane@x.test")]),
        ("Doe, Jane <j@x>, B <b@x>", [("Doe, Jane", "j@x"), ("B", "b@x")]),
        ("a@x, Doe, Jane <j@x>", [("", "a@x"), ("Doe, Jane", "j@x")]),
        ("Doe, Jane", [("Doe, Jane", "")]),
        ('"Team Tapir,<tapir@x.test>', [("Team Tapir", "tapir@x.test")]),
        ('A <a@x>, "B <b@x>', [("A", "a@x"), ("B", "b@x")]),
        ("John Doe <john doe@x.test>", [("John Doe", "")]),
        ("'jdoe@x.test'", [("", "jdoe@x.test")]),
        ("'Jane Doe' <j@x.test>", [("Jane Doe", "j@x.test")]),
        ("<<j@x.test>>", [("", "j@x.test")]),
        ("a@x b@x", [("", "a@x"), ("", "b@x")]),
        ("john . doe @ x . test", [("", "john.doe@x.test")]),
        ("a@b@c", [("a@b@c", "")]),
        ("John Doe {john@x.test}", [("John Doe", "john@x.test")]),
        ("{john@x.test}", [("", "john@x.test")]),
        ("John Doe [SMTP:john@x.test]", [("John Doe", "john@x.test")]),
        ("John Doe mailto:john@x.test", [("John Doe", "john@x.test")]),
        ("<mailto:john@x.test?subject=hi>", [("", "john@x.test")]),
        ("John Doe ‹john@x.test›", [("John Doe", "john@x.test")]),
        ("John Doe &lt;john@x.test&gt;", [("John Doe", "john@x.test")]),
        ("John Doe (john@x.test)", [("John Doe", "john@x.test")]),
        ('John Doe "john@x.test"', [("John Doe", "john@x.test")]),
        ('"John Doe <john@x.test>"', [("John Doe", "john@x.test")]),
        ("Jane (x@y.test) <jane@x.test>", [("Jane (x@y.test)", "jane@x.test")]),
        ("=?utf-8?q?john@x.test?=", [("john@x.test", "")]),
        ("=?utf-8?q?J=C3=BC?= [x] =?utf-8?q?=3Cy=40z=3E?= <j@x>", [("Jü [x] <y@z>", "j@x")]),
        ("J [x] <=?utf-8?q?j?=@x.test>", [("J [x]", "")]),
        ("Jane <jane@x.test> rick@x.test", [("Jane", "jane@x.test"), ("", "rick@x.test")]),
        ("Jane <j@x.test> Rick <r@x.test>", [("Jane", "j@x.test"), ("Rick", "r@x.test")]),
        ("<j@x.test<mailto:j@x.test>>", [("", "j@x.test")]),
        ('"Doe, Jane" j@x.test', [("Doe, Jane", "j@x.test")]),
        ("<'j@x.test'>", [("", "j@x.test")]),
        ("j@x.test:", [("", "j@x.test")]),
        ("<j@x.test> (Jane)", [("Jane", "j@x.test")]),
        ("Help (Billing) <j@x.test>", [("Help (Billing)", "j@x.test")]),
        ("J (=?utf-8?q?=C3=A9?=) <j@x.test> (Sales)", [("J (é) (Sales)", "j@x.test")]),
        (r"Pete(A \) chap) <pete(his)@x.test(host)>", [("Pete (A ) chap)", "pete@x.test")]),
        ("J (Doe <j@x.test>, K <k@x.test>", [("J (Doe", "j@x.test"), ("K", "k@x.test")]),
        ('J ("Doe <j@x.test>, K <k@x.test>', [("J ( Doe", "j@x.test"), ("K", "k@x.test")]),
        ("Jane ) <j@x.test>", [("Jane )", "j@x.test")]),
        ("Jane :) <j@x.test>", [("Jane :)", "j@x.test")]),
        ("Acme; Sales <s@x.test>", [("Acme; Sales", "s@x.test")]),
        ("Doe; John", [("Doe; John", "")]),
        ("A <a@x>; Doe, J <j@x>;", [("A", "a@x"), ("Doe, J", "j@x")]),
        ("Smith &amp; Sons <s@x.test>", [("Smith &amp; Sons", "s@x.test")]),
        ("O&#039;Neil <s@x.test>", [("O&#039;Neil", "s@x.test")]),
        ("J &lt;j@x.test&gt; <k@x.test>", [("J &lt;j@x.test&gt;", "k@x.test")]),
        ("J Doe/Acme@Acme", [("J Doe/Acme@Acme", "")]),
        ("CN=J Doe/O=Acme@Acme <j@x.test>", [("CN=J Doe/O=Acme@Acme", "j@x.test")]),
        ("J <j@x.test.>", [("J", "j@x.test")]),
        ("J <,@old.test,,@relay.test: j@x.test>", [("J", "j@x.test")]),
        ("J < <j@x.test>", [("J", "j@x.test")]),
        ("J <j@x.test>:", [("J", "j@x.test")]),
        ("田中＜j@x.test＞", [("田中", "j@x.test")]),
        (r"J \<j@x.test\>", [("J \\", "j@x.test")]),
        ("John  Q.   Doe <j@x.test>", [("John Q. Doe", "j@x.test")]),
    ],
)
def test_an_address_list_is_understood(value: str, mailboxes: list[tuple[str, str]]) -> None:
    assert from_of(value) == mailboxes


@pytest.mark.parametrize(
    ("value", "message_id"),
    [
        (b"<a@x>", "a@x"),
        (b" junk <a@x> <b@x>", "a@x"),
        (b"<a\r\n b@x>", "ab@x"),
        (b"a@x", "a@x"),
        (b"two words", None),
        (b"<>", None),
        (b"<a@x", "a@x"),
        (b"a@x>", "a@x"),
        (b"[a@x]", "a@x"),
        (b"&lt;a@x&gt;", "a@x"),
        (b"", None),
        (b"<" + b"a" * 2000 + b">", "a" * 998),
    ],
)
def test_a_message_id_is_what_stands_in_the_brackets(value: bytes, message_id: str | None) -> None:
    assert scan(b"Message-ID: " + value + b"\r\n\r\n").message_id == message_id


@pytest.mark.parametrize(
    "written",
    [
        "\u202aann@x.test\u202c",
        "Ann <ann@x.test\u200b>",
        "<\ufeffann@x.test>",
        "Ann <\u2068ann@x.test\u2069>, ann@x.test\u200e",
        "'\u200bann@x.test\u200b'",
    ],
)
def test_signs_that_take_no_room_are_none_of_an_address(written: str) -> None:
    found = parse_mailboxes(written, 100)
    assert {mailbox.email for mailbox in found} == {"ann@x.test"}


def test_ids_in_a_field_that_stands_twice_count_together() -> None:
    found = scan(
        b"References: <a@x.test>\r\nReferences: <b@x.test>, <c.\r\n d@x.test>\r\n"
        b"In-Reply-To: your letter\r\nIn-Reply-To: <c@x.test>\r\n\r\n"
    )
    assert found.references == ("a@x.test", "b@x.test", "c.d@x.test")
    assert found.in_reply_to == ("c@x.test",)


def test_the_root_and_the_newest_of_many_references_are_kept() -> None:
    ids = b" ".join(b"<%d@x>" % number for number in range(150))
    references = scan(b"References: " + ids + b"\r\n\r\n").references
    assert (len(references), references[1], references[-1]) == (100, "51@x", "149@x")
    assert references[0] == "0@x"


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (b"a@x", ("a@x",)),
        (b"a@x b@x", ("a@x", "b@x")),
        (b"a@x,\r\n b@x", ("a@x", "b@x")),
        (b"your message of Friday from a@x", ()),
        (b"<a@x> from b@x", ("a@x",)),
        (b"=?utf-8?q?=3Ca=40x=3E?=", ("a@x",)),
        (b"=?utf-8?q?=3Ca=40x=3E_=3Cb=40x?= =?utf-8?q?=3E?=", ("a@x", "b@x")),
        (b"=?us-ascii?b?PGFAeD4=?=", ("a@x",)),
        (b"<a@x", ("a@x",)),
        (b"number-7", ("number-7",)),
        (b"a@x;b@x", ("a@x", "b@x")),
        (b'"a@x"', ("a@x",)),
        (b"<mid:a@x>", ("a@x",)),
        (b"mid:a@x", ("a@x",)),
        (b"a@[192.0.2.1]", ("a@[192.0.2.1]",)),
        (b"[a@x]", ("a@x",)),
        (b"a@x (added by gw.test)", ("a@x",)),
        (b"&lt;a@x&gt; &lt;b@x&gt;", ("a@x", "b@x")),
        (b"%3Ca%40x%3E", ("a@x",)),
    ],
)
def test_ids_count_with_and_without_brackets(value: bytes, ids: tuple[str, ...]) -> None:
    assert scan(b"References: " + value + b"\r\n\r\n").references == ids
    assert scan(b"In-Reply-To: " + value + b"\r\n\r\n").in_reply_to == ids


@pytest.mark.parametrize(
    ("declared", "octets", "subject"),
    [
        (b"", "Größe".encode("cp1252"), "Größe"),
        (b"", "Größe".encode(), "Größe"),
        (b"text/plain; charset=iso-8859-1", b"a\x80", "a€"),
        (b"text/plain; charset='windows-1251'", "Привет".encode("cp1251"), "Привет"),
        (b"text/html;\r\n charset=koi8-r", "Привет".encode("koi8-r"), "Привет"),
        (b"text/plain; charset=shift_jis", "世界".encode("cp932"), "世界"),
        (b"text/plain; charset=utf-8", b"\xfcber", "über"),
        (b"text/plain; charset=big5", b"\xff", "ÿ"),
        (b"text/plain; charset=x-nothing", b"\xfc", "ü"),
        (b"text/plain; charset*=us-ascii''koi8-r", "Привет".encode("koi8-r"), "Привет"),
        (b"text/plain; charset=utf-16", b"\xe8S!0", "èS!0"),
        (b"text/plain; charset=koi8-r", b"Gr\xc3\xbc\xc3\x9fe, Gr\xc3...", "Grüße, Gr\ufffd..."),
    ],
)
def test_raw_octets_are_in_the_charset_of_the_letter(
    declared: bytes, octets: bytes, subject: str
) -> None:
    head = b"Subject: " + octets + b"\r\nFrom: " + octets + b" <a@x>\r\n"
    scanned = scan(head + b"Content-Type: " + declared + b"\r\n\r\n")

    assert (scanned.subject, scanned.from_) == (subject, (Mailbox(subject, "a@x"),))


def test_raw_octets_are_in_the_charset_of_the_first_text_part() -> None:
    content = (
        b"Subject: \xcf\xf0\xe8\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain; charset=windows-1251\r\n\r\nx\r\n--b--\r\n"
    )
    assert scan(content).subject == "При"


@pytest.mark.parametrize(
    "lines",
    [
        "Received: by x\r\n\ufeff\ufeffSubject: zebra",
        "X-Sig: a\r\n" + ("ab/+" * 15 + "\r\n") * 30 + "Subject: zebra",
        "Subject: zebra\r\nodd line\r\nThread-Index: a",
        "Subject: zebra\r\nodd line\r\nReceived-SPF: pass",
    ],
)
def test_a_header_goes_on_behind_odd_lines(lines: str) -> None:
    content = f"{lines}\r\nTo: A <a@x.test>,\r\nb@x.test,\r\nC <c@x.test>\r\n\r\nDate: x"
    found = scan(content.encode())
    assert (found.subject, found.date_field) == ("zebra", b"")
    assert [one.email for one in found.to] == ["a@x.test", "b@x.test", "c@x.test"]


@pytest.mark.parametrize(
    "body",
    [
        "Content-Type: text/html\r\n\r\n<meta charset='koi8-r'>",
        'Content-Type: text/html; charset=us-ascii\r\n\r\n<meta content="a; charset=koi8-r">',
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n<meta charset=3Dkoi8-r>",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nx"
        '\r\n--b\r\nContent-Type: "text/html"; charset=koi8-r\r\n\r\nx\r\n--b--',
    ],
)
def test_raw_octets_are_in_the_charset_that_the_body_alone_names(body: str) -> None:
    content = b"Subject: " + "Привет".encode("koi8-r") + b"\r\n" + body.encode()
    assert scan(content).subject == "Привет"


@pytest.mark.parametrize(
    "value",
    [
        "Tue, 1 Jul 2025 12:20:30 +0200",
        "1 Jul 2025 12:20 -0330",
        "Tue, 01 Jul 2025 12:20:30 GMT",
        "Tue, 1 Jul 2025 12:20:30 EST (a comment)",
        "1 Jul 99 12:20:30 +0000",
        "1 Jul 20 12:20:30 +0000",
        "Tue,  1 jul 2025 12:20:30 -0000",
    ],
)
def test_a_date_is_read_as_python_reads_it(value: str) -> None:
    expected = int(parsedate_to_datetime(value.replace("-0000", "+0000")).timestamp() * 1_000_000)
    assert scan(f"Date: {value}\r\n\r\n".encode()).date == expected


@pytest.mark.parametrize(
    "value",
    [
        "Tue, 1 Jul 2025 12:20:30 +02:00",
        "Tue, 1 Jul 2025 12:20:30 GMT+0200",
        "Tue, 1 jul. 2025 12:20:30 +0200",
        "Tue, 1 Jul 2025 12.20.30 +0200",
        "Tue, 1 Jul 2025 12:20:30.123 +0200",
    ],
)
def test_a_date_is_read_as_programs_write_it(value: str) -> None:
    moment = scan(b"Date: Tue, 1 Jul 2025 12:20:30 +0200\r\n\r\n").date
    assert scan(f"Date: {value}\r\n\r\n".encode()).date == moment


@pytest.mark.parametrize(
    "value", ["", "now", "32 Jul 2025 1:2:3", "1 Foo 2025 1:2:3", "1 Jul 2025"]
)
def test_what_is_no_date_is_absent(value: str) -> None:
    assert scan(f"Date: {value}\r\n\r\n".encode()).date is None


# Caps


def test_what_is_beyond_the_caps_is_not_looked_at() -> None:
    assert scan(b"X: y\r\n" * MAX_FIELDS + b"\r\n").truncated is False
    many = scan(b"X: y\r\n" * MAX_FIELDS + b"Subject: late\r\n\r\n")
    assert (many.truncated, many.subject) == (True, "")
    long = scan(b"X: " + b"y" * MAX_OCTETS + b"\r\nSubject: late\r\n\r\n")
    assert (long.truncated, long.subject) == (True, "")
    assert scan(b"X: y\r\n\r\n" + b"y" * MAX_OCTETS * 2).truncated is False


def test_a_cap_never_halves_an_address() -> None:
    late = b"X: " + b"y" * (MAX_OCTETS - 32) + b"\r\nFrom: a@x.example, b@x.example\r\n\r\n"
    assert late[:MAX_OCTETS].endswith(b"b@x.exam")
    assert scan(late).from_ == (Mailbox("", "a@x.example"),)
    many = b"To: " + b", ".join(b"u%d@x.example" % number for number in range(20_000))
    assert [mailbox.email for mailbox in scan(many).to] == [f"u{n}@x.example" for n in range(100)]


@pytest.mark.parametrize(
    "content",
    [
        b"Subject:" + b" =?utf-8?q?a?=\r\n" * 40_000,
        b"Subject:" + b" =?x-%d?q?a?=\r\n" * 40_000,
        b"Subject: " + b"x\r\n " * 500_000,
        b"Subject: " + b"=?utf-8?q?" * 100_000,
        b"To: a@x," + b"(" * 200_000,
        b"To: a@x," + b'"<' * 100_000,
        b"To: a@x," + b"[" * 200_000,
        b"To: a@x," + b"<" * 16_000 + b"," * 16_000,
        b"To: a@x," + b"[a" * 16_000 + b",",
        b"To: a@x," + b" " * 32_000 + b",",
        b"To: " + b" " * 32_000,
        b"To: " + b"a " * 16_000 + b"<",
        b"".join(name + b": " + b"a," * 16_000 + b"\r\n" for name in (b"From", b"To", b"Cc")),
        b"To: a" + b" " * 32_000 + b"(",
        b'To: "a"' + b" " * 32_000 + b"(",
        b"To: a@b.c" + b" " * 32_000 + b"(",
        b"To: " + b"a " * 8_000 + b"mailto:" * 2_300,
        b"To: <" + b". " * 8_000 + b">" + b"<a>" * 5_000,
        b"To: <(" + b"\\(" * 16_000 + b">",
        b"References: " + b"<a>" * 100_000,
        b"References: " + b"<" * 200_000,
        b"Received: by x\r\n" * 10_000,
        b"Received: " + b"by " * 50_000,
        b"Date: " + b"a" * 200_000,
        b"Date: " + b"1 jul " * 50_000,
        b"Message-ID: " + b" a" * 50_000,
        b"a" * 200_000,
        b"a " * 100_000,
        b":\n" * 100_000,
        b"\r\n " * 100_000,
        b" \r" * 100_000,
        b"From \r" * 50_000,
    ],
    ids=lambda content: repr(content[:24]),
)
def test_a_hostile_header_is_scanned_at_once(content: bytes) -> None:
    assert is_within(MOST_TIMES, lambda: scan(content), seconds_of(lambda: scan(LONG)))


def test_recipients_of_several_fields_count_together_and_the_first_sender() -> None:
    found = scan(
        b"From: a@x.test\r\nTo: b@x.test\r\nCc: Bob <c@x.test>\r\nFrom: d@x.test\r\n"
        b"to: e@x.test\r\ncc: f@x.test\r\n\r\n"
    )
    assert [one.email for one in found.from_] == ["a@x.test"]
    assert [one.email for one in found.to] == ["b@x.test", "e@x.test"]
    assert [(one.name, one.email) for one in found.cc] == [("Bob", "c@x.test"), ("", "f@x.test")]

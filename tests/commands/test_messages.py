import pytest

from tests.commands.mail import put
from tests.commands.operator import Operator

HELLO = b"From: sender@client.example\r\nSubject: Hello\r\n\r\nGood morning.\r\n"


def test_every_member_finds_the_copy_as_the_api_would_tell_it(operator: Operator) -> None:
    operator.furnish()
    message = put(operator.data, HELLO, "team@acme.test", subject="Hello")

    for inbox in ("a@acme.test", "B@ACME.test"):
        found = operator.ask("messages", "list", "--inbox", inbox)

        assert found["cursor"] is None
        (item,) = found["results"]
        assert item["message_id"] == message
        assert (item["subject"], item["folder"], item["is_read"]) == ("Hello", "inbox", False)
        assert item["via"][0]["address"] == "team@acme.test"


def test_a_message_is_shown_with_header_and_text(operator: Operator) -> None:
    operator.furnish()
    message = put(operator.data, HELLO, "a@acme.test", subject="Hello")

    shown = operator.type("messages", "show", message, "--inbox", "a@acme.test")
    record = operator.ask("messages", "show", message, "--inbox", "a@acme.test")

    assert shown.stdout == ("From: sender@client.example\nSubject: Hello\n\nGood morning.\n")
    assert {"name": "Subject", "value": "Hello"} in record["headers"]
    assert record["envelope"]["rcpt_to"] == ["a@acme.test"]


@pytest.mark.parametrize("large", [False, True])
def test_the_raw_bytes_are_those_received_after_the_trace(operator: Operator, large: bool) -> None:
    operator.furnish()
    content = b"Subject: odd\r\n\r\n\x00\x80\xff\rone\ntwo\x1b[2J\r\n" + bytes(range(256)) * 5000
    message = put(operator.data, content, "a@acme.test", large=large)

    written = operator.type("messages", "show", message, "--inbox", "a@acme.test", "--raw")

    trace = b"Return-Path: <sender@client.example>\r\nDelivered-To: a@acme.test\r\nReceived: "
    assert written.exit_code == 0
    assert written.stdout_bytes.startswith(trace)
    assert written.stdout_bytes.endswith(b"client.example\r\n" + content)


def test_mail_cannot_move_the_cursor_of_who_reads_it(operator: Operator) -> None:
    operator.furnish()
    content = b"Subject: \x1b]0;owned\x07\r\n\r\n\x1b[2J\x9b1m\r over\r\n"
    message = put(operator.data, content, "a@acme.test", subject="\x1b[31mred\nline")

    listed = operator.type("messages", "list", "--inbox", "a@acme.test").stdout
    shown = operator.type("messages", "show", message, "--inbox", "a@acme.test").stdout

    assert "\\x1b[31mred\\nline" in listed
    assert "\\x1b]0;owned\\x07" in shown
    assert "\\x1b[2J" in shown
    assert not {"\x1b", "\r", "\x07", "\x9b"} & set(listed + shown)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", ""),
        (b"no header at all", "no header at all"),
        (b"Subject: x\n\n", "Subject: x"),
        (b"Content-Type: text/html\r\n\r\n<p>only</p>\r\n", "<p>only</p>"),
        (
            b"Content-Type: text/plain; charset=iso-8859-1\r\n"
            b"Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe\r\n",
            "Grüße",
        ),
        (b"Content-Type: text/plain; charset=no-such\r\n\r\nstill here\r\n", "still here"),
        (b"Content-Type: text/plain; charset=idna\r\n\r\n\xff there\r\n", "there"),
        (b"Content-Type: message/rfc822\r\n\r\n" * 3000 + b"deep", "deep"),
        (
            b'Content-Type: multipart/mixed; boundary="b"\r\n\r\nno boundary follows\r\n',
            "no boundary follows",
        ),
    ],
)
def test_whatever_came_is_shown_somehow(operator: Operator, content: bytes, told: str) -> None:
    operator.furnish()
    message = put(operator.data, content, "a@acme.test")

    shown = operator.type("messages", "show", message, "--inbox", "a@acme.test")

    assert shown.exit_code == 0
    assert told in shown.stdout


def test_lists_go_on_where_they_ended(operator: Operator) -> None:
    operator.furnish()
    sent = [put(operator.data, b"Subject: %d\r\n\r\n" % n, "a@acme.test") for n in range(5)]
    words = ["messages", "list", "--inbox", "a@acme.test", "--limit", "2"]

    pages = [operator.ask(*words)]
    while pages[-1]["cursor"]:
        pages.append(operator.ask(*words, "--cursor", pages[-1]["cursor"]))

    assert [len(page["results"]) for page in pages] == [2, 2, 1]
    found = [item["message_id"] for page in pages for item in page["results"]]
    assert found == sent[::-1]
    assert "--cursor" in operator.type(*words).stdout


def test_folders_and_what_is_unread(operator: Operator) -> None:
    operator.furnish()
    put(operator.data, HELLO, "a@acme.test")
    words = ["messages", "list", "--inbox", "a@acme.test"]

    assert len(operator.ask(*words, "--unread")["results"]) == 1
    assert operator.ask(*words, "--folder", "trash")["results"] == []
    assert operator.type(*words, "--folder", "junk").stdout == "There are no messages.\n"


def test_what_the_inbox_does_not_hold_is_not_found(operator: Operator) -> None:
    operator.furnish()
    message = put(operator.data, HELLO, "a@acme.test")

    for text in (message, "msg_" + "0" * 26, "nonsense"):
        told = operator.fault("messages", "show", text, "--inbox", "b@acme.test")
        assert told == "message: this inbox holds no such message\n"
    told = operator.fault("messages", "show", message, "--inbox", "team@acme.test")
    assert told == "inbox: there is no such inbox; postroom inbox list shows all\n"
    words = ["messages", "list", "--inbox", "a@acme.test", "--cursor", "x"]
    assert operator.fault(*words) == "cursor: is not one that a list gave\n"


def test_a_damaged_content_is_told(operator: Operator) -> None:
    operator.furnish()
    message = put(operator.data, HELLO, "a@acme.test", large=True)
    for path in (operator.data / "content").glob("*/*"):
        path.unlink()

    told = operator.fault("messages", "show", message, "--inbox", "a@acme.test")

    assert told == "data: the content file is missing\n"

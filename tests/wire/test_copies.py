"""What each member gets: one copy, its own trace fields, and nobody else's routes."""

import random
import re
import time
from collections.abc import Iterator

import pytest

from tests.support.mailbox import Mailbox, Record, split_trace
from tests.support.server import Server
from tests.support.smtp import SmtpClient, message


@pytest.fixture
def members(server: Server) -> Iterator[dict[str, Mailbox]]:
    """Give a reader for each member, by the part of its address before the @."""
    found = {mailbox.address.partition("@")[0]: mailbox for mailbox in server.mailboxes()}
    yield found
    for mailbox in found.values():
        mailbox.close()


def sent(server: Server, recipients: list[str], *, sender: str = "sender@client.example") -> bytes:
    content = message(f"copies {random.randrange(1 << 60)}")
    with server.client() as client:
        reply = client.deliver(content, recipients, sender=sender)
        assert reply.code == 250, reply
        client.quit()
    return content


def newest(mailbox: Mailbox) -> Record:
    return mailbox.newest(1)[0]


def trace_of(mailbox: Mailbox, content: bytes) -> str:
    """Return the trace fields of the newest copy, unfolded."""
    raw = mailbox.raw(newest(mailbox)["message_id"])
    trace, stored = split_trace(raw, len(content))
    assert stored == content
    return re.sub(r"\r\n[ \t]+", " ", trace.decode("ascii"))


def values(trace: str, name: str) -> list[str]:
    lines = trace.split("\r\n")
    return [line.partition(":")[2].strip() for line in lines if line.startswith(name + ":")]


def test_a_copy_is_there_when_the_250_is(server: Server, members: dict[str, Mailbox]) -> None:
    markers = {name: mailbox.newest_id() for name, mailbox in members.items()}
    with server.client() as client:
        for number in range(10):
            assert client.deliver(message(f"at once {number}"), ["team@example.test"]).code == 250
            for name, mailbox in members.items():
                assert len(mailbox.since(markers[name])) == number + 1


def test_the_trace_fields_of_a_copy(server: Server, members: dict[str, Mailbox]) -> None:
    content = sent(server, ["team@example.test"], sender="Bounce+tag@client.example")
    trace = trace_of(members["agent"], content)
    assert values(trace, "Return-Path") == ["<Bounce+tag@client.example>"]
    assert values(trace, "Delivered-To") == ["team@example.test"]
    (received,) = values(trace, "Received")
    assert received.startswith("from client.example ")
    assert "127.0.0.1" in received
    assert "by mx.example.test" in received
    assert re.search(r"\bwith (UTF8)?E?SMTP\b", received)
    assert re.search(r"; \w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}( \(\w+\))?$", received)


def test_the_return_path_of_a_bounce_is_empty(server: Server, members: dict[str, Mailbox]) -> None:
    content = sent(server, ["team@example.test"], sender="")
    assert values(trace_of(members["agent"], content), "Return-Path") == ["<>"]


def test_a_copy_names_every_address_it_came_by(server: Server, members: dict[str, Mailbox]) -> None:
    content = sent(server, ["team@example.test", "sales@example.test"])
    trace = trace_of(members["sales"], content)
    assert sorted(values(trace, "Delivered-To")) == ["sales@example.test", "team@example.test"]
    copy = newest(members["sales"])
    assert {route["address"]: route["list_id"] for route in copy["via"]} == {
        "sales@example.test": None,
        "team@example.test": server.demo.list_id,
    }


def test_a_copy_names_nobody_elses_address(server: Server, members: dict[str, Mailbox]) -> None:
    content = sent(server, ["team@example.test", "sales@example.test"])
    trace = trace_of(members["agent"], content)
    assert "sales@" not in trace
    assert values(trace, "Delivered-To") == ["team@example.test"]
    copy = members["agent"].get(f"/v1/messages/{newest(members['agent'])['message_id']}/")
    assert [route["address"] for route in copy["via"]] == ["team@example.test"]
    assert copy["envelope"]["rcpt_to"] == ["team@example.test"]
    assert copy["envelope"]["mail_from"] == "sender@client.example"
    assert copy["envelope"]["helo"] == "client.example"
    assert copy["envelope"]["client_ip"] == "127.0.0.1"


def test_a_message_has_one_id_and_each_copy_its_own_state(
    server: Server, members: dict[str, Mailbox]
) -> None:
    sent(server, ["team@example.test"])
    ids = {newest(mailbox)["message_id"] for mailbox in members.values()}
    assert len(ids) == 1
    (message_id,) = ids
    answer = members["sales"].call("PATCH", f"/v1/messages/{message_id}/", {"is_read": True})
    assert answer.status == 200, answer
    assert newest(members["sales"])["is_read"] is True
    assert newest(members["agent"])["is_read"] is False


def test_a_member_who_is_the_sender_gets_a_copy(
    server: Server, members: dict[str, Mailbox]
) -> None:
    markers = {name: mailbox.newest_id() for name, mailbox in members.items()}
    sent(server, ["team@example.test"], sender="sales@example.test")
    assert [len(members[name].since(markers[name])) for name in members] == [1] * len(members)


@pytest.mark.parametrize(
    "name",
    [
        "evil (by mx.example.test",
        "evil); by=mx.example.test (",
        "evil\tDelivered-To:team@example.test",
        "evil\x01\x7f",
        "<script>",
        "é" * 30,
        "x" * 1000,
        '"',
    ],
)
def test_an_odd_name_in_ehlo_does_not_reach_the_trace(
    server: Server, members: dict[str, Mailbox], name: str
) -> None:
    content = message(f"odd {random.randrange(1 << 60)}")
    with server.client() as client:
        if client.command(f"EHLO {name}").code != 250:
            return
        assert client.deliver(content, ["team@example.test"]).code == 250
    raw = members["agent"].raw(newest(members["agent"])["message_id"])
    trace, _ = split_trace(raw, len(content))
    assert re.fullmatch(rb"(?:[ -~\t]{0,997}\r\n)+", trace), trace
    assert name.encode() not in trace


def test_the_ehlo_reply_is_one_write(server: Server) -> None:
    with server.client() as client:
        for _ in range(30):
            client.send(b"EHLO client.example\r\n")
            received = client.socket.recv(65536)
            assert b"\r\n250-ENHANCEDSTATUSCODES\r\n250 XFORWARD " in received, received
            assert received.endswith(b"\r\n")
            assert received.count(b"\r\n") == 7


def test_commands_are_answered_without_delay(server: Server) -> None:
    # Each waits for a delayed ACK, 40 ms or more, when the listening socket's kind keeps asyncio
    # from setting TCP_NODELAY; pipelined, they wait once.
    with server.client() as client:
        quickest = min(_seconds(client, 1) for _ in range(20))
        together = min(_seconds(client, 200) for _ in range(3))
    assert 4 * quickest < together, f"one took {quickest:.4f} s, two hundred {together:.4f} s"


def _seconds(client: SmtpClient, commands: int) -> float:
    started = time.monotonic()
    client.send(b"NOOP\r\n" * commands)
    assert all(client.reply().code == 250 for _ in range(commands))
    return time.monotonic() - started

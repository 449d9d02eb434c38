"""The harness itself, against a toy server: dialogues' notation, proxy, SMTP client."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import warm_start
from tests.support.dialogue import (
    NotationError,
    lacks_enhanced_code,
    line_matches,
    octets,
    parse_dialogue,
)
from tests.support.lost_reply import LostReplyProxy
from tests.support.mailbox import TRACE
from tests.support.senders import Senders
from tests.support.smtp import ConnectionEnded, HostPort, SmtpClient, message, stuffed
from tests.support.warm_start import set_constant


class ToySession(socketserver.StreamRequestHandler):
    """Says yes to everything, and remembers each content it was sent."""

    def handle(self) -> None:
        self.wfile.write(b"220 toy\r\n")
        for line in self.rfile:
            match line[:4].upper():
                case b"DATA":
                    self.wfile.write(b"354 go\r\n")
                    self._content()
                case b"QUIT":
                    self.wfile.write(b"221 2.0.0 bye\r\n")
                    return
                case _:
                    self.wfile.write(b"250 2.0.0 ok\r\n")

    def _content(self) -> None:
        content = b""
        while not content.endswith(b"\r\n.\r\n"):
            content += self.rfile.readline()
        assert isinstance(self.server, ToyServer)
        self.server.taken.append(content[: -len(b".\r\n")].replace(b"\r\n..", b"\r\n."))
        self.wfile.write(b"250 2.6.0 taken\r\n")


class ToyServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ToySession)
        self.taken: list[bytes] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is what these tests are about."""


@contextmanager
def toy() -> Iterator[tuple[ToyServer, HostPort]]:
    with ToyServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        host, port = server.server_address[:2]
        yield server, (str(host), int(port))
        server.shutdown()
        thread.join(5)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (r'"a\r\n" + "b" * 3', b"a\r\nbbb"),
        (r'b"\xff\0"', b"\xff\0"),
        ('"\u00fc"', b"\xc3\xbc"),
        ('"ab" * 2 + "c"', b"ababc"),
    ],
)
def test_octets(expression: str, expected: bytes) -> None:
    assert octets(expression) == expected


@pytest.mark.parametrize("expression", ["print()", "1", "'a' * 'b'", "'a'.upper()", "x"])
def test_octets_are_literals_only(expression: str) -> None:
    with pytest.raises(NotationError):
        octets(expression)


@pytest.mark.parametrize(
    "text",
    [
        "C: HELO x",
        "Shows.\n\nC:",
        "Shows.\n\nTALK x",
        "Shows.\n\nREPEAT 2\nC: NOOP",
        "Shows.\n\nS! now",
    ],
)
def test_what_is_no_dialogue(text: str) -> None:
    with pytest.raises(NotationError):
        parse_dialogue("bad", text)


def test_a_dialogue_is_read() -> None:
    found = parse_dialogue(
        "good",
        "Shows.\n@own\n@setting a = b c\n\n# no\nREPEAT 2\n  C: NOOP {i}\n  S: 250\nEND\nS!\n",
    )
    assert (found.shows, found.own, found.settings["a"]) == ("Shows.", True, "b c")
    assert [step.verb for step in found.steps] == ["REPEAT", "S!"]
    assert [step.text for step in found.steps[0].block] == ["NOOP {i}", "250"]


def test_reply_lines_are_matched_by_words() -> None:
    assert line_matches("250 2.1.5", "250 2.1.5 ok")
    assert line_matches("250 2.1.5", "250 2.1.5")
    assert line_matches("250 2.?.0", "250 2.6.0 ok")
    assert line_matches("250-", "250-SIZE 1")
    assert not line_matches("250 2.1.5", "250 2.1.50")
    assert not line_matches("250", "2500")


def test_enhanced_codes_are_missed() -> None:
    assert lacks_enhanced_code("250 ok")
    assert lacks_enhanced_code("550 4.1.1 no")
    assert lacks_enhanced_code("250 2.1 ok")
    assert not lacks_enhanced_code("250 2.1.5")
    assert not lacks_enhanced_code("214-2.0.0 help")
    assert not lacks_enhanced_code("354 go")


def test_stuffing() -> None:
    assert stuffed(b".\r\n..\r\na\n.b") == b"..\r\n...\r\na\n.b\r\n"
    assert stuffed(b"") == b"\r\n"


def test_trace_fields_are_told_from_content() -> None:
    trace = b"Return-Path: <>\r\nDelivered-To: a@b\r\nReceived: from c\r\n\tby d; date\r\n"
    assert TRACE.match(trace)
    assert not TRACE.match(trace + b"X: y\r\n")
    assert not TRACE.match(trace + b"Received: again\r\n")
    assert not TRACE.match(b"Return-Path: <>\r\nReceived: from c\r\n")


def test_a_message_arrives_as_it_was() -> None:
    content = message("x", b".dot\r\na\nb\r\n")
    with toy() as (server, address), SmtpClient(address) as client:
        assert client.deliver(content, ["team@example.test"]).code == 250
        client.quit()
    assert server.taken == [content]


def test_the_proxy_loses_the_reply_and_not_the_message() -> None:
    with toy() as (server, address), LostReplyProxy(address, share=1.0, seed=1) as proxy:
        with SmtpClient(proxy.address) as client, pytest.raises(ConnectionEnded):
            client.deliver(message("x"), ["team@example.test"])
        assert (proxy.lost, proxy.passed) == (1, 0)
    assert server.taken == [message("x")]


def test_senders_retry_what_was_lost() -> None:
    with toy() as (server, address), LostReplyProxy(address, share=0.5, seed=2) as proxy:
        with Senders(proxy.address, count=2, seed=3, limit=10) as senders:
            pass
        outcome = senders.outcome()
        assert len(outcome.acknowledged) == 20
        assert len(server.taken) == 20 + proxy.lost
        assert set(server.taken) == set(outcome.acknowledged.values())


def test_a_constant_that_is_not_there_or_of_another_kind_is_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.support.warm_start.PASSWORD_KIB", 64)
    set_constant("tests.support.warm_start.PASSWORD_KIB", 65)
    assert warm_start.PASSWORD_KIB == 65
    with pytest.raises(AttributeError):
        set_constant("tests.support.warm_start.PASSWORD_MIB", 65)
    with pytest.raises(TypeError):
        set_constant("tests.support.warm_start.PASSWORD_KIB", 65.0)

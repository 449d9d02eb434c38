"""Sessions of any commands, cut anywhere, on every listener: well-formed replies, and the store.

Whatever was acknowledged is in the inbox, once, and nothing else is.
"""

import itertools
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.dialogue import ALL_LISTENERS, KINDS
from tests.support.fixtures import Servers
from tests.support.mailbox import Mailbox
from tests.support.smtp import ConnectionEnded, HostPort, SmtpClient

WORDS = [
    *(b"EHLO client.example\r\n", b"LHLO client.example\r\n", b"HELO client.example\r\n"),
    *(b"MAIL FROM:<sender@client.example>\r\n", b"MAIL FROM:<>\r\n", b"MAIL FROM:<x\r\n"),
    *(b"RCPT TO:<team@example.test>\r\n", b"RCPT TO:<nobody@example.test>\r\n"),
    *(b"XFORWARD ADDR=192.0.2.1\r\n", b"XFORWARD ADDR=x\r\n", b"BDAT 4\r\n", b"DATA x\r\n"),
    *(
        b"RSET\r\n",
        b"NOOP\r\n",
        b"VRFY team\r\n",
        b"HELP\r\n",
        b"NOOP\n",
        b"\xff\0\r\n",
        b"QUIT\r\n",
    ),
]
PROXY = b"PROXY TCP4 127.0.0.1 127.0.0.1 4711 25\r\n"
NUMBERS = itertools.count()
REPLY = re.compile(r"(?:[2345]\d\d[ -][ -~]*)")
STEPS = st.lists(
    st.tuples(st.one_of(st.sampled_from(WORDS), st.just(None)), st.integers(0, 200)), max_size=25
)


def send_cut(client: SmtpClient, octets: bytes, cut: int) -> None:
    where = cut % (len(octets) + 1)
    for part in filter(None, (octets[:where], octets[where:])):
        client.send(part)


def send_message(client: SmtpClient, hello: bytes, cut: int, seen: list[str]) -> None:
    """Send one message, waiting for 354 as a client has to."""
    begin = b"RSET\r\n" + hello + b" c.example\r\nMAIL FROM:<a@c.example>\r\n"
    send_cut(client, begin + b"RCPT TO:<team@example.test>\r\nDATA\r\n", cut)
    while not seen[-1].startswith("354"):
        seen.append(client.line())
    seen.append("")  # what was answered before is not the answer to the next DATA
    content = b"Subject: any %d\r\n\r\n..\r\n.\n x\r\n" % next(NUMBERS)
    send_cut(client, content + b"\r\n.\r\n", cut)


def converse(where: HostPort | str, kind: str, steps: list[tuple[bytes | None, int]]) -> list[str]:
    """Say all of it and end our side; every line that was answered up to the server's end."""
    seen: list[str] = []
    hello = b"EHLO" if kind in ("smtp", "smtps") else b"LHLO"
    with SmtpClient(where, greet=False, tls=kind == "smtps") as client:
        try:
            if kind == "proxy":
                send_cut(client, PROXY, len(steps))
            seen.append(client.line())
            for words, cut in steps:
                if words is None:
                    send_message(client, hello, cut, seen)
                else:
                    send_cut(client, words, cut)
            client.finish_sending()
            while True:
                seen.append(client.line())
        except (ConnectionEnded, ConnectionError):
            return [line for line in seen if line]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_any_session_has_replies_and_leaves_what_it_was_told(servers: Servers, kind: str) -> None:
    server = servers.shared(ALL_LISTENERS)
    inbox = server.demo.inboxes[0]
    where = server.address(kind)
    with Mailbox(server.demo.http, inbox["address"], inbox["token"]) as mailbox:

        @settings(
            max_examples=12,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(STEPS)
        def play(steps: list[tuple[bytes | None, int]]) -> None:
            before = mailbox.newest_id()
            seen = converse(where, kind, steps)
            assert seen
            for line in seen:
                assert REPLY.fullmatch(line), line
            told = {line.split()[-1] for line in seen if " Accepted as msg_" in line}
            assert {copy["message_id"] for copy in mailbox.since(before)} == told

        play()

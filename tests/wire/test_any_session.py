"""Sessions of any commands, cut anywhere, on every listener: the reply table, and the store.

A model of the session says which code each command gets (RFC 5321 4.3.2, 3207 4.2, 2033). What was
acknowledged is in the inbox, once, and nothing else is.
"""

import itertools
import re
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.dialogue import ALL_LISTENERS, KINDS
from tests.support.fixtures import Servers
from tests.support.mailbox import Mailbox
from tests.support.smtp import ConnectionEnded, SmtpClient

MAIL = (b"MAIL FROM:<sender@client.example>\r\n", b"MAIL FROM:<>\r\n")
# The code that these get whatever was said before.
ALWAYS = {
    b"DATA x\r\n": "501",
    b"NOOP\r\n": "250",
    b"VRFY team\r\n": "252",
    b"HELP\r\n": "214",
    b"NOOP\n": "500",
    b"BDAT 4\r\n": "502",
    b"\xff\0\r\n": "421",
    b"QUIT\r\n": "221",
}
CLOSING = (b"BDAT 4\r\n", b"\xff\0\r\n", b"QUIT\r\n")
WORDS = [
    *(b"EHLO client.example\r\n", b"LHLO client.example\r\n", b"HELO client.example\r\n"),
    *(*MAIL, b"MAIL FROM:<x\r\n", b"RSET\r\n"),
    *(b"RCPT TO:<team@example.test>\r\n", b"RCPT TO:<nobody@example.test>\r\n"),
    *(b"XFORWARD ADDR=192.0.2.1\r\n", b"XFORWARD ADDR=x\r\n"),
    *(b"STARTTLS x\r\n", *ALWAYS),
]
STARTTLS, MESSAGE = "STARTTLS", "a message"
PROXY = b"PROXY TCP4 127.0.0.1 127.0.0.1 4711 25\r\n"
NUMBERS = itertools.count()
REPLY = re.compile(r"(?:[2345]\d\d[ -][ -~]*)")
ONE = st.one_of(st.sampled_from(WORDS), st.just(STARTTLS), st.just(MESSAGE))
STEPS = st.lists(st.tuples(ONE, st.integers(0, 200)), max_size=25)


@dataclass(slots=True)
class Model:
    """Where a session stands, and the codes of all that was said in it."""

    kind: str
    tls: bool
    greeted: bool = False
    mail: bool = False
    closed: bool = False
    codes: list[str] = field(default_factory=lambda: ["220"])

    def hear(self, line: bytes) -> None:
        if not self.closed:
            self.codes.append(self._code(line))
            self.closed = line in CLOSING

    def _code(self, line: bytes) -> str:
        verb = line[:4]
        if verb in (b"EHLO", b"HELO", b"LHLO"):
            if (verb == b"LHLO") != (self.kind not in ("smtp", "smtps")):
                return "500"
            self.greeted, self.mail = True, False
        elif verb == b"RSET":
            self.mail = False
        elif verb == b"RCPT":
            return "503" if not self.mail else "550" if b"nobody" in line else "250"
        elif verb in (b"MAIL", b"XFOR"):
            if not self.greeted or self.mail:
                return "503"
            if line.endswith((b"<x\r\n", b"=x\r\n")):
                return "501"
            self.mail = verb == b"MAIL"
        elif line.startswith(b"STARTTLS"):
            return self.hear_starttls(with_argument=line != b"STARTTLS\r\n")
        else:
            return ALWAYS[line]
        return "250"

    def hear_starttls(self, *, with_argument: bool) -> str:
        """The code; what was said before is forgotten with 220."""
        if self.tls:
            return "503"
        if self.kind == "unix":
            return "502"
        if with_argument:
            return "501"
        self.tls, self.greeted, self.mail = True, False, False
        return "220"


class Talk:
    """A session as its client has it: the lines that came, and how many replies it waits for."""

    def __init__(self, client: SmtpClient, model: Model) -> None:
        self.client, self.model = client, model
        self.lines: list[str] = []
        self.answered = 0

    def say(self, octets: bytes, cut: int) -> None:
        where = cut % (len(octets) + 1)
        for part in filter(None, (octets[:where], octets[where:])):
            self.client.send(part)

    def command(self, line: bytes, cut: int) -> None:
        self.model.hear(line)
        self.say(line, cut)

    def hear_line(self) -> None:
        self.lines.append(self.client.line())
        self.answered += self.lines[-1][3:4] == " "

    def settle(self) -> None:
        """Read until everything is answered."""
        while self.answered < len(self.model.codes):
            self.hear_line()

    def start_tls(self, cut: int) -> None:
        """Say STARTTLS, half of the time with a command behind it, which has to be dropped."""
        self.settle()
        behind = b"NOOP\r\n" if cut % 2 else b""
        self.model.hear(b"STARTTLS\r\n")
        self.say(b"STARTTLS\r\n" + behind, 0)
        if self.model.codes[-1] != "220":
            if behind:
                self.model.hear(behind)
            return
        self.settle()
        assert self.lines[-1].startswith("220 "), self.lines
        self.client.start_tls()

    def message(self, cut: int) -> None:
        """Send one message, waiting for 354 as a client has to; some have a hidden end of data."""
        hello = b"EHLO" if self.model.kind in ("smtp", "smtps") else b"LHLO"
        begin = [
            b"RSET\r\n",
            hello + b" c.example\r\n",
            MAIL[0],
            b"RCPT TO:<team@example.test>\r\n",
        ]
        for line in begin:
            self.model.hear(line)
        self.model.codes.append("354")
        self.say(b"".join([*begin, b"DATA\r\n"]), cut)
        self.settle()
        assert self.lines[-1].startswith("354"), self.lines
        hidden = cut % 4 == 3
        self.model.codes.append("550" if hidden else "250")
        self.model.mail = False
        content = b"Subject: any %d\r\n\r\n..\r\nx\n y" % next(NUMBERS) + b"\n.\r\n" * hidden
        self.say(content + b"\r\n.\r\n", cut)

    def play(self, step: bytes | str, cut: int) -> None:
        match step:
            case bytes():
                self.command(step, cut)
            case "STARTTLS":
                self.start_tls(cut)
            case _:
                self.message(cut)

    def codes(self) -> list[str]:
        return [line[:3] for line in self.lines if line[3:4] == " "]


def converse(talk: Talk, steps: list[tuple[bytes | str, int]]) -> None:
    """Say all of it and end our side; hear every line up to the server's end."""
    try:
        if talk.model.kind == "proxy":
            talk.say(PROXY, len(steps))
        talk.hear_line()
        for step, cut in steps:
            talk.play(step, cut)
        talk.client.finish_sending()
        while True:
            talk.hear_line()
    except TimeoutError:
        raise
    except (ConnectionEnded, OSError):  # closed while we talk: reset, an end of TLS, no socket
        return


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
        def play(steps: list[tuple[bytes | str, int]]) -> None:
            before = mailbox.newest_id()
            with SmtpClient(where, greet=False, tls=kind == "smtps") as client:
                talk = Talk(client, Model(kind, tls=kind == "smtps"))
                converse(talk, steps)
            assert all(REPLY.fullmatch(line) for line in talk.lines), talk.lines
            codes, right = talk.codes(), talk.model.codes
            # A close while we still talk may take the last replies from us.
            assert codes == (right[: len(codes)] if talk.model.closed else right), talk.lines
            told = {line.split()[-1] for line in talk.lines if " Accepted as msg_" in line}
            assert {copy["message_id"] for copy in mailbox.since(before)} == told

        play()

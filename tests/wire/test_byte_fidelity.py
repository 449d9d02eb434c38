"""What is stored is what was sent, byte for byte; or it was refused, and the session goes on.

Sent: every message of CPython's own tests of `email`, and contents made by hypothesis. A content
is refused when a line that is only a dot has a bare CR or a bare LF on either side, and for
nothing else that its bytes say (`hostile.md`, section 2, first row).
"""

import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.fixtures import Servers
from tests.support.mailbox import Mailbox
from tests.support.mutants import mutants
from tests.support.server import Server
from tests.support.smtp import SmtpClient, stuffed

LINE_END = re.compile(rb"(\r\n|\r|\n)")


def find_messages() -> list[Path]:
    try:
        spec = find_spec("test.test_email")
    except ModuleNotFoundError:
        return []
    places = spec.submodule_search_locations if spec else None
    return sorted(Path(next(iter(places))).glob("data/*.txt")) if places else []


MESSAGES = find_messages()


def is_refused(content: bytes) -> bool:
    """Tell whether a dot line of the content is framed by a bare CR or LF."""
    parts = LINE_END.split(content)
    lines, ends = parts[0::2], [b"\r\n", *parts[1::2], b"\r\n"]
    return any(
        line == b"." and ends[place] + ends[place + 1] != b"\r\n\r\n"
        for place, line in enumerate(lines)
    )


class Session:
    """One SMTP session, and the members' inboxes behind it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.mailboxes = server.mailboxes()
        self.newest = [mailbox.newest_id() for mailbox in self.mailboxes]
        self.client = server.client()

    def close(self) -> None:
        self.client.close()
        for mailbox in self.mailboxes:
            mailbox.close()

    def check(self, content: bytes) -> None:
        """Send the content; fail unless each member has exactly it, or it was rightly refused."""
        content = content if content.endswith(b"\r\n") else content + b"\r\n"
        reply = self.client.deliver(content, ["team@example.test"])
        if is_refused(content):
            assert reply.starts("550 5.5.2"), reply
            assert [mailbox.newest_id() for mailbox in self.mailboxes] == self.newest
        else:
            assert reply.starts("250 2."), reply
            pairs = zip(self.mailboxes, self.newest, strict=True)
            self.newest = [self._has(mailbox, marker, content) for mailbox, marker in pairs]
        assert self.client.command("NOOP").starts("250 2.0.0")

    def _has(self, mailbox: Mailbox, marker: str | None, content: bytes) -> str:
        (copy,) = mailbox.since(marker)
        assert mailbox.content(copy["message_id"], len(content)) == content
        return str(copy["message_id"])


@pytest.fixture(scope="module")
def session(servers: Servers) -> Iterator[Session]:
    found = Session(servers.shared(apart="byte fidelity"))
    yield found
    found.close()


def test_cpythons_messages_are_here() -> None:
    if MESSAGES:
        assert len(MESSAGES) > 30
        return
    reason = "this Python has no test.test_email with its data"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_a_message_of_cpythons_tests(session: Session, path: Path) -> None:
    as_it_is = path.read_bytes()
    session.check(as_it_is)
    session.check(LINE_END.sub(b"\r\n", as_it_is))


def pieces() -> st.SearchStrategy[bytes]:
    """Make what is hard about content: line ends, dots, NUL, 8-bit, headers and long lines."""
    ends = st.sampled_from([b"\r\n", b"\n", b"\r", b"\r\n.\r\n", b".", b"..", b"\0", b"\xff", b" "])
    words = st.sampled_from(
        [b"Subject: x", b"Received: x", b"\r\n\r\n", b"Content-Type: text/html"]
    )
    long = st.integers(900, 5000).map(lambda size: b"x" * size)
    return st.one_of(ends, ends, words, long, st.binary(max_size=40))


CONTENTS = st.lists(pieces(), max_size=30).map(b"".join)


# The servers are the session's: what one example leaves there, the next does not look at.
@settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(CONTENTS)
@example(b"")
@example(b".")
@example(b".\r\n.")
@example(b"\r\n.\r\n")
@example(b"a\n.\nb")
@example(b"a\r\n.\nb")
@example(b"\n.")
@example(b".\n")
@example(b"\r.\r\n")
@example(b"a\r\r\n.\r\n")
@example(b"a\r")
@example(b"..\n..\r\n...")
@example(b"Subject: nul \0 and \xff\xfe\r\n\r\n\0")
@example(b"Subject: long\r\n\r\n" + b"y" * 100_000)
@example(b"z" * 100_000 + b"\n" + b"." * 100_000)
@example(b"Subject: dots\r\n\r\n" + b".\r\n" * 5000)
@example((b"." * 65535 + b"\r\n") * 5)
@example(b"\xe2\x80\xa8\x85\x0b\x0c\x1c\x1d\r\n" * 100)
def test_a_made_content(session: Session, content: bytes) -> None:
    session.check(content)


@pytest.mark.parametrize("size", [(256 << 10) - 1, 256 << 10, (256 << 10) + 1, 3_000_000])
def test_a_content_around_the_spools_border(session: Session, size: int) -> None:
    line = bytes(range(32, 256)) + b"\r\n.\r\n"
    session.check((line * (size // len(line) + 1))[: size - 2])


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_content_in_small_pieces(session: Session, piece: int) -> None:
    content = b"Subject: in pieces\r\n\r\n.\r\n..\r\na\nb\rc\r\n\r\n.\r\n"
    client: SmtpClient = session.client
    client.open_content(["team@example.test"])
    wire = stuffed(content) + b".\r\n"
    for start in range(0, len(wire), piece):
        client.send(wire[start : start + piece])
    assert client.reply().starts("250 2.")
    (copy,) = session.mailboxes[0].since(session.newest[0])
    assert session.mailboxes[0].content(copy["message_id"], len(content)) == content
    session.newest = [mailbox.newest_id() for mailbox in session.mailboxes]


def mutants_come_back(server: Server, count: int, *, seed: int) -> None:
    """Send so many to one inbox in one session, each envelope in one write; then read them back."""
    mailbox = server.mailboxes()[0]
    envelope = f"MAIL FROM:<sender@client.example>\r\nRCPT TO:<{mailbox.address}>\r\nDATA\r\n"
    marker, sent = mailbox.newest_id(), dict[str, bytes]()
    with mailbox, server.client(timeout=60) as client:
        for mutant in mutants(count, seed=seed):
            content = mutant if mutant.endswith(b"\r\n") else mutant + b"\r\n"
            client.send(envelope.encode())
            assert [client.reply().code for _ in range(3)] == [250, 250, 354]
            client.send(stuffed(content) + b".\r\n")
            reply = client.reply()
            if is_refused(content):
                assert reply.starts("550 5.5.2"), reply
            else:
                assert reply.starts("250 2."), reply
                sent[reply.lines[0].split()[-1]] = content
        # Else the last 250 counts as not seen, and an equal mutant later as its retry.
        assert client.command("QUIT").starts("221 ")
        assert [copy["message_id"] for copy in mailbox.since(marker)] == [*reversed(sent)]
        for message_id, content in sent.items():
            assert mailbox.content(message_id, len(content)) == content


def test_300_mutants_come_back_as_they_were_sent(servers: Servers) -> None:
    mutants_come_back(servers.shared(), 300, seed=17)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_20000_mutants_come_back_as_they_were_sent(servers: Servers) -> None:
    for seed in range(18, 38):
        mutants_come_back(servers.shared(), 1000, seed=seed)

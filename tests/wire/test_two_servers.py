"""Two Postrooms, each reached by the other's smarthost, whose agents answer everything: they stop.

The carrier between them may take away the field that says that a program wrote a letter.
"""

import re
import smtplib
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.fixtures import Servers
from tests.support.mailbox import Api, Mailbox
from tests.support.server import Server, quiet_port
from tests.support.smtp import HostPort

MESSAGES = "/v1/messages/"
SECONDS = 30.0
PASSWORD = "correct-horse-battery"
_AUTO = re.compile(rb"^Auto-Submitted:[^\r\n]*\r\n", re.MULTILINE)


@dataclass(slots=True)
class Carrier:
    """Takes letters as a smarthost and brings each to the server at `target`."""

    target: HostPort
    strips: bool
    carried: int = 0

    async def handle_DATA(self, _smtp: SMTP, _session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        with smtplib.SMTP(*self.target, local_hostname="relay.test", timeout=SECONDS) as client:
            body = _AUTO.sub(b"", content) if self.strips else content
            client.sendmail(envelope.mail_from or "", envelope.rcpt_tos, body)
        self.carried += 1
        return "250 2.0.0 Carried"


@contextmanager
def carrying_to(target: str, *, strips: bool) -> Iterator[tuple[Carrier, str]]:
    """Run a carrier to the address `target`; it and its own address."""
    to_host, _, to_port = target.rpartition(":")
    address = quiet_port()
    host, _, port = address.rpartition(":")
    carrier = Carrier((to_host, int(to_port)), strips)
    controller = Controller(carrier, hostname=host, port=int(port))
    controller.start()
    try:
        yield carrier, address
    finally:
        controller.stop()


@dataclass(slots=True)
class Side:
    """A server, and the inbox of its agent, which answers whatever comes."""

    server: Server
    address: str
    token: str
    owner: str
    answered: int = 0
    refused: str = ""

    def answer(self) -> bool:
        """Answer the newest letter that came; whether there was one that may be answered."""
        with Mailbox(self.server.demo.http, self.address, self.token) as mailbox:
            came = [one for one in mailbox.newest() if one["kind"] == "received"]
        with Api(self.server.demo.http, self.token) as api:
            if len(came) <= self.answered or self.refused:
                return False
            letter = {"reply_to_message_id": came[0]["message_id"], "text_body": "y"}
            answer = api.call("POST", MESSAGES, letter)
        if answer.status != 201:
            self.refused = str(answer.json()["code"])
            return False
        self.answered += 1
        return True


@contextmanager
def two_sides(servers: Servers, *, strips: bool) -> Iterator[tuple[Side, Side, list[Carrier]]]:
    """Run both, each with a carrier to the other."""
    ports = [quiet_port(), quiet_port()]
    with ExitStack() as stack:
        sides, carriers = [], []
        for number, domain in enumerate(("one.test", "two.test")):
            carrier, way_out = stack.enter_context(carrying_to(ports[1 - number], strips=strips))
            settings = {"smarthost": way_out, "smarthost_tls": "none", "undo_seconds": "0"}
            server = servers.new(settings, smtp=ports[number], http=quiet_port())
            stack.callback(servers.stop, server)
            server.start_demo()
            sides.append(_side(server, domain))
            carriers.append(carrier)
        yield sides[0], sides[1], carriers


def _side(server: Server, domain: str) -> Side:
    address = f"agent@{domain}"
    server.operator("tenant", "create", domain)
    server.operator("domain", "trust", domain, "--tenant", domain)
    server.operator("inbox", "create", address, "--tenant", domain)
    owner = f"owner@{domain}"
    password = ("--password", PASSWORD)
    server.operator("user", "create", owner, "--tenant", domain, "--role", "owner", *password)
    scopes = ("--scopes", "email:read,email:write,email:send")
    made = server.operator("token", "create", address, "--label", "loop", *scopes)
    return Side(server, address, made["token"], owner)


def correspond(one: Side, two: Side) -> None:
    """Have a person of one side begin, and let both agents answer until one may not."""
    letter: dict[str, Any] = {"to": [{"email": two.address}], "subject": "Hello", "text_body": "x"}
    with Api(one.server.demo.http) as api:
        api.login(one.owner, PASSWORD)
        first = api.call("POST", MESSAGES, {**letter, "inbox_id": one.address})
    assert first.status == 201, first
    deadline = time.monotonic() + SECONDS
    while not (one.refused or two.refused):
        assert time.monotonic() < deadline, (one, two)
        if not (two.answer() or one.answer()):
            time.sleep(0.05)


@pytest.mark.xdist_group("heavy")
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("strips", "each", "why"),
    [(False, (0, 1), "no_reply_wanted"), (True, (5, 5), "thread_budget")],
    ids=["as it is", "field lost"],
)
def test_two_servers_whose_agents_answer_everything_stop(
    servers: Servers, strips: bool, each: tuple[int, int], why: str
) -> None:
    with two_sides(servers, strips=strips) as (one, two, carriers):
        correspond(one, two)
        assert (one.answered, two.answered) == each
        assert (one.refused or two.refused) == why
        # The person's first letter, and the answers; nothing else leaves by itself.
        assert [carrier.carried for carrier in carriers] == [1 + each[0], each[1]]

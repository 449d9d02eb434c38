"""The long versions of the wire tests."""

import contextlib
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest

from tests.support.fixtures import MakeServer, Servers
from tests.support.kills import kill_rounds
from tests.support.loads import big_messages_at_once, growth
from tests.support.lost_reply import LostReplyProxy
from tests.support.memory import MIB
from tests.support.postfix_runs import KINDS, drain_a_queue
from tests.support.senders import Senders, every_message_exactly_once
from tests.support.sending_kills import sending_kill_rounds
from tests.support.server import Server
from tests.support.undo_races import undo_races

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


@pytest.mark.timeout(36_000)
def test_after_many_kills_every_acknowledged_message_is_there_once(servers: Servers) -> None:
    rounds = int(os.environ.get("TORTURE_ROUNDS", "200"))
    kill_rounds(servers, rounds=rounds, seed=random.randrange(1 << 30), longest=3.0)


@pytest.mark.timeout(36_000)
def test_after_1000_kills_every_letter_has_gone_once_or_is_unknown(servers: Servers) -> None:
    rounds = int(os.environ.get("TORTURE_ROUNDS", "1000"))
    sending_kill_rounds(servers, rounds=rounds, seed=random.randrange(1 << 30))


def test_each_of_1000_races_for_the_undo_has_one_winner(servers: Servers) -> None:
    races = int(os.environ.get("TORTURE_ROUNDS", "1000"))
    undo_races(servers, races=races, seed=random.randrange(1 << 30))


def test_50_messages_of_32_mb_at_once(fresh: Server) -> None:
    with growth(fresh) as grown:
        big_messages_at_once(fresh, count=50, size=32_000_000)
    assert grown.octets <= 64 * MIB, grown


def test_10000_messages_through_a_proxy_that_swallows_replies(own_server: MakeServer) -> None:
    server = own_server()
    seed = random.randrange(1 << 30)
    with (
        LostReplyProxy(server.demo.smtp, share=0.1, seed=seed) as proxy,
        Senders(proxy.address, count=5, seed=seed, limit=2000) as senders,
    ):
        pass
    mailboxes = server.mailboxes()
    try:
        every_message_exactly_once(mailboxes, senders.outcome(), sample=500, seed=seed)
    finally:
        for mailbox in mailboxes:
            mailbox.close()
    assert proxy.lost > 500


def test_content_that_drips_is_given_up(own_server: MakeServer) -> None:
    """A sender under 500 octets a second over a minute is left, however steadily it sends."""
    server = own_server()
    with server.client() as client:
        client.open_content(["team@example.test"])
        client.socket.settimeout(1)
        started = time.monotonic()
        while time.monotonic() - started < 120:
            client.send(b"x" * 100 + b"\r\n")
            try:
                assert client.reply().starts("421 4.4.2")
                break
            except TimeoutError:
                continue
        assert 50 < time.monotonic() - started < 110


@pytest.mark.parametrize("kind", KINDS)
def test_a_postfix_queue_of_5000_drains_through_five_kills(servers: Servers, kind: str) -> None:
    drain_a_queue(servers, kind, count=5000, kills=5, seconds=1800)


def test_40_keyed_imports_of_16_mib_cost_little_memory(fresh: Server) -> None:
    """Two at a time: each body is spooled and hashed on its way, no answer grows with it."""
    card = b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Large\r\nEMAIL:large@outside.test\r\n"
    body = card + (b"NOTE:" + b"x" * 4000 + b"\r\n") * 4100 + b"END:VCARD\r\n"
    assert 15 * MIB < len(body) <= 16 * MIB
    inbox = fresh.demo.inboxes[0]
    host, _, port = fresh.demo.http.removeprefix("http://").rpartition(":")

    def send(number: int) -> int:
        headers = {"Authorization": f"Bearer {inbox['token']}", "Content-Type": "text/vcard"}
        headers["Idempotency-Key"] = f"import {number}"
        with contextlib.closing(HTTPConnection(host, int(port), timeout=120)) as connection:
            connection.request("POST", "/v1/contacts/import/", body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status

    with growth(fresh) as grown, ThreadPoolExecutor(2) as pool:
        statuses = [*pool.map(send, range(40))]
    assert set(statuses) == {200}, statuses
    assert grown.octets <= 64 * MIB, grown

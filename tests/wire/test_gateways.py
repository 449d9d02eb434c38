"""Several gateways on one store: they come and go, and one after the other is upgraded.

1,000 rounds of kills are in soak, with leases as long as the product's.
"""

import http.client
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engines import Databases
from tests.support.fixtures import MakeServer, Servers
from tests.support.fleet import fleet_rounds
from tests.support.mailbox import Api
from tests.support.old_release import unpack_release
from tests.support.senders import Senders, every_message_exactly_once
from tests.support.server import ROOT, SETTINGS, Server, quiet_port
from tests.support.smtp import message

TEAM = ["team@example.test"]
# What a server of these tests is told that the last release does not know.
NEW_SETTINGS = {key: SETTINGS[key] for key in ("authentication", "unready_seconds")}


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    made = databases.make()
    yield made
    databases.drop(made)


@pytest.mark.xdist_group("gateways")
@pytest.mark.timeout(300)
def test_gateways_that_are_killed_in_turn_lose_double_and_leave_nothing(
    servers: Servers, url: str
) -> None:
    seed = random.randrange(1 << 30)
    fleet_rounds(servers, url, rounds=1, seed=seed, short_leases=True)


@pytest.mark.soak
@pytest.mark.timeout(36_000)
def test_gateways_that_are_killed_a_thousand_times(servers: Servers, url: str) -> None:
    rounds = int(os.environ.get("TORTURE_ROUNDS", "1000"))
    fleet_rounds(servers, url, rounds=rounds, seed=random.randrange(1 << 30))


class Callers:
    """Programs that call each gateway all the time; what each answered."""

    def __init__(self, gateways: list[Server]) -> None:
        self.statuses: Counter[int] = Counter()
        self.bare: list[int] = []
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(one,)) for one in gateways]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(60)

    def _call(self, gateway: Server) -> None:
        """Read and write in turn; a gateway that is away is no answer."""
        token = gateway.demo.inboxes[0]["token"]
        with Api(gateway.demo.http, token) as api:
            headers = {**api.headers, "Content-Type": "application/json"}
            for number in range(1_000_000):
                if self._ending.wait(0.2):
                    return
                try:
                    if number % 2:
                        api.connection.request("GET", "/v1/messages/?limit=5", None, headers)
                    else:
                        body = b'{"title": "rolling"}'
                        api.connection.request("POST", "/v1/tasks/", body, headers)
                    answer = api.connection.getresponse()
                    answer.read()
                except (OSError, http.client.HTTPException):
                    api.connection.close()
                    continue
                self.statuses[answer.status] += 1
                if answer.status >= 500 and not answer.headers.get("Retry-After"):
                    self.bare.append(answer.status)


@pytest.fixture(params=[2, pytest.param(3, marks=pytest.mark.soak)])
def old_ones(
    request: pytest.FixtureRequest, servers: Servers, databases: Databases, tmp_path: Path
) -> Iterator[list[Server]]:
    """Give two gateways of the last release on one store; three in soak.

    Its large messages are files, so they share a directory.
    """
    code, url = unpack_release(tmp_path), databases.make_empty()
    settings = {"store": url, "mail_processes": "1"}
    made = [
        servers.new(settings, smtp=quiet_port(), http=quiet_port()) for _ in range(request.param)
    ]
    for one in made:
        one.root = code
        for key in NEW_SETTINGS:
            del one.settings[key]
    try:
        made[0].start_demo()
        for one in made[1:]:
            one.start_beside(made[0])
        yield made
    finally:
        for one in made:
            servers.stop(one)
        databases.drop(url)


def roll(gateways: list[Server]) -> None:
    """Stop each gateway, the others going on, and start it as this release."""
    for one in gateways:
        assert one.stop() == 0
        one.root = ROOT
        one.settings |= NEW_SETTINGS
        one.start()


@pytest.mark.xdist_group("gateways")
@pytest.mark.timeout(300)
def test_gateways_of_the_last_release_are_upgraded_one_by_one(old_ones: list[Server]) -> None:
    """The first new one migrates the store; the old ones go on, and are not ready any more."""
    seed = random.randrange(1 << 30)
    addresses = [one.demo.smtp for one in old_ones]
    with (
        Senders(*addresses, count=3, seed=seed, pause=0.3) as senders,
        Callers(old_ones) as callers,
    ):
        roll(old_ones[:1])
        assert {readiness(one) for one in old_ones[1:]} == {503}
        with old_ones[1].client() as client:
            reply = client.deliver(message("by an old one"), TEAM)
            assert reply.code == 250, reply
        roll(old_ones[1:])
        assert {readiness(one) for one in old_ones} == {200}
    assert not callers.bare, callers.statuses
    assert callers.statuses[200] and callers.statuses[201], callers.statuses
    mailboxes = old_ones[0].mailboxes()
    try:
        outcome = senders.outcome()
        every_message_exactly_once(mailboxes, outcome, sample=50, seed=seed, of="sender")
    finally:
        for mailbox in mailboxes:
            mailbox.close()
    old_ones[0].audit_is_clean()


def readiness(gateway: Server) -> int:
    with Api(gateway.demo.http) as api:
        return api.call("GET", "/readyz").status


def test_a_balancer_hears_of_the_end_before_anything_is_refused(own_server: MakeServer) -> None:
    """Where somebody asks `/readyz` regularly, all else goes on for a while after SIGTERM."""
    server = own_server({"unready_seconds": "20"})
    assert readiness(server) == 200
    began = time.monotonic()  # the first answer of a busy machine may take long
    while time.monotonic() - began < 1.2:  # that is how a balancer is known
        time.sleep(0.1)
        assert readiness(server) == 200
    server.terminate()
    while readiness(server) == 200:
        assert time.monotonic() - began < 15
        time.sleep(0.02)

    with server.client() as client:
        assert client.deliver(message("after SIGTERM"), TEAM).code == 250
        client.quit()
    with server.mailboxes()[0] as mailbox:
        assert [item["subject"] for item in mailbox.newest()] == ["after SIGTERM"]
    assert server.process.poll() is None

    server.terminate()  # a second signal waits for nobody
    assert server.wait() == 1

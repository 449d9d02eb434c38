"""The server of the store goes away: what is told meanwhile, and that nothing is lost or doubled.

`hostile.md`, section 3, on a server with a synchronous standby. The store is named with both hosts.
Ten restarts and five failovers are in soak.
"""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
import pytest

from storage.clock import system_clock
from storage.database import Tx
from storage.engines import postgres
from storage.engines.opening import open_database
from storage.errors import OutcomeUnknown
from tests.support.cases import cases
from tests.support.fixtures import Servers
from tests.support.mailbox import Api
from tests.support.postgres_server import PostgresServer
from tests.support.senders import Senders, every_message_exactly_once
from tests.support.server import Server, quiet_port
from tests.support.smtp import ConnectionEnded, Reply, message
from tests.support.standby import Pair
from tests.support.store_faults import full, out_of_connections, read_only, silent, stopped

pytestmark = [pytest.mark.xdist_group("store_server"), pytest.mark.timeout(900)]

TEAM = ["team@example.test"]
CURED_WITHIN = 5.0
# Behind that come new connections, a message and calls, which take long on a busy machine.
WORK_BEHIND_IT = 5
Fault = Callable[[PostgresServer], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Give two running servers, one of which follows the other."""
    made = Pair()
    made.start()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def gateway(servers: Servers, pair: Pair) -> Iterator[Server]:
    """Give a gateway whose store names both."""
    settings = {"store": pair.url(), "mail_processes": "1"}
    server = servers.new(settings, smtp=quiet_port(), http=quiet_port())
    server.start_demo()
    yield server
    servers.stop(server)


def delivered(server: Server, subject: str) -> Reply:
    """Hand one message over; what came last of the replies that refuse it."""
    with server.client(timeout=60) as client:
        return client.deliver(message(subject), TEAM)


def called(server: Server, name: str) -> tuple[int, str]:
    """Make a task by a call; the status, and when to try again."""
    with Api(server.demo.http, server.demo.inboxes[0]["token"], timeout=60) as api:
        headers = {**api.headers, "Content-Type": "application/json"}
        body = b'{"title": "%s"}' % name.encode()
        api.connection.request("POST", "/v1/tasks/", body, headers)
        answer = api.connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("Retry-After", "")


def readiness(server: Server) -> int:
    with Api(server.demo.http, timeout=60) as api:
        return api.call("GET", "/readyz").status


def usual_seconds(server: Server) -> float:
    """Return how long a message and a look at the readiness take here and now."""
    began = time.monotonic()
    reply, status = tried(server, "usual"), readiness(server)
    assert reply.startswith("250") and status == 200, (reply, status)
    return time.monotonic() - began


def well_again(server: Server, subject: str, cured: float, usual: float) -> None:
    """Send one message until it is taken; fail when the cure is too long ago by then."""
    within = CURED_WITHIN + WORK_BEHIND_IT * usual
    while not (reply := tried(server, subject)).startswith("250"):
        assert reply.startswith("4"), reply
        assert time.monotonic() - cured < within, reply
        time.sleep(0.05)
    while (status := readiness(server)) != 200:
        assert time.monotonic() - cured < within, status
        time.sleep(0.05)


def tried(server: Server, subject: str) -> str:
    try:
        return str(delivered(server, subject))
    except ConnectionEnded:
        return "421 4.3.2 it hung up"


def all_there_once(server: Server, senders: Senders, name: str) -> None:
    mailboxes = server.mailboxes()
    try:
        every_message_exactly_once(mailboxes, senders.outcome(), sample=50, seed=1, of=name)
    finally:
        for mailbox in mailboxes:
            mailbox.close()
    server.audit_is_clean()


FAULTS: dict[str, tuple[Fault, str, int, int]] = {
    # what mail, a call and /readyz are told
    "stopped": (stopped, "451 4.3.0", 503, 503),
    "read-only": (read_only, "451 4.3.0", 503, 503),
    "out of connections": (out_of_connections, "451 4.3.0", 503, 503),
    "silent": (silent, "451 4.3.0", 503, 503),
    "full": (full, "452 4.3.1", 503, 200),
}


def test_each_fault_is_told_and_the_store_is_well_again_after_its_cure(
    gateway: Server, pair: Pair
) -> None:
    subjects = []
    with cases() as case, ThreadPoolExecutor(3) as threads:
        for name, (fault, mail, call, ready) in FAULTS.items():
            with case(name):
                subjects.append(f"after {name}")
                usual = usual_seconds(gateway)
                with fault(pair.primary):
                    mailed = threads.submit(tried, gateway, f"while {name}")
                    asked = threads.submit(called, gateway, name)
                    looked = threads.submit(readiness, gateway)
                    reply, answer = mailed.result(60), looked.result(60)
                    status, again = asked.result(60)
                cured = time.monotonic()
                assert reply.startswith(mail), reply
                assert (status, bool(again), answer) == (call, call == 503, ready)
                well_again(gateway, subjects[-1], cured, usual)
    with gateway.mailboxes()[0] as mailbox:
        found = [item["subject"] for item in mailbox.every()]
    assert [found.count(one) for one in subjects] == [1] * len(subjects), found
    assert not [one for one in found if one.startswith("while")], found
    assert "Traceback" not in gateway.log_tail(100_000)
    gateway.audit_is_clean()


def restarts(gateway: Server, pair: Pair, rounds: int) -> None:
    seed, usual = random.randrange(1 << 30), usual_seconds(gateway)
    moments, name = random.Random(seed), f"restart{seed}-"
    with Senders(gateway.demo.smtp, count=3, seed=seed, pause=0.1, name=name) as senders:
        for number in range(rounds):
            time.sleep(moments.uniform(0.1, 0.6))
            pair.primary.stop(signal.SIGQUIT if number % 2 else signal.SIGINT)
            time.sleep(moments.uniform(0, 1))
            pair.primary.start()
            well_again(gateway, f"cured {seed} {number}", time.monotonic(), usual)
    assert senders.outcome().acknowledged, f"seed {seed}: the load was too small"
    all_there_once(gateway, senders, name)


def failovers(gateway: Server, pair: Pair, rounds: int) -> None:
    seed, usual = random.randrange(1 << 30), usual_seconds(gateway)
    moments, name = random.Random(seed), f"failover{seed}-"
    with Senders(gateway.demo.smtp, count=3, seed=seed, pause=0.1, name=name) as senders:
        for number in range(rounds):
            time.sleep(moments.uniform(0.2, 0.8))
            pair.fail_over()
            well_again(gateway, f"promoted {seed} {number}", time.monotonic(), usual)
            pair.follow()
    assert senders.outcome().acknowledged, f"seed {seed}: the load was too small"
    all_there_once(gateway, senders, name)


def test_restarts_under_load_lose_and_double_nothing(gateway: Server, pair: Pair) -> None:
    restarts(gateway, pair, 2)


def test_a_standby_takes_over_with_all_that_was_acknowledged(gateway: Server, pair: Pair) -> None:
    failovers(gateway, pair, 1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_restarts_and_five_failovers(gateway: Server, pair: Pair) -> None:
    restarts(gateway, pair, 10)
    failovers(gateway, pair, 5)


async def test_a_commit_that_no_standby_has_is_not_called_done(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator who cancels the wait makes the server say COMMIT, with a warning only."""
    monkeypatch.setattr(postgres, "ANSWER_WITHIN", 0.5)
    pair.primary.tell("CREATE DATABASE alone")
    database = await open_database(pair.url("alone"), Path(), system_clock)
    try:
        share = (b"tenant", b"token")
        await database.write(make_table)
        pair.standby.stop()
        with pytest.raises(OutcomeUnknown, match="lost in the middle of a COMMIT"):
            await database.for_caller(share).write(add_row)
        pair.primary.tell(CANCEL)
        monkeypatch.setattr(postgres, "ANSWER_WITHIN", 20.0)
        done = threading.Event()
        with ThreadPoolExecutor(1) as threads:
            threads.submit(keep_canceling, pair.primary, done)
            try:
                with pytest.raises(OutcomeUnknown, match="synchronous replication"):
                    await database.for_caller(share).write(add_row)
            finally:
                done.set()
    finally:
        pair.standby.start()
        pair.await_standby()
        await database.close()
        pair.primary.tell("DROP DATABASE alone WITH (FORCE)")


async def make_table(tx: Tx) -> None:
    await tx.execute("CREATE TABLE rows (number INTEGER)")


async def add_row(tx: Tx) -> None:
    await tx.execute("INSERT INTO rows (number) VALUES (1)")


CANCEL = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


def keep_canceling(server: PostgresServer, done: threading.Event) -> None:
    """Cancel every commit that waits for the standby."""
    with psycopg.connect(server.url(), autocommit=True) as operator:
        while not done.wait(0.02):
            operator.execute(CANCEL.encode())

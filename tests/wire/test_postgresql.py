"""The store on PostgreSQL, from outside: killed gateways and crashed servers.

`hostile.md`, section 3, as the tests beside this one show it on the embedded engine; servers that
are away for a while are in test_store_server.py.
"""

import random
import signal
import time
from collections.abc import Iterator

import pytest

from tests.support.engines import Databases
from tests.support.fixtures import Servers
from tests.support.postgres_server import PostgresServer
from tests.support.senders import Senders, every_message_exactly_once
from tests.support.server import Server, quiet_port
from tests.wire.test_event_stream import read_until, stream

TEAM = ["team@example.test"]


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """Give a running PostgreSQL server of this test alone."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def gateway(servers: Servers, postgres: PostgresServer) -> Iterator[Server]:
    """Give a demo server whose store is there."""
    server = servers.new({"store": postgres.url()}, smtp=quiet_port(), http=quiet_port())
    server.start_demo()
    yield server
    servers.stop(server)


@pytest.mark.xdist_group("heavy")
@pytest.mark.timeout(300)
def test_after_kills_and_crashes_every_acknowledged_message_is_there_once(
    gateway: Server, postgres: PostgresServer
) -> None:
    seed = random.randrange(1 << 30)
    moments = random.Random(seed)
    with Senders(gateway.demo.smtp, count=4, seed=seed, pause=0.01) as senders:
        for _ in range(2):
            time.sleep(moments.uniform(0.05, 1.0))
            gateway.kill()
            gateway.start()
            time.sleep(moments.uniform(0.05, 1.0))
            postgres.stop(signal.SIGQUIT)
            time.sleep(moments.uniform(0.0, 1.0))
            postgres.start()
    outcome = senders.outcome()
    assert outcome.acknowledged and outcome.retried, f"seed {seed}: the load was too small"
    mailboxes = gateway.mailboxes()
    try:
        every_message_exactly_once(mailboxes, outcome, sample=200, seed=seed)
    finally:
        for mailbox in mailboxes:
            mailbox.close()
    gateway.audit_is_clean()


def test_a_large_message_taken_by_one_gateway_is_read_at_another(
    servers: Servers, databases: Databases
) -> None:
    url = databases.make()
    first = servers.new({"store": url})
    second = servers.new({"store": url}, smtp=quiet_port(), http=quiet_port())
    content = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 64 * 1024 + b"\r\n"
    try:
        first.start_demo()
        second.start_beside(first, apart=True)
        token = first.demo.inboxes[0]["token"]
        with stream(second, token) as events, first.client(timeout=60) as client:
            assert client.deliver(content, TEAM).code == 250
            with second.mailboxes()[0] as mailbox:
                (found,) = mailbox.newest()
                assert mailbox.content(found["message_id"], len(content)) == content
            assert b"message.received" in read_until(events, b"message.received")
        assert not any(path.is_file() for path in (first.store / "content").rglob("*"))
    finally:
        servers.stop(second)
        servers.stop(first)
        databases.drop(url)


def test_the_command_line_names_the_setting_at_fault_and_no_password(servers: Servers) -> None:
    gateway = servers.new({"store": "postgresql://ann:hush@127.0.0.1:1/mail"})

    done = gateway.postroom("tenant", "list")

    assert done.returncode == 1
    assert done.stderr.startswith("store: the store is not available: ")
    assert "hush" not in done.stderr + done.stdout
    assert "hush" not in gateway.postroom("config", "show").stdout

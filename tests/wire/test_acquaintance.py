"""Who writes to whom is counted after the commit: soon, each copy once, also through kills."""

import random
import time

import pytest

from tests.support.fixtures import Servers
from tests.support.mailbox import Api, Mailbox
from tests.support.senders import Senders
from tests.support.server import Server, quiet_port
from tests.support.smtp import message


def counted(owner: Api, mailbox: Mailbox) -> int:
    results = owner.get("/v1/relationships/", inbox_id=mailbox.address, limit=200)["results"]
    return sum(found["message_count"] for found in results)


def await_counts(server: Server) -> None:
    """Fail unless every inbox has soon counted each of its copies, and no more."""
    owner = server.owner()
    for mailbox in server.mailboxes():
        copies = sum(1 for _ in mailbox.every())
        deadline = time.monotonic() + 15
        while counted(owner, mailbox) != copies:
            assert time.monotonic() < deadline, (counted(owner, mailbox), copies)
            time.sleep(0.1)
        mailbox.close()
    owner.close()


def test_mail_is_counted_for_every_member_right_after_it_came(server: Server) -> None:
    with server.client() as client:
        for number in range(5):
            client.deliver(message(f"counted {number}"), ["team@example.test"])
        client.quit()
    await_counts(server)


@pytest.mark.xdist_group("heavy")
@pytest.mark.timeout(120)
def test_after_kills_every_copy_has_been_counted_once(servers: Servers) -> None:
    moments = random.Random(seed := random.randrange(1 << 30))
    server = servers.new(smtp=quiet_port(), http=quiet_port())
    server.start_demo()
    with Senders(server.demo.smtp, count=2, seed=seed, pause=0.01):
        for _ in range(6):
            time.sleep(moments.uniform(0.1, 0.8))
            server.kill()
            server.start()
    await_counts(server)
    servers.stop(server)

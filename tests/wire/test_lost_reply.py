"""A sender that did not see our 250 sends again: no second copy, and no twin suppressed.

What was not confirmed by a byte after the 250 is recognised when it comes again, by reverse-path,
route and content; what was confirmed never is (`design.md`, the way of a message).
"""

import random
import select
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.fixtures import MakeServer
from tests.support.lost_reply import LostReplyProxy
from tests.support.mailbox import Mailbox
from tests.support.senders import Senders, every_message_exactly_once
from tests.support.server import Server, quiet_port
from tests.support.smtp import SmtpClient, message, stuffed
from tests.wire.test_processes import await_open

TEAM = ["team@example.test"]


@pytest.fixture
def agent(server: Server) -> Iterator[Mailbox]:
    """Give the inbox of one member; what it has, the others have."""
    with server.mailboxes()[-1] as found:
        yield found


def unique() -> bytes:
    return message(f"unique {random.randrange(1 << 60)}")


def copies(mailbox: Mailbox, content: bytes) -> int:
    """Count the copies of the content among the newest."""
    subject = content.split(b"Subject: ")[1].split(b"\r\n")[0].decode()
    return sum(item["subject"] == subject for item in mailbox.newest(200))


def await_copies(mailbox: Mailbox, content: bytes, expected: int) -> None:
    deadline = time.monotonic() + 10
    while copies(mailbox, content) < expected:
        assert time.monotonic() < deadline, "not stored in 10 s"
        time.sleep(0.02)


def send(server: Server, content: bytes, recipients: list[str] = TEAM) -> None:
    """Send as a careful client does: read the 250, then QUIT."""
    with server.client() as client:
        reply = client.deliver(content, recipients)
        assert reply.code == 250, reply
        client.quit()


def send_without_hearing(
    server: Server, mailbox: Mailbox, content: bytes, *, after_dot: bytes = b""
) -> SmtpClient:
    """Send a message, wait until it is stored, and leave the reply unread."""
    client = server.client()
    client.open_content(TEAM)
    client.send(stuffed(content) + b".\r\n" + after_dot)
    await_copies(mailbox, content, 1)
    return client


@pytest.mark.timeout(240)
def test_a_proxy_that_swallows_replies_makes_no_copy_twice(own_server: MakeServer) -> None:
    server = own_server()
    seed = random.randrange(1 << 30)
    with (
        LostReplyProxy(server.demo.smtp, share=0.4, seed=seed) as proxy,
        Senders(proxy.address, count=5, seed=seed, limit=20) as senders,
    ):
        pass
    outcome = senders.outcome()
    mailboxes = server.mailboxes()
    try:
        every_message_exactly_once(mailboxes, outcome, sample=20, seed=seed)
    finally:
        for mailbox in mailboxes:
            mailbox.close()
    assert len(outcome.acknowledged) == 100
    assert proxy.lost > 25, f"seed {seed}: only {proxy.lost} replies were lost"
    server.audit_is_clean()


def test_twins_in_one_session_are_two_messages(server: Server, agent: Mailbox) -> None:
    content = unique()
    with server.client() as client:
        for _ in range(2):
            assert client.deliver(content, TEAM).code == 250
        client.quit()
    assert copies(agent, content) == 2


def test_twins_in_two_sessions_are_two_messages(server: Server, agent: Mailbox) -> None:
    for _ in range(10):  # the answer to the 250 is there within microseconds
        content = unique()
        send(server, content)
        send(server, content)
        assert copies(agent, content) == 2


def test_twins_at_the_same_time_are_two_messages(server: Server, agent: Mailbox) -> None:
    for _ in range(4):
        content = unique()
        threads = [threading.Thread(target=send, args=(server, content)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert copies(agent, content) == 2


def test_very_many_twins_at_the_same_time_are_as_many_messages(
    server: Server, agent: Mailbox
) -> None:
    content = unique()
    with ExitStack() as open_ones:
        clients = [open_ones.enter_context(server.client(timeout=30)) for _ in range(120)]
        for client in clients:
            client.open_content(TEAM)
        for client in clients:
            client.send(stuffed(content) + b".\r\n")
        waiting = set(clients)
        while waiting:  # whoever hears of its 250 shows it; the others wait for that
            for client in [*waiting]:
                if select.select([client.socket], [], [], 0.001)[0]:
                    assert client.reply().code == 250
                    client.send(b"NOOP\r\n")
                    waiting.remove(client)
    assert copies(agent, content) == 120


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_retry_after_a_lost_reply_makes_no_second_copy(
    server: Server, agent: Mailbox, how: str
) -> None:
    content = unique()
    client = send_without_hearing(server, agent, content)
    (client.reset if how == "reset" else client.close)()
    send(server, content)
    assert copies(agent, content) == 1


def test_a_quit_in_the_same_write_as_the_dot_confirms_nothing(
    server: Server, agent: Mailbox
) -> None:
    content = unique()
    send_without_hearing(server, agent, content, after_dot=b"QUIT\r\n").close()
    send(server, content)
    assert copies(agent, content) == 1


def test_a_second_retry_after_a_confirmed_one_is_a_twin(server: Server, agent: Mailbox) -> None:
    content = unique()
    send_without_hearing(server, agent, content).close()
    send(server, content)
    send(server, content)
    assert copies(agent, content) == 2


def test_a_retry_that_is_lost_as_well_makes_no_copy_either(server: Server, agent: Mailbox) -> None:
    content = unique()
    for _ in range(3):
        send_without_hearing(server, agent, content).reset()
    send(server, content)
    assert copies(agent, content) == 1


def test_a_retry_while_the_first_session_is_silent_makes_no_second_copy(
    server: Server, agent: Mailbox
) -> None:
    content = unique()
    with send_without_hearing(server, agent, content):
        started = time.monotonic()
        send(server, content)
        assert time.monotonic() - started < 6, "a match is judged within 2 s"
    assert copies(agent, content) == 1


def test_a_twin_waits_for_the_first_to_be_confirmed(server: Server, agent: Mailbox) -> None:
    content = unique()
    with send_without_hearing(server, agent, content) as first:
        twin = threading.Thread(target=send, args=(server, content))
        twin.start()
        time.sleep(0.5)
        assert first.reply().code == 250
        assert first.command("NOOP").code == 250
        twin.join(20)
    assert copies(agent, content) == 2


def test_a_retry_that_was_given_up_while_it_waited_is_not_stored_later(
    server: Server, agent: Mailbox
) -> None:
    content = unique()
    with send_without_hearing(server, agent, content) as first:
        with server.client() as retry:
            retry.open_content(TEAM)
            retry.send(stuffed(content) + b".\r\n")
            time.sleep(0.3)
        await_open(server, 1)
        assert first.reply().code == 250
        assert first.command("NOOP").code == 250
        time.sleep(2.5)
    assert copies(agent, content) == 1


def test_another_sender_of_the_same_bytes_is_no_retry(server: Server, agent: Mailbox) -> None:
    content = unique()
    send_without_hearing(server, agent, content).close()
    with server.client() as client:
        assert client.deliver(content, TEAM, sender="other@client.example").code == 250
        client.quit()
    assert copies(agent, content) == 2


def test_a_recipient_added_to_a_retry_is_served(server: Server, agent: Mailbox) -> None:
    address = f"added{random.randrange(1 << 40)}@example.test"
    server.operator("inbox", "create", address, "--tenant", server.demo.tenant_id)
    content = unique()
    send_without_hearing(server, agent, content).close()
    send(server, content, [*TEAM, address])
    assert copies(agent, content) == 1
    assert len(server.listed(address)) == 1


def test_a_retry_after_a_kill_makes_no_second_copy(own_server: MakeServer) -> None:
    server = own_server(smtp=quiet_port(), http=quiet_port())
    content = unique()
    with server.mailboxes()[-1] as agent:
        client = send_without_hearing(server, agent, content)
        server.kill()
        client.close()
        server.start()
        send(server, content)
        assert copies(agent, content) == 1
        send(server, content)
        assert copies(agent, content) == 2

"""A store that is busy, full or gone for a while: deferred, nothing half, well again by itself."""

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.programs import need
from tests.support.fixtures import MakeServer, Servers
from tests.support.mailbox import Mailbox
from tests.support.server import Server
from tests.support.smtp import Reply, SmtpClient, message
from tests.wire.test_processes import await_open

TEAM = ["team@example.test"]
CURED_WITHIN = 5.0
TMPFS = "40m"


@contextmanager
def write_lock(server: Server) -> Iterator[None]:
    """Hold the store's write lock from another process's point of view."""
    (database,) = server.store.glob("*.db")
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@contextmanager
def one_member(server: Server) -> Iterator[Mailbox]:
    with server.mailboxes()[-1] as mailbox:
        yield mailbox


def deliver(server: Server, subject: str) -> Reply:
    with server.client(timeout=60) as client:
        return client.deliver(message(subject), TEAM)


def await_cure(server: Server, subject: str = "after the cure") -> None:
    """Fail unless mail is taken again within the promised time."""
    deadline = time.monotonic() + CURED_WITHIN
    while (reply := deliver(server, subject)).code != 250:
        assert time.monotonic() < deadline, f"after {CURED_WITHIN} s: {reply}"
        time.sleep(0.1)


def test_a_locked_store_defers_and_is_well_again(own_server: MakeServer) -> None:
    server = own_server()
    with one_member(server) as mailbox:
        with write_lock(server):
            started = time.monotonic()
            reply = deliver(server, "while locked")
            assert reply.starts("451 4.3.0"), reply
            assert time.monotonic() - started < 30
            assert mailbox.newest() == []
        await_cure(server)
        assert {item["subject"] for item in mailbox.newest()} == {"after the cure"}
    server.audit_is_clean()


def test_a_locked_store_does_not_hold_up_other_sessions(own_server: MakeServer) -> None:
    server = own_server()
    with write_lock(server):
        waiting = threading.Thread(target=deliver, args=(server, "while locked"))
        waiting.start()
        for _ in range(10):
            with server.client() as client:
                assert [reply.code for reply in client.begin(TEAM)] == [250, 250]
        assert waiting.is_alive(), "ten sessions take less than one waits for the lock"
    waiting.join(60)
    assert not waiting.is_alive()


def test_a_short_lock_is_waited_out(own_server: MakeServer) -> None:
    server = own_server()
    replies: list[Reply] = []
    with write_lock(server):
        sender = threading.Thread(target=lambda: replies.append(deliver(server, "patience")))
        sender.start()
        time.sleep(0.3)
    sender.join(30)
    assert [reply.code for reply in replies] == [250]


# A disk of its own, in a mount namespace of the server's own


a_small_disk = pytest.mark.xdist_group("a small disk")  # one server for all


@contextmanager
def on_a_small_disk(servers: Servers) -> Iterator[Server]:
    """Give a demo server whose store is on a tmpfs of 40 MB, and whose size limit is 8 MB."""
    unshare = need("unshare", "util-linux")
    probe = [unshare, "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    if os.geteuid() != 0 or os.spawnv(os.P_WAIT, unshare, probe) != 0:
        reason = "no mount namespace of one's own is allowed here (needs root)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    server = servers.new({"size_limit": "8MiB"})
    script = f'mount -t tmpfs -o size={TMPFS} none "$1" && shift && exec "$@"'
    server.wrapper = (unshare, "-m", "sh", "-c", script, "sh", str(server.store))
    server.start_demo()
    yield server
    servers.stop(server)


@pytest.fixture(scope="module")
def small_disk(servers: Servers) -> Iterator[Server]:
    with on_a_small_disk(servers) as server:
        yield server


def seen_by(server: Server) -> Path:
    """Return the store's directory as the server's mount namespace shows it."""
    return Path(f"/proc/{server.pid}/root{server.store}")


@contextmanager
def filled(server: Server, *, but: int) -> Iterator[None]:
    """Fill the server's disk up to so many octets."""
    filler = seen_by(server) / "filler"
    free = shutil.disk_usage(seen_by(server)).free - but
    try:
        filler.write_bytes(b"\0" * free)
    except OSError as error:  # the server has taken of it meanwhile: full it is
        assert not but, error
    try:
        yield
    finally:
        filler.unlink(missing_ok=True)


@a_small_disk
def test_mail_waits_until_there_is_room_for_it(small_disk: Server) -> None:
    with SmtpClient(small_disk.demo.smtp) as client:
        client.greet()
        with filled(small_disk, but=11 << 20):
            reply = client.command("MAIL FROM:<sender@client.example>")
            assert reply.starts("452 4.3.1"), reply
        with filled(small_disk, but=16 << 20):
            assert client.command("MAIL FROM:<sender@client.example>").code == 250
    await_cure(small_disk)


@a_small_disk
def test_declared_sizes_are_set_aside_from_354_on(small_disk: Server) -> None:
    declared = f"MAIL FROM:<sender@client.example> SIZE={8 << 20}"
    with filled(small_disk, but=19 << 20), small_disk.client() as one, small_disk.client() as two:
        assert one.command(declared).code == 250
        assert two.command("MAIL FROM:<sender@client.example>").code == 250
        assert two.command("RSET").code == 250
        assert one.command(f"RCPT TO:<{TEAM[0]}>").code == 250
        assert one.command("DATA").code == 354
        reply = two.command("MAIL FROM:<sender@client.example>")
        assert reply.starts("452 4.3.1"), reply
        one.send(b"Subject: small after all\r\n\r\n.\r\n")
        assert one.reply().code == 250
        assert two.command("MAIL FROM:<sender@client.example>").code == 250


@a_small_disk
def test_a_sender_that_is_gone_sets_nothing_aside(small_disk: Server) -> None:
    declared = f"MAIL FROM:<sender@client.example> SIZE={8 << 20}"
    with filled(small_disk, but=19 << 20), small_disk.client() as two:
        for _ in range(5):
            with small_disk.client() as one:
                assert one.command(declared).code == 250
                one.reset()
            await_open(small_disk, 1)
        assert two.command("MAIL FROM:<sender@client.example>").code == 250


def test_a_disk_full_at_the_dot_defers(servers: Servers) -> None:
    """On a store that is new: a log that has been long may have room for the smaller one."""
    with on_a_small_disk(servers) as server, one_member(server) as mailbox:
        for size in (10_000, 2_000_000):
            content = message("too much", b"0123456789abcdef\r\n" * (size // 18))
            with server.client(timeout=60) as client:
                client.open_content(TEAM)
                with filled(server, but=0):
                    client.send(content + b".\r\n")
                    reply = client.reply()
                    assert reply.starts("452 4.3.1"), (size, reply)
                    assert client.command("NOOP").code == 250
            assert "too much" not in {item["subject"] for item in mailbox.newest()}
            await_cure(server, f"after {size}")
            assert mailbox.newest()[0]["subject"] == f"after {size}"

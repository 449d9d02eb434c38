"""Faults of the machine: what was acknowledged is there once, and mail goes on by itself.

Those of the store are in test_contention.py and test_storage_faults.py, kills in test_kill.py.
"""

import os
import random
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.fixtures import Servers
from tests.support.loads import warm_up
from tests.support.mailbox import Mailbox
from tests.support.memory import need_proc
from tests.support.senders import Senders, every_message_exactly_once
from tests.support.server import Server, quiet_port
from tests.support.smtp import ConnectionEnded, message

pytestmark = [pytest.mark.xdist_group("heavy"), pytest.mark.timeout(240)]

TEAM = ["team@example.test"]
TWO_PROCESSES = {"mail_processes": "2"}
# The clock of the server's processes, moved by as many seconds as stand in a file.
CLOCK = """
import time
now, path = time.time_ns, {path!r}
def moved():
    with open(path) as file:
        return now() + int(file.read() or 0) * 1_000_000_000
time.time_ns = moved
time.time = lambda: moved() / 1e9
"""


@pytest.fixture
def machine(servers: Servers) -> Iterator[Server]:
    """Give a demo server whose ports stay the same when it is started again."""
    server = servers.new(TWO_PROCESSES, smtp=quiet_port(), http=quiet_port())
    server.start_demo()
    yield server
    servers.stop(server)


def all_is_there_once(server: Server, senders: Senders) -> None:
    mailboxes = server.mailboxes()
    every_message_exactly_once(mailboxes, senders.outcome(), sample=20, seed=1)
    for mailbox in mailboxes:
        mailbox.close()
    server.audit_is_clean()


def test_sigterm_under_load_loses_and_doubles_nothing(machine: Server) -> None:
    moments = random.Random(5)
    with Senders(machine.demo.smtp, count=4, seed=5, pause=0.01) as senders:
        for _ in range(2):
            time.sleep(moments.uniform(0.05, 0.6))
            assert machine.stop() == 0
            machine.start()
    all_is_there_once(machine, senders)


def test_two_servers_on_one_store_share_it(servers: Servers, machine: Server) -> None:
    second = servers.new(TWO_PROCESSES, smtp=quiet_port(), http=quiet_port())
    second.start_beside(machine)
    try:
        with (
            Senders(machine.demo.smtp, count=2, seed=6, limit=25) as one,
            Senders(second.demo.smtp, count=2, seed=7, limit=25) as two,
        ):
            pass
        for first, last in zip(machine.mailboxes(), second.mailboxes(), strict=True):
            with first, last:
                seen = [copy["message_id"] for copy in first.every()]
                assert seen == [copy["message_id"] for copy in last.every()]
                assert len(seen) == len(set(seen)) == 100
        assert len(one.outcome().acknowledged) == len(two.outcome().acknowledged) == 50
        machine.audit_is_clean()
    finally:
        servers.stop(second)
    with machine.client() as client:
        assert client.deliver(message("alone again"), TEAM).code == 250


def test_a_clock_that_jumps_changes_no_order_and_holds_nothing_up(
    servers: Servers, tmp_path: Path
) -> None:
    moved = tmp_path / "seconds"
    moved.write_text("0")
    (tmp_path / "sitecustomize.py").write_text(CLOCK.format(path=str(moved)))
    server = servers.new({"mail_processes": "1"})
    server.wrapper = ("env", f"PYTHONPATH={tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    server.start_demo()
    subjects: list[str] = []
    with server.mailboxes()[0] as mailbox, server.client() as client:
        for seconds in (0, -86_400, 7_200, -3_600, 0, 3 * 86_400):
            moved.write_text(str(seconds))
            subjects.append(f"moved by {seconds}, {len(subjects)}")
            assert client.deliver(message(subjects[-1]), TEAM).starts("250 2.")
            assert newest(mailbox) == subjects[-1]
        assert [copy["subject"] for copy in mailbox.every()] == subjects[::-1]
    server.audit_is_clean()
    servers.stop(server)


def newest(mailbox: Mailbox) -> str:
    return str(mailbox.newest(1)[0]["subject"])


@contextmanager
def memory_short(server: Server, *, left: int) -> Iterator[None]:
    """Let no process of the server have more address space than it has, but for `left`."""
    no_limit = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    # Those of the parser have a limit of their own.
    limited = [
        pid for pid in server.processes() if resource.prlimit(pid, resource.RLIMIT_AS) == no_limit
    ]
    for pid in limited:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + left
        resource.prlimit(pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        for pid in limited:
            with suppress(ProcessLookupError):  # lost meanwhile
                resource.prlimit(pid, resource.RLIMIT_AS, no_limit)


@pytest.mark.soak
def test_short_of_memory_it_loses_nothing_and_is_well_again(machine: Server) -> None:
    """A process that cannot start a thread hangs: after 30 s another has its place."""
    need_proc()
    warm_up(machine)
    contents = [
        message(f"short {number}", b"0123456789abcdef\r\n" * 100_000) for number in range(30)
    ]
    told: list[int] = []
    with ExitStack() as open_ones, machine.mailboxes()[0] as mailbox:
        before = len([*mailbox.every()])
        clients = [open_ones.enter_context(machine.client(timeout=60)) for _ in contents]
        with memory_short(machine, left=0):
            for client, content in zip(clients, contents, strict=True):
                with suppress(ConnectionEnded, OSError):
                    client.open_content(TEAM)
                    client.send(content[:200_000])
            for client, content in zip(clients, contents, strict=True):
                with suppress(ConnectionEnded, OSError):
                    client.send(content[200_000:] + b".\r\n")
                    told.append(client.reply().code)
        assert {*told} <= {250, 451, 452, 421}, told
        assert len([*mailbox.every()]) - before == told.count(250)
        with machine.client() as client:
            assert client.deliver(message("after the cure"), TEAM).code == 250
    machine.audit_is_clean()

"""Several mail processes: one may be lost, limits count for all, none outlives the first."""

import os
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.fixtures import MakeServer
from tests.support.mailbox import Api
from tests.support.patience import HANG_SECONDS
from tests.support.server import Server
from tests.support.smtp import ConnectionEnded, SmtpClient, message

TEAM = ["team@example.test"]


@pytest.fixture
def pair(own_server: MakeServer) -> Server:
    """Give a server with two mail processes beside the first one."""
    return own_server({"mail_processes": "3"})


def mail_processes_of(server: Server) -> list[int]:
    """Return the ids of the processes that were forked and not executed anew."""
    own = command_line(server.pid)
    return [pid for pid in server.processes()[1:] if command_line(pid) == own]


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def counted(server: Server, name: str) -> float:
    with Api(server.demo.http) as api:
        body = api.call("GET", "/metrics").body.decode()
    return next(float(line.split()[1]) for line in body.splitlines() if line.startswith(name + " "))


def await_count(server: Server, name: str, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while counted(server, name) < count:
        assert time.monotonic() < deadline, server.log_tail()
        time.sleep(0.05)


def await_open(server: Server, count: int) -> None:
    """Wait until the server knows of so many connections only."""
    deadline = time.monotonic() + HANG_SECONDS
    while (found := counted(server, "postroom_smtp_connections_open")) != count:
        assert time.monotonic() < deadline, f"{found:.0f} connections are open"
        time.sleep(0.01)


def lose(server: Server, pids: list[int]) -> None:
    """Kill mail processes, and wait until the first process knows of it."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    await_count(server, "postroom_mail_processes_lost_total", len(pids), HANG_SECONDS)


def deliver(client: SmtpClient, subject: str) -> str:
    try:
        return str(client.deliver(message(subject), TEAM).code)
    except (ConnectionEnded, OSError):
        return "lost"


def test_a_lost_process_takes_only_its_own_connections_with_it(pair: Server) -> None:
    with ExitStack() as open_ones:
        clients = [open_ones.enter_context(pair.client()) for _ in range(6)]
        lose(pair, mail_processes_of(pair)[:1])

        outcomes = [deliver(client, f"open {number}") for number, client in enumerate(clients)]
        assert sorted(outcomes) == ["250"] * 3 + ["lost"] * 3
    for number in range(4):
        with pair.client() as client:
            assert deliver(client, f"new {number}") == "250"
    with pair.mailboxes()[0] as mailbox:
        assert len(mailbox.newest()) == 7
    assert "mail_process_lost" in pair.log_tail()


def test_the_first_process_takes_mail_when_no_other_is_left(pair: Server) -> None:
    lose(pair, mail_processes_of(pair))

    with pair.client() as client:
        assert deliver(client, "alone") == "250"
    with pair.mailboxes()[0] as mailbox:
        assert len(mailbox.newest()) == 1


def test_a_lost_process_gives_back_the_places_of_its_clients(own_server: MakeServer) -> None:
    server = own_server({"mail_processes": "3", "max_connections": "4"})
    with ExitStack() as open_ones:
        clients = [open_ones.enter_context(server.client()) for _ in range(4)]
        assert refused(server)
        lose(server, mail_processes_of(server)[:1])
        clients += [open_ones.enter_context(server.client()) for _ in range(2)]
        assert refused(server)


def test_limits_count_over_all_processes(own_server: MakeServer) -> None:
    server = own_server(
        {"mail_processes": "3", "max_connections_per_client": "5", "exempt_networks": ""}
    )
    for _ in range(3):
        with ExitStack() as open_ones:
            for _ in range(5):
                open_ones.enter_context(server.client())
            assert refused(server)
        await_open(server, 0)


def refused(server: Server) -> bool:
    with SmtpClient(server.demo.smtp) as client:
        return client.greeting.code == 421


def test_the_port_is_free_as_soon_as_the_first_process_is_gone(pair: Server) -> None:
    with ExitStack() as open_ones:
        clients = [open_ones.enter_context(pair.client()) for _ in range(4)]
        mail_processes = mail_processes_of(pair)
        pair.kill_first()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(pair.demo.smtp)
            probe.listen()
        assert sorted(last_word(client) for client in clients) == ["421"] * 4
    deadline = time.monotonic() + HANG_SECONDS
    while any(map(is_alive, mail_processes)):
        assert time.monotonic() < deadline, "a process outlives the first one"
        time.sleep(0.01)


def last_word(client: SmtpClient) -> str:
    try:
        return str(client.reply().code)
    except (ConnectionEnded, OSError):
        return "lost"


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"

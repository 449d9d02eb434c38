"""A mail process that is lost is replaced; one that hangs is passed over, killed and replaced."""

import os
import re
import signal
import time
from contextlib import ExitStack

import pytest

from tests.support.fixtures import MakeServer
from tests.support.patience import HANG_SECONDS
from tests.support.server import Server
from tests.support.smtp import SmtpClient, message
from tests.wire.test_processes import await_count, command_line, counted, mail_processes_of

FORK_SERVER = b"postroom: fork server"
TEAM = ["team@example.test"]
START_SECONDS = 5.0  # promised is one; this machine may be busy


@pytest.fixture
def pair(own_server: MakeServer) -> Server:
    """Give a server with two mail processes, and the fork server, beside the main one."""
    return own_server({"mail_processes": "3"})


def test_a_lost_process_is_replaced_each_time(pair: Server) -> None:
    for number in range(1, 4):
        before = mail_processes_of(pair)
        os.kill(before[0], signal.SIGKILL)
        await_count(pair, "postroom_mail_processes_replaced_total", number, START_SECONDS)

        assert len(mail_processes_of(pair)) == len(before)
        with ExitStack() as open_ones:
            clients = [open_ones.enter_context(pair.client()) for _ in range(4)]
            for client in clients:
                reply = client.deliver(message(f"{number} {id(client)}"), TEAM)
                assert reply.code == 250
    assert counted(pair, "postroom_mail_processes_lost_total") == 3
    assert "mail_process_replaced" in pair.log_tail()
    assert pair.stop() == 0


def test_a_replaced_process_ends_with_the_main_one(pair: Server) -> None:
    os.kill(mail_processes_of(pair)[0], signal.SIGKILL)
    await_count(pair, "postroom_mail_processes_replaced_total", 1, START_SECONDS)
    made = pair.processes()[1:]

    pair.kill_first()

    deadline = time.monotonic() + HANG_SECONDS
    while any(map(is_there, made)):
        assert time.monotonic() < deadline, "a process outlives the main one"
        time.sleep(0.02)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] != "Z"


def test_a_process_that_hangs_is_passed_over_killed_and_replaced(pair: Server) -> None:
    hung = mail_processes_of(pair)[0]
    with ExitStack() as open_ones:
        clients = [open_ones.enter_context(pair.client()) for _ in range(2)]  # one with each
        os.kill(hung, signal.SIGSTOP)
        stopped = time.monotonic()
        await_count(pair, "postroom_mail_processes_hung_total", 1, 8)
        for _ in range(6):
            with SmtpClient(pair.demo.smtp, timeout=5) as client:
                assert client.greeting.code == 220
        answers = sum(serves(client) for client in clients)
        assert answers == 1

        await_count(pair, "postroom_mail_processes_replaced_total", 1, 45)
        assert time.monotonic() - stopped > 25
    assert hung not in mail_processes_of(pair)
    log = pair.log_tail()
    assert "mail_process_hangs" in log and "mail_process_killed" in log
    with pair.client() as again:
        assert again.deliver(message("after"), TEAM).code == 250


def serves(client: SmtpClient) -> bool:
    client.send(b"NOOP\r\n")
    try:
        return client.reply().code == 250
    except OSError:
        return False


def fork_servers(server: Server) -> list[int]:
    return [pid for pid in server.processes() if command_line(pid).startswith(FORK_SERVER)]


def test_a_lost_fork_server_is_replaced_each_time(pair: Server) -> None:
    for number in (1, 2):
        os.kill(min(fork_servers(pair)), signal.SIGKILL)
        os.kill(mail_processes_of(pair)[0], signal.SIGKILL)
        await_count(pair, "postroom_mail_processes_replaced_total", number, START_SECONDS)
    for number in range(4):
        with pair.client() as client:
            assert client.deliver(message(f"{number}"), TEAM).code == 250
    log = pair.log_tail()
    # What a lost fork server made is nobody's child any more: the log names it.
    made = [int(pid) for pid in re.findall(r"replaced lost=\d+ (?:spare|pid)=(\d+)", log)]
    assert len(made) == 4
    assert pair.stop() == 0
    deadline = time.monotonic() + START_SECONDS
    while any(map(is_there, made)):
        assert time.monotonic() < deadline, "a process outlives the main one"
        time.sleep(0.02)


def test_without_fork_servers_mail_goes_on(pair: Server) -> None:
    for pid in fork_servers(pair):
        os.kill(pid, signal.SIGKILL)
    os.kill(mail_processes_of(pair)[0], signal.SIGKILL)
    deadline = time.monotonic() + START_SECONDS
    while "mail_process_missing" not in pair.log_tail():
        assert time.monotonic() < deadline, pair.log_tail()
        time.sleep(0.05)

    for number in range(3):
        with pair.client() as client:
            assert client.deliver(message(f"{number}"), TEAM).code == 250
    assert pair.stop() == 0

"""Peers that say much and read nothing: bounded, dropped in time, nobody else's trouble."""

import socket
import threading
import time
from contextlib import ExitStack

import pytest

from tests.support.fixtures import MakeServer, Servers
from tests.support.loads import growth
from tests.support.memory import MIB, need_proc
from tests.support.patience import HANG_SECONDS
from tests.support.server import Server
from tests.support.smtp import SmtpClient, message


@pytest.fixture
def hasty(own_server: MakeServer) -> Server:
    """Give a server of one process that waits a second for a command, or for us to read."""
    return own_server({"mail_processes": "1", "command_timeout": "1"})


def flood(connection: socket.socket, commands: bytes, seconds: float) -> bool:
    """Send and never read; whether the server cut us off in that time."""
    connection.settimeout(0.2)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            connection.send(commands)
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.timeout(60)
def test_a_peer_that_never_reads_is_held_to_little_memory_and_dropped(hasty: Server) -> None:
    need_proc()
    with growth(hasty) as grown, hasty.client() as client:
        assert flood(client.socket, b"EHLO client.example\r\n" * 4000, 30)
    assert grown.octets <= 8 * MIB, grown
    with hasty.client() as client:
        client.quit()


def test_a_command_octet_by_octet_is_not_waited_for(hasty: Server) -> None:
    with hasty.client() as client:
        client.socket.settimeout(0.2)
        began = time.monotonic()
        while not client.buffer:
            assert time.monotonic() - began < 10
            client.send(b"N")
            try:
                client.buffer = client.socket.recv(100)
            except TimeoutError:
                continue
        assert client.reply().starts("421 4.4.2")


def test_out_of_descriptors_it_waits_for_some_without_spinning(servers: Servers) -> None:
    server = servers.new({"mail_processes": "1"})
    server.descriptors = 120
    server.start_demo()
    began = time.monotonic()
    with ExitStack() as open_ones:
        for _ in range(150):
            waiting = SmtpClient(server.demo.smtp, greet=False)
            open_ones.enter_context(waiting)
        while server.log_tail().count("accept_paused") < 3:
            assert time.monotonic() - began < HANG_SECONDS, server.log_tail()
            time.sleep(0.1)
        pauses = server.log_tail().count("accept_paused")
        assert pauses <= time.monotonic() - began + 3, "a second passes between two attempts"
    with server.client() as client:
        assert client.deliver(message("after"), ["team@example.test"]).code == 250
    servers.stop(server)


@pytest.mark.timeout(60)
def test_a_flood_of_commands_leaves_others_their_turn(servers: Servers) -> None:
    server = servers.shared({"mail_processes": "1"})
    turns, done = 0, threading.Event()
    with server.client() as loud, server.client() as quiet:

        def shout() -> None:
            for _ in range(5):
                sending = threading.Thread(target=loud.send, args=(b"NOOP\r\n" * 10_000,))
                sending.start()
                for _ in range(10_000):
                    assert loud.reply().code == 250
                sending.join()
            done.set()

        shouting = threading.Thread(target=shout)
        shouting.start()
        while not done.is_set():
            assert quiet.command("NOOP").code == 250
            turns += 1
        shouting.join()
    assert turns > 50, f"{turns} commands beside 50,000 of a flood"

"""Peers that say much and read nothing: bounded, dropped in time, nobody else's trouble."""

import socket
import threading
import time

import pytest

from tests.support.fixtures import MakeServer, Servers
from tests.support.loads import growth
from tests.support.memory import MIB, need_proc
from tests.support.server import Server


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


@pytest.mark.timeout(60)
def test_a_flood_of_commands_leaves_others_their_turn(servers: Servers) -> None:
    server = servers.shared({"mail_processes": "1"})
    slowest, done = 0.0, threading.Event()
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
        while not done.wait(0.01):
            began = time.monotonic()
            assert quiet.command("NOOP").code == 250
            slowest = max(slowest, time.monotonic() - began)
        shouting.join()
    assert slowest < 0.5, f"{slowest:.2f} s for a NOOP beside a flood"

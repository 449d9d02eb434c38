"""Loads on one server, and what they cost it in memory."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.support.memory import MIB, peak_resident, reset_peaks, resident
from tests.support.patience import HANG_SECONDS
from tests.support.server import Server
from tests.support.smtp import SmtpClient, message

TEAM = ["team@example.test"]


@dataclass(slots=True)
class Growth:
    """How much higher the memory peaked than it stood before."""

    before: int
    peak: int = 0

    @property
    def octets(self) -> int:
        return self.peak - self.before

    def __str__(self) -> str:
        return f"{self.before / MIB:.1f} MiB before, {self.peak / MIB:.1f} MiB at the peak"


@contextmanager
def growth(server: Server) -> Iterator[Growth]:
    """Measure the resident sets' peaks, of all the server's processes, while the block runs.

    One that ends meanwhile counts for nothing: a parser does that had no work for a minute.
    """
    processes = server.processes()
    reset_peaks(processes)
    before = {pid: resident([pid]) for pid in processes}
    measured = Growth(sum(before.values()))
    yield measured
    there = before.keys() & set(server.processes())
    measured.before = sum(before[pid] for pid in there)
    measured.peak = peak_resident(there)


def warm_up(server: Server) -> None:
    """Have each process take a small message and one that spools, so that all is there that is
    made on first use.
    """
    with ExitStack() as open_ones:
        clients = [open_ones.enter_context(server.client()) for _ in range(8)]
        for client in clients:
            for size in (100, 1_000_000):
                reply = client.deliver(message("warm up", b"line\r\n" * (size // 6)), TEAM)
                assert reply.code == 250, reply
            client.quit()
    _wait_until_parsed(server)


def _wait_until_parsed(server: Server) -> None:
    with server.mailboxes()[0] as mailbox:
        deadline = time.monotonic() + HANG_SECONDS
        for message_id in [item["message_id"] for item in mailbox.newest()]:
            while mailbox.get(f"/v1/messages/{message_id}/")["parse_status"] == "pending":
                assert time.monotonic() < deadline, "a message is not parsed"
                time.sleep(0.05)


def empty_lines(server: Server, size: int) -> None:
    """Send a message of nothing but CRLF; it is accepted."""
    with server.client(timeout=60) as client:
        client.open_content(TEAM)
        block = b"\r\n" * 50_000
        for _ in range(size // len(block)):
            client.send(block)
        client.send(b".\r\n")
        assert client.reply().code == 250


def endless_line(server: Server, size: int, *, limit: int) -> None:
    """Send one line without end; at twice the limit, and what sockets hold, 552 and close."""
    with server.client(timeout=60) as client:
        client.open_content(TEAM)
        block = b"x" * 100_000
        sent = 0
        heard_at = size
        with contextlib.suppress(ConnectionError):
            while sent < size:
                client.send(block)
                sent += len(block)
                if heard_at == size and select.select([client.socket], [], [], 0)[0]:
                    heard_at = sent
                    assert client.reply().starts("552 5.3.4")
        assert limit < heard_at < 2 * limit + 20 * MIB, f"the reply came after {heard_at} octets"
        assert client.at_end()


def big_messages_at_once(server: Server, *, count: int, size: int) -> None:
    """Send so many large messages in parallel, all of them open at the same time."""
    everyone_inside = threading.Barrier(count)
    replies: list[str] = []

    def send(number: int) -> None:
        with server.client(timeout=300) as client:
            client.open_content(TEAM)
            block = b"%015d\r\n" % number * 4096
            rest = size - len(block)
            client.send(block)
            everyone_inside.wait(120)
            for _ in range(rest // len(block)):
                client.send(block)
            client.send(b".\r\n")
            replies.append(str(client.reply()))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(400)
    assert len(replies) == count
    assert all(reply.startswith("250 ") for reply in replies), replies


def idle_connections(server: Server, count: int) -> None:
    """Open so many connections, each greeted and past EHLO, and close them again."""
    with ExitStack() as open_ones:
        for _ in range(count):
            connection = socket.create_connection(server.demo.smtp, timeout=15)
            open_ones.enter_context(connection)
            _ = connection.recv(1000)
            connection.sendall(b"EHLO client.example\r\n")
            assert connection.recv(1000).startswith(b"250-")
        with SmtpClient(server.demo.smtp) as another:
            assert another.greeting.code == 220

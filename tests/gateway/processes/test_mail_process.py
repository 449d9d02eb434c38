"""The main process and its mail processes: what they say to each other when things go wrong."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from gateway.delivery.confirmations import Confirmations
from gateway.delivery.empty_list_attempts import Deferred
from gateway.delivery.group_commit import Deliverer
from gateway.processes.handover import MainEnd
from gateway.processes.mail_process import ControlChannel, MailProcess, Sockets
from storage.content.message_bytes import ContentDirectory

Pair = tuple[Sockets, Sockets]


@pytest.fixture
def wires() -> Iterator[Pair]:
    control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    handover = socket.socketpair()
    for end in (*control, *handover):
        end.setblocking(False)
    ours, theirs = Sockets(1, control[0], handover[0]), Sockets(1, control[1], handover[1])
    yield ours, theirs
    ours.close()
    theirs.close()


def intake() -> MainEnd:
    """Give one that nothing is submitted to."""
    return MainEnd(
        cast(Deliverer, None), Confirmations(), cast(Deferred, None), ContentDirectory(Path())
    )


async def woken_within(control: socket.socket) -> bytes:
    async with asyncio.timeout(5):
        return await asyncio.get_running_loop().sock_recv(control, 256)


def sleeper() -> int:
    """Start a process that obeys no order."""
    return os.posix_spawnp("sleep", ["sleep", "30"], os.environ)


def is_child(pid: int) -> bool:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


async def test_a_connection_without_its_descriptor_is_told_to_have_ended(wires: Pair) -> None:
    main, mail_process = (end.control for end in wires)
    taken: list[socket.socket] = []
    orders = ControlChannel(mail_process, lambda client, origin, ended: taken.append(client))
    orders.listen()
    assert await woken_within(main) == b"r"

    main.send(b"c192.0.2.1 Sp192.0.2.1")

    assert await woken_within(main) == b"x192.0.2.1"
    assert taken == []
    asyncio.get_running_loop().remove_reader(mail_process)


async def test_a_lost_mail_process_gives_back_what_it_had(wires: Pair) -> None:
    ours, theirs = wires
    left: asyncio.Queue[str] = asyncio.Queue()
    mail_process = MailProcess(sleeper(), ours)
    mail_process.on_closed = left.put_nowait
    theirs.control.send(b"r")
    await mail_process.start(intake)
    for network in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        client = socket.socket()
        assert mail_process.take(client, network, b"Sp")
        assert client.fileno() < 0
    theirs.control.send(b"x192.0.2.1")
    async with asyncio.timeout(5):
        assert await left.get() == "192.0.2.1"
        assert len(mail_process) == 2

        theirs.close()

        assert {await left.get(), await left.get()} == {"192.0.2.1", "192.0.2.2"}
    with socket.socket() as client:
        assert not mail_process.take(client, "192.0.2.3", b"Sp")
        assert client.fileno() >= 0
    os.kill(mail_process._pid, signal.SIGKILL)
    await mail_process.drain(0)
    assert left.empty()


async def test_a_mail_process_that_ignores_its_orders_is_killed_when_forced(
    wires: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.processes.mail_process._EXIT_SECONDS", 0.1)
    ours, theirs = wires
    mail_process = MailProcess(sleeper(), ours)
    theirs.control.send(b"r")
    await mail_process.start(intake)

    draining = asyncio.create_task(mail_process.drain(60))
    await asyncio.sleep(0.05)
    mail_process.abort()
    theirs.handover.close()  # as the kernel does for a process that is killed

    async with asyncio.timeout(5):
        await draining
    assert not is_child(mail_process._pid)


async def test_a_mail_process_too_busy_for_an_order_still_learns_to_drain(wires: Pair) -> None:
    ours, theirs = wires
    mail_process = MailProcess(sleeper(), ours)
    theirs.control.send(b"r")
    await mail_process.start(intake)
    with suppress(BlockingIOError):
        while True:
            ours.control.send(b"a")

    draining = asyncio.create_task(mail_process.drain(60))
    await asyncio.sleep(0)
    packets = 0
    while await woken_within(theirs.control):
        packets += 1

    assert packets > 1
    os.kill(mail_process._pid, signal.SIGKILL)
    theirs.close()
    await draining

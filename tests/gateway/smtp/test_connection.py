"""The wire side of one connection, without a wire."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest

from gateway.counters import Counters
from gateway.delivery.confirmations import Confirmations
from gateway.smtp import replies
from gateway.smtp.connection import Connection
from gateway.smtp.replies import labels
from gateway.smtp.scheduling import SessionQueue


class Wire(asyncio.Transport):
    """A transport that keeps what is written; one that is closed does nothing, as uvloop's."""

    def __init__(self, *, closed: bool = False) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self._closed = closed

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed:
            raise RuntimeError("the handler is closed")
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        raise RuntimeError("the handler is closed")


def connected(wire: Wire, confirmations: Confirmations | None = None) -> Connection:
    loop = asyncio.get_running_loop()

    async def converse(_: Connection) -> None:
        await asyncio.sleep(0)

    connection = Connection(
        converse,
        lambda _: None,
        confirmations=confirmations or Confirmations(),
        counters=Counters(1, labels()),
        hostname="mx.example.test",
        loop=loop,
        queue=SessionQueue(loop),
        client_ip="192.0.2.1",
    )
    connection._wire = wire
    return connection


async def test_a_reply_the_kernel_refuses_is_the_transports_to_fail_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Were it dropped, the next reply would be read as the answer to this command."""
    connection = connected(wire := Wire())

    def refuse(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOBUFS, "no buffer space available")

    connection.send(replies.OK)
    with monkeypatch.context() as starved:
        starved.setattr(os, "write", refuse)
        connection.flush()

    assert wire.written == [replies.OK.line]


async def test_a_last_word_on_a_closed_connection_is_no_fault() -> None:
    connection = connected(Wire(closed=True))
    connection.inbound.feed(b"the client still talks")
    connection.send(replies.IDLE_TIMEOUT)

    await connection._linger()


async def test_a_250_that_meets_a_closed_connection_stays_unconfirmed() -> None:
    confirmations = Confirmations()
    confirmations.open([b"digest"], b"")
    connection = connected(Wire(closed=True), confirmations)

    await connection.send_accepted((replies.OK,), [b"digest"], seconds=10)
    connection._settle()

    assert not confirmations.is_open(b"digest")
    assert confirmations.confirmed_in() == set()

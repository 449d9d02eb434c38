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
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


async def test_a_reply_the_kernel_refuses_is_the_transports_to_fail_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Were it dropped, the next reply would be read as the answer to this command."""
    loop = asyncio.get_running_loop()

    async def converse(_: Connection) -> None:
        await asyncio.sleep(0)

    connection = Connection(
        converse,
        lambda _: None,
        confirmations=Confirmations(),
        counters=Counters(1, labels()),
        hostname="mx.example.test",
        loop=loop,
        queue=SessionQueue(loop),
        client_ip="192.0.2.1",
    )
    connection._wire = wire = Wire()

    def refuse(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOBUFS, "no buffer space available")

    connection.send(replies.OK)
    with monkeypatch.context() as starved:
        starved.setattr(os, "write", refuse)
        connection.flush()

    assert wire.written == [replies.OK.line]

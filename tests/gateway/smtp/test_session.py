"""One session over a pair of sockets, without a server: what it says when we are at fault."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext
from typing import cast

import pytest

from config.settings import Settings
from gateway.counters import Counters
from gateway.delivery.confirmations import Confirmations
from gateway.delivery.ports import DeliveryPort, EmptyListPort
from gateway.reservations import Reservations
from gateway.smtp.admission import Space
from gateway.smtp.connection import Connection
from gateway.smtp.recipients import Recipients
from gateway.smtp.replies import labels
from gateway.smtp.scheduling import SessionQueue
from gateway.smtp.session import Session
from gateway.smtp.transaction import SessionContext
from gateway.transport.origin import Origin
from gateway.transport.tls import Certificate
from storage.content.message_bytes import ContentDirectory
from storage.directory.resolve import Resolution
from tests.support.certificates import certificate

CLIENT = "192.0.2.1"


class Faulty:
    """A route cache with a bug."""

    async def resolve(self, local_part: str, domain: str) -> Resolution:
        raise RuntimeError("a detail of ours")


class Client:
    """The other end of the connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, command: str) -> str:
        self._writer.write(command.encode() + b"\r\n")
        return await self.hear()

    async def hear(self) -> str:
        """Return the last line of the next reply."""
        async with asyncio.timeout(10):
            while (line := await self._reader.readline())[3:4] == b"-":
                pass
        return line.decode()

    async def rest(self) -> bytes:
        """Return what comes until the end."""
        async with asyncio.timeout(10):
            return await self._reader.read()


@asynccontextmanager
async def talking(data: Path, tls: SSLContext | None = None) -> AsyncIterator[Client]:
    loop = asyncio.get_running_loop()
    settings = Settings()
    context = SessionContext(
        settings,
        cast(Recipients, Faulty()),
        ContentDirectory(data),
        cast(DeliveryPort, None),
        Space(data, size_limit=1, reservations=Reservations(1)),
        cast(EmptyListPort, None),
        None,
        lambda: 0,
        None,
    )

    async def converse(connection: Connection) -> None:
        origin = Origin("SMTP", CLIENT)
        await Session(context, connection, origin, exempt=False, network=CLIENT).converse()

    closed = asyncio.Event()
    connection = Connection(
        converse,
        lambda _: closed.set(),
        confirmations=Confirmations(),
        counters=Counters(1, labels()),
        hostname="mx.example.test",
        loop=loop,
        queue=SessionQueue(loop),
        client_ip=CLIENT,
        tls=tls,
    )
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=theirs)
    await loop.create_unix_connection(lambda: connection, sock=ours)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        await asyncio.wait_for(closed.wait(), 10)


async def test_a_bug_in_a_command_defers_and_tells_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with talking(tmp_path) as client:
        assert (await client.hear()).startswith("220 ")
        await client.say("EHLO client.example")
        await client.say("MAIL FROM:<a@client.example>")
        answer = await client.say("RCPT TO:<team@example.test>")
        after = await client.say("NOOP")

    assert answer == "451 4.3.0 Temporary fault on our side, try again later\r\n"
    assert after.startswith("250 ")
    assert "a detail of ours" in caplog.text


async def test_a_handshake_that_does_not_come_ends_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.smtp.connection.HANDSHAKE_SECONDS", 0.05)
    context = Certificate(*certificate(tmp_path)).context
    async with talking(tmp_path, context) as client:
        assert await client.rest() == b""

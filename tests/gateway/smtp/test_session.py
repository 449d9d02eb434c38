"""One session over a pair of sockets, without a server: faults of ours, and TLS that breaks."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from config.settings import Settings
from gateway.counters import Counters
from gateway.delivery.confirmations import Confirmations
from gateway.delivery.ports import DeliveryPort, EmptyListPort
from gateway.reservations import Reservations
from gateway.smtp import replies
from gateway.smtp.admission import Space
from gateway.smtp.connection import Connection
from gateway.smtp.recipients import Recipients
from gateway.smtp.scheduling import SessionQueue
from gateway.smtp.session import Session
from gateway.smtp.transaction import SessionContext
from gateway.transport.origin import Origin
from gateway.transport.tls import Certificate
from storage.content.message_bytes import ContentDirectory
from storage.directory.resolve import Resolution
from tests.support.certificates import certificate

CLIENT = "192.0.2.1"
T = TypeVar("T")
Converse = Callable[[Connection], Coroutine[Any, Any, None]]


class Faulty:
    """A route cache with a bug, which shows once it may go on."""

    def __init__(self) -> None:
        self.asked, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def resolve(self, local_part: str, domain: str) -> Resolution:
        self.asked.set()
        await self.may_go_on.wait()
        raise RuntimeError("a detail of ours")


class Client:
    """The other end: `say` in the clear, or with TLS once hands were shaken."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._is_secret = False

    async def shake_hands(self) -> None:
        await self._done(self._tls.do_handshake)
        self._is_secret = True

    def send(self, text: str) -> None:
        if self._is_secret:
            self._tls.write(text.encode())
        self._writer.write(self._outgoing.read() if self._is_secret else text.encode())

    def send_wrong_record(self) -> None:
        self._writer.write(b"\x17\x03\x03\x00\x20" + b"x" * 32)

    async def hear(self) -> str:
        if self._is_secret:
            return (await self._done(lambda: self._tls.read(4096))).decode()
        return (await _soon(self._reader.read(4096))).decode()

    async def say(self, command: str) -> str:
        self.send(command + "\r\n")
        return await self.hear()

    async def rest(self) -> bytes:
        """Return what comes until the end, as it comes."""
        return await _soon(self._reader.read())

    def close(self) -> None:
        self._writer.close()

    async def _done(self, step: Callable[[], T]) -> T:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self._writer.write(self._outgoing.read())
                self._incoming.write(await _soon(self._reader.read(65536)))
            finally:
                self._writer.write(self._outgoing.read())


async def _soon(result: Awaitable[T]) -> T:
    return await asyncio.wait_for(result, 10)


def session(data: Path, routes: Faulty) -> Converse:
    context = SessionContext(
        Settings(),
        cast(Recipients, routes),
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

    return converse


@asynccontextmanager
async def talking(
    converse: Converse,
    tls: ssl.SSLContext | None = None,
    confirmations: Confirmations | None = None,
) -> AsyncIterator[Client]:
    """Give the client of a connection; fails unless it ends once the client is gone."""
    loop, closed = asyncio.get_running_loop(), asyncio.Event()
    connection = Connection(
        converse,
        lambda _: closed.set(),
        confirmations=confirmations or Confirmations(),
        counters=Counters(1, replies.labels()),
        hostname="mx.example.test",
        loop=loop,
        queue=SessionQueue(loop),
        client_ip=CLIENT,
        tls=tls,
    )
    ours, theirs = socket.socketpair()
    client = Client(*await asyncio.open_unix_connection(sock=theirs))
    await loop.create_unix_connection(lambda: connection, sock=ours)
    try:
        yield client
    finally:
        client.close()
        await _soon(closed.wait())


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    return Certificate(*certificate(tmp_path)).context


async def test_a_bug_in_a_command_defers_and_tells_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    routes = Faulty()
    routes.may_go_on.set()
    async with talking(session(tmp_path, routes)) as client:
        assert (await client.hear()).startswith("220 ")
        await client.say("EHLO client.example")
        await client.say("MAIL FROM:<a@client.example>")
        answer = await client.say("RCPT TO:<team@example.test>")
        after = await client.say("NOOP")

    assert answer == "451 4.3.0 Temporary fault on our side, try again later\r\n"
    assert after.startswith("250 ")
    assert "a detail of ours" in caplog.text


async def test_a_handshake_that_does_not_come_ends_the_connection(
    tmp_path: Path, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.smtp.connection.HANDSHAKE_SECONDS", 0.05)
    async with talking(session(tmp_path, Faulty()), tls) as client:
        assert await client.rest() == b""


async def test_tls_that_breaks_within_a_command_ends_the_connection(
    tmp_path: Path, tls: ssl.SSLContext
) -> None:
    """The reply cannot be written any more, and nobody else would ever end it."""
    routes = Faulty()
    async with talking(session(tmp_path, routes), tls) as client:
        await client.shake_hands()
        await client.hear()
        await client.say("EHLO client.example")
        await client.say("MAIL FROM:<a@client.example>")
        client.send("RCPT TO:<team@example.test>\r\n")
        await _soon(routes.asked.wait())
        client.send_wrong_record()
        await asyncio.sleep(0.05)
        routes.may_go_on.set()

        await client.rest()


async def test_tls_that_breaks_before_a_250_leaves_it_unconfirmed(tls: ssl.SSLContext) -> None:
    confirmations, has_begun, may_go_on = Confirmations(), asyncio.Event(), asyncio.Event()
    confirmations.open([b"digest"], b"")

    async def converse(connection: Connection) -> None:
        has_begun.set()
        await may_go_on.wait()
        await connection.send_accepted((replies.OK,), [b"digest"], seconds=10)

    async with talking(converse, tls, confirmations) as client:
        await client.shake_hands()
        await _soon(has_begun.wait())
        client.send_wrong_record()
        await asyncio.sleep(0.05)
        assert confirmations.is_open(b"digest")
        may_go_on.set()
        await client.rest()

    assert not confirmations.is_open(b"digest")
    assert confirmations.confirmed_in() == set()

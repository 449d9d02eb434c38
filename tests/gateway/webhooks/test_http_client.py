"""Endpoints that flood, drip or lie: a call ends, holds little, and leaves the loop to others."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tracemalloc
from collections.abc import AsyncIterator
from ipaddress import ip_address

import pytest
import trustme

from admin_api.dns.cache import dns_cache
from gateway.webhooks.answer import Answer
from gateway.webhooks.caller import Caller
from gateway.webhooks.http_client import Head, post, read_head
from gateway.webhooks.resolver import Names
from gateway.webhooks.targets import parse_target
from tests.gateway.webhooks.telling import LOOPBACK
from tests.support.cost import is_within, seconds_of
from tests.support.receiver import answer, receiving

HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
NO_HTTP = "what it answered is not HTTP"


@contextlib.asynccontextmanager
async def flooding(
    piece: bytes, *, tls: ssl.SSLContext | None = None, pause: float = 0
) -> AsyncIterator[str]:
    """The URL of an endpoint that sends a piece for ever, whatever it is asked."""
    tasks = set()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        tasks.add(task)
        try:
            while True:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        except OSError:
            return
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(flood, "127.0.0.1", 0, ssl=tls)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/"
    finally:
        server.close()
        for task in tasks:
            assert task is not None
            task.cancel()
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)
        await asyncio.sleep(0.01)  # what was aborted is closed by the loop


async def call(url: str, trust: ssl.SSLContext | None = None, patience: float = 10) -> Answer:
    caller = Caller(Names(dns_cache(None)), LOOPBACK, trust=trust, patience=patience)
    async with asyncio.timeout(60):
        return await caller.call(url, {}, b"{}")


@pytest.mark.parametrize(
    "piece",
    [HINT, HINT * 2000, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 2000, b"a" * 65_536, b"X: y\r\n"],
)
async def test_an_endpoint_that_floods_is_no_http(piece: bytes) -> None:
    async with flooding(piece) as url:
        assert await call(url) == Answer(None, NO_HTTP)


async def test_an_endpoint_that_floods_through_tls_is_no_http() -> None:
    ca, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(server)
    trust = ssl.create_default_context()
    ca.configure_trust(trust)
    async with flooding(HINT * 2000, tls=server) as url:
        assert await call(url, trust) == Answer(None, NO_HTTP)


async def test_interim_answers_that_drip_have_no_more_time() -> None:
    async with flooding(b"HTTP/1.1 103 Early Hints\r\nX", pause=0.05) as url:
        told = await call(url, patience=0.5)
    assert told.error in ("no answer within 0.5 seconds", NO_HTTP)


async def test_while_endpoints_flood_the_loop_has_its_turns() -> None:
    turns, done = 0, False

    async def others() -> None:
        nonlocal turns
        while not done:
            await asyncio.sleep(0)
            turns += 1

    async with flooding(HINT * 500) as url:
        await call(url)
        counting = asyncio.create_task(others())
        tracemalloc.start()
        for _ in range(5):
            await asyncio.gather(*(call(url) for _ in range(4)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        done = True
        await counting
    assert turns > 5 * 4
    assert peak < 8 << 20, f"{peak:,} octets"


@pytest.mark.parametrize(("count", "taken"), [(0, True), (8, True), (9, False)])
async def test_eight_interim_answers_are_read(count: int, taken: bool) -> None:
    async with receiving(lambda heard: HINT * count + OK) as receiver:
        told = await call(receiver.url())
    assert told == (Answer(200, None) if taken else Answer(None, NO_HTTP))


def sized(octets: int) -> bytes:
    """An answer whose header, an interim one before it, has so many octets."""
    fields = b""
    while octets - len(HINT + OK + fields) > 4005:
        fields += b"X: " + b"a" * 3995 + b"\r\n"
    rest = octets - len(HINT + OK + fields)
    fields += b"Y: " + b"a" * (rest - 5) + b"\r\n"
    return HINT + OK[:-2] + fields + b"\r\n"


@pytest.mark.parametrize(("octets", "taken"), [(64 << 10, True), ((64 << 10) + 1, False)])
async def test_all_before_the_body_has_64_kib_at_most(octets: int, taken: bool) -> None:
    assert len(sized(octets)) == octets
    async with receiving(lambda heard: sized(octets)) as receiver:
        told = await call(receiver.url())
    assert told.status == (200 if taken else None)


@pytest.mark.parametrize(("count", "taken"), [(98, True), (99, False)])
async def test_an_answer_has_a_hundred_fields_at_most(count: int, taken: bool) -> None:
    """One is in the interim answer, one in the final one besides."""
    async with receiving(lambda heard: HINT + OK[:-2] + b"a:\r\n" * count + b"\r\n") as receiver:
        told = await call(receiver.url())
    assert told == (Answer(200, None) if taken else Answer(None, NO_HTTP))


@pytest.mark.parametrize(
    "told",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 099 x\r\n\r\n",
        b"HTTP/1.1 2000 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n X: y\r\n\r\n",
        b"\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_none(told: bytes) -> None:
    async with receiving(lambda heard: told) as receiver:
        assert await call(receiver.url()) == Answer(None, NO_HTTP)


@pytest.mark.parametrize(
    "told",
    [
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nbody",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok",
        answer(200, body=b"x" * 200_000),
    ],
)
async def test_what_a_body_is_like_does_not_matter(told: bytes) -> None:
    async with receiving(lambda heard: told) as receiver:
        assert await call(receiver.url()) == Answer(200, None)


async def test_a_second_address_is_tried_when_the_first_takes_no_connection() -> None:
    async with receiving() as receiver:
        target = parse_target(receiver.url(), LOOPBACK)
        addresses = [ip_address("127.0.0.9"), ip_address("127.0.0.1")]
        told = await post(target, addresses, {}, b"{}", ssl.create_default_context())
    assert told.status == 204


def test_blanks_in_an_answer_cost_no_more_than_letters() -> None:
    def read(filling: bytes) -> Head:
        async def heard() -> Head:
            reader = asyncio.StreamReader(limit=8 << 10)
            fields = (b"X-%d: \t a%bb \t\r\n" % (n, filling * 7_900) for n in range(8))
            reader.feed_data(b"HTTP/1.1 200 OK\r\n" + b"".join(fields) + b"\r\n")
            return await read_head(reader)

        return asyncio.run(heard())

    assert read(b" ").fields[b"x-0"] == b"a" + b" " * 7_900 + b"b"
    assert is_within(10, lambda: read(b" "), seconds_of(lambda: read(b"a")))

"""Clients that are slow, silent, greedy or many: each has an end, and costs little until then."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import struct
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from config.listening import UnixSocket
from gateway.http_edge.http_limits import HttpTimes
from tests.gateway.http_edge.edge import CHUNKED, GOOD, Answer, answer, answers, edge, said, whole

LONG = HttpTimes(*[60.0] * 7)
SOON = 0.3
LATER = 20.0


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def end_of(reader: asyncio.StreamReader) -> list[Answer]:
    """What is heard until the server ends the connection."""
    async with asyncio.timeout(LATER):
        return answers(await reader.read())


async def hold(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer when the client is gone or the path says so."""
    if scope["path"] == "/held":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    await answer(send, b"here")


# ---- time -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: x\r\n", b"G", b"\r\n"])
async def test_a_header_has_its_time(sent: bytes) -> None:
    async with edge(times=replace(LONG, header=SOON)) as port, connected(port) as (reader, writer):
        writer.write(sent)
        (heard,) = await end_of(reader)
    assert (heard.status, heard.code) == (408, "request_timeout")


async def test_a_header_that_drips_has_no_more_time() -> None:
    async with edge(times=replace(LONG, header=SOON)) as port, connected(port) as (reader, writer):
        ended = asyncio.create_task(end_of(reader))
        writer.write(GOOD[:-2])
        while not ended.done():
            writer.write(b"X: y\r\n")
            await asyncio.sleep(SOON / 10)
        (heard,) = await ended
    assert heard.status == 408


async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with edge(times=replace(LONG, header=SOON)) as port, connected(port) as (reader, _):
        assert await end_of(reader) == []


async def test_between_two_requests_there_is_little_time() -> None:
    times = replace(LONG, between_requests=SOON)
    async with edge(times=times) as port, connected(port) as (reader, writer):
        writer.write(GOOD)
        assert [each.status for each in await end_of(reader)] == [200]


@pytest.mark.parametrize("begin", [CHUNKED + b"5\r\nab", CHUNKED, b""])
async def test_a_body_of_which_nothing_comes_is_given_up(begin: bytes) -> None:
    begin = begin or b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"
    async with edge(times=replace(LONG, body=SOON)) as port, connected(port) as (reader, writer):
        writer.write(begin)
        (heard,) = await end_of(reader)
    assert (heard.status, heard.code) == (408, "request_timeout")


async def test_a_body_below_the_floor_is_given_up_and_one_above_it_is_not() -> None:
    times = replace(LONG, floor_window=1.0, floor=20.0)
    begin = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    async with edge(times=times) as port, connected(port) as slow, connected(port) as fast:
        slow[1].write(begin)
        fast[1].write(begin)
        ended = asyncio.create_task(end_of(slow[0]))
        for _ in range(20):
            slow[1].write(b"x")
            fast[1].write(b"x" * 50)
            await asyncio.sleep(0.1)
        assert [each.status for each in await ended] == [408]
        async with asyncio.timeout(LATER):
            assert b"200 OK" in await fast[0].readuntil(b"\r\n")


async def test_while_a_call_takes_nothing_the_clock_of_its_body_stands_still() -> None:
    go = asyncio.Event()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await whole(scope, receive, send)

    times = replace(LONG, body=SOON, floor_window=SOON)
    async with edge(late, times=times) as port, connected(port) as (reader, writer):
        size = 1 << 20
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        writer.write(b"a" * size)
        await asyncio.sleep(4 * SOON)
        go.set()
        async with asyncio.timeout(LATER):
            await writer.drain()
            assert b"200 OK" in await reader.readuntil(b"\r\n")


async def test_an_answer_that_nobody_takes_ends_the_connection() -> None:
    ended = asyncio.Event()

    async def flood(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"a" * (64 << 20))
        ended.set()

    async with (
        edge(flood, times=replace(LONG, taking=SOON)) as port,
        connected(port) as (_, writer),
    ):
        writer.write(GOOD)
        await ended.wait()
        async with asyncio.timeout(LATER):
            while not writer.transport.is_closing():
                with contextlib.suppress(ConnectionError):
                    writer.write(b"x")
                await asyncio.sleep(SOON / 4)


# ---- how much -------------------------------------------------------------------------------


async def test_pipelined_requests_wait_unread_and_are_all_answered() -> None:
    running, most, served = 0, 0, 0

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal running, most, served
        running, served = running + 1, served + 1
        most = max(most, running)
        await asyncio.sleep(0)
        await answer(send, b"x")
        running -= 1

    close = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with edge(counted) as port:
        heard = await said(port, GOOD * 2000 + close)
    assert (len(heard), most, served) == (2001, 1, 2001)


async def test_of_a_pipeline_behind_a_held_request_little_is_read() -> None:
    pipeline = b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n" + GOOD * ((16 << 20) // len(GOOD))
    loop = asyncio.get_running_loop()
    async with edge(hold) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setblocking(False)
            tracemalloc.start()
            sending = loop.create_task(loop.sock_sendall(client, pipeline))
            await asyncio.sleep(1)
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert not sending.done(), "the kernel's buffers are smaller than this pipeline"
            sending.cancel()
            await asyncio.wait([sending])
    assert held < 512 << 10, f"{held:,} octets"


async def test_a_request_leaves_no_cyclic_garbage() -> None:
    async with edge() as port:
        for _ in range(3):
            await said(port, GOOD * 5 + GOOD[:-2] + b"Connection: close\r\n\r\n")
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await said(port, GOOD * 5 + GOOD[:-2] + b"Connection: close\r\n\r\n")
            await asyncio.sleep(0.05)
            left = gc.collect()
        finally:
            gc.enable()
    # asyncio's own transports, of both ends, are circles; uvloop's are not.
    assert left < 20 * 20, f"{left} objects of 20 connections with 120 requests"


async def test_a_body_that_outlasts_its_answer_is_not_read_without_end() -> None:
    async def early(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"no")

    begin = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
    async with edge(early) as port:
        (heard,) = await said(port, begin, *[b"a" * 65_536] * 1500)
    assert heard.body == b"no"


async def test_a_refused_body_does_not_take_the_answer_with_it() -> None:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 413}
        await send({**start, "headers": [(b"connection", b"close"), (b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"no"})

    begin = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    async with edge(refuse) as port:
        (heard,) = await said(port, begin + b"a" * 1_000_000)
    assert (heard.status, heard.body) == (413, b"no")


# ---- how many -------------------------------------------------------------------------------


async def filled(port: int, count: int) -> list[asyncio.StreamWriter]:
    """So many connections, each with a request that is held."""
    writers = []
    for _ in range(count):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        writers.append(writer)
    await asyncio.sleep(0.1)
    return writers


async def test_one_client_has_so_many_connections() -> None:
    counted: list[str] = []
    settings = {"http_max_connections_per_client": 3}
    async with edge(hold, settings, count=counted.append) as port:
        writers = await filled(port, 3)
        (refused,) = await said(port, b"")
        writers.pop().close()
        await asyncio.sleep(0.1)
        served = await said(port, GOOD[:-2] + b"Connection: close\r\n\r\n")
        for writer in writers:
            writer.close()
    assert (refused.status, refused.code) == (503, "too_many_connections")
    assert refused.headers["retry-after"] == "2"
    assert counted == ["http_turned_away"]
    assert [each.status for each in served] == [200]


@pytest.mark.parametrize(
    ("settings", "descriptors"), [({"http_max_connections": 4}, None), ({}, 8)]
)
async def test_all_clients_have_so_many_connections_and_half_of_the_descriptors(
    settings: dict[str, object], descriptors: int | None
) -> None:
    settings = {"exempt_networks": "127.0.0.0/8", "http_max_connections_per_client": 1, **settings}
    async with edge(hold, settings, descriptors=descriptors) as port:
        writers = await filled(port, 4)
        (refused,) = await said(port, b"")
        for writer in writers:
            writer.close()
    assert refused.status == 503


async def test_behind_a_proxy_requests_in_progress_count_by_the_forwarded_address() -> None:
    def asked(path: str, client: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n\r\n".encode()

    settings = {"trusted_proxies": "127.0.0.0/8", "http_max_connections_per_client": 2}
    async with edge(hold, settings) as port, contextlib.AsyncExitStack() as stack:
        held = [await stack.enter_async_context(connected(port)) for _ in range(2)]
        for _, writer in held:
            writer.write(asked("/held", "2001:db8::1"))
        await asyncio.sleep(0.1)
        reader, writer = await stack.enter_async_context(connected(port))
        statuses = []
        for client in ("2001:db8::2", "2001:db8:0:1::1", "192.0.2.1"):
            writer.write(asked("/", client))
            statuses += [each.status for each in answers(await one(reader))]
        held[0][1].close()
        await asyncio.sleep(0.1)
        writer.write(asked("/", "2001:db8::2"))
        statuses += [each.status for each in answers(await one(reader))]
    assert statuses == [503, 200, 200, 200]


async def test_on_a_unix_socket_requests_in_progress_count_by_the_forwarded_address(
    tmp_path: Path,
) -> None:
    """The peer is a proxy of this machine: it has no address, and its clients have."""
    path = tmp_path / "http"
    settings = {"http_max_connections_per_client": 1}
    statuses = []
    async with (
        edge(hold, settings, address=UnixSocket(path)),
        contextlib.AsyncExitStack() as stack,
    ):
        for place, named in (("held", "192.0.2.1"), *((" ", ip) for ip in NAMED)):
            reader, writer = await asyncio.open_unix_connection(path)
            stack.callback(writer.close)
            field = f"X-Forwarded-For: {named}\r\n" if named else ""
            writer.write(f"GET /{place.strip()} HTTP/1.1\r\nHost: x\r\n{field}\r\n".encode())
            if place == "held":
                await asyncio.sleep(0.1)
            else:
                statuses += [each.status for each in answers(await one(reader))]
    assert statuses == [503, 503, 200, 200, 200]
    assert not path.exists()


NAMED = ("192.0.2.1", "9.9.9.9, 192.0.2.1", "192.0.2.1, 9.9.9.9", "", "unix:")


async def test_a_client_that_has_gone_is_no_local_program() -> None:
    """The address is asked when the connection is taken: later a reset one would have none."""
    seen = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["client"])
        await answer(send, b"")

    async with edge(note) as port:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await asyncio.sleep(0.05)
    assert seen
    assert {client and client[0] for client in seen} == {"127.0.0.1"}


async def one(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(answers(head)[0].length)

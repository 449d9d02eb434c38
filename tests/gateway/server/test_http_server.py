"""What is no HTTP is refused as everything else is."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from gateway.server.http_server import ApiServer, HttpProtocol

GOOD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def half(scope: Scope, receive: Receive, send: Send) -> None:
    """Begin a response; end it when the client has gone or sent something."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    await receive()
    await receive()
    await send({"type": "http.response.body", "body": b"last"})


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(app: object) -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app,  # type: ignore[arg-type]  # an ASGI application
            http=HttpProtocol,
            log_config=None,
            lifespan="off",
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=1,
        )
        server = ApiServer(config)
        task = asyncio.create_task(server.serve([listener]))
        await server.accepting.wait()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


async def said(port: int, *sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    for data in sent:
        writer.write(data)
        await asyncio.sleep(0.1)
    async with asyncio.timeout(10):
        heard = await reader.read()
    writer.close()
    return heard


@pytest.mark.parametrize(
    "sent",
    [
        b"EHLO client.test\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n",
    ],
)
async def test_what_is_no_request_gets_a_problem_with_a_request_id(sent: bytes) -> None:
    async with serving(whole) as port:
        head, _, body = (await said(port, sent)).partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in fields)}
    assert status == "HTTP/1.1 400 Bad Request"
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert len(headers["x-request-id"]) == 24
    assert int(headers["content-length"]) == len(body)
    assert json.loads(body)["code"] == "malformed_request"


async def test_after_an_answered_request_it_is_the_second_answer() -> None:
    async with serving(whole) as port:
        heard = await said(port, GOOD, b"no request\r\n\r\n")
    assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"okHTTP/1.1 400 Bad Request\r\n" in heard


async def test_nothing_is_written_into_an_answer_that_has_begun() -> None:
    async with serving(half) as port:
        heard = await said(port, GOOD, b"no request\r\n\r\n")
    assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"400" not in heard

"""What tests of the HTTP edge share: applications, a server on loopback, a client of octets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from config.listening import ListenAddress
from config.loading import load
from config.values import Endpoint
from gateway.http_edge.http_limits import Count, HttpTimes
from gateway.http_edge.http_server import serving
from tests.support.patience import HANG_SECONDS

GOOD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMIT = 32 << 10


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    """Read all of the body; answer how much it was."""
    octets = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        octets += len(message["body"])
        if not message.get("more_body"):
            break
    await answer(send, b"%d" % octets)


async def answer(send: Send, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


ANY_PORT = Endpoint("127.0.0.1", 0)


@contextlib.asynccontextmanager
async def edge(
    app: ASGIApp = whole,
    settings: Mapping[str, object] | None = None,
    *,
    times: HttpTimes | None = None,
    descriptors: int | None = None,
    count: Count = lambda name: None,
    address: ListenAddress = ANY_PORT,
) -> AsyncIterator[int]:
    """The port of a server of `app`; 0 for one on a unix socket."""
    loaded = load(None, {}, {"data": Path("unused"), "exempt_networks": "", **(settings or {})})
    async with serving(
        app, [address], loaded, times=times, descriptors=descriptors, count=count
    ) as bound:
        yield bound[0].port if isinstance(bound[0], Endpoint) else 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: how it begins, its fields, its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", "0"))

    @property
    def code(self) -> object:
        return json.loads(self.body)["code"]


async def said(port: int, *sent: bytes) -> list[Answer]:
    """Send it all on one connection; every answer until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = asyncio.create_task(reader.read())
    with contextlib.suppress(ConnectionError):
        for data in sent:
            writer.write(data)
            await writer.drain()
    async with asyncio.timeout(HANG_SECONDS):
        read = await heard
    writer.close()
    return answers(read)


def answers(heard: bytes) -> list[Answer]:
    """The answers in what was heard; each has a length."""
    found = []
    while heard:
        head, _, rest = heard.partition(b"\r\n\r\n")
        first, *fields = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in fields)}
        one = Answer(int(first.split(" ")[1]), headers, rest)
        found.append(replace(one, body=rest[: one.length]))
        heard = rest[one.length :]
    return found

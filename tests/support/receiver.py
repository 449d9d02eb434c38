"""A receiver of webhooks on loopback, which behaves as it is told and remembers what it heard.

Rules: it checks every call by the `standardwebhooks` package when it knows the secrets; what is
behind a path is independent of the others; it ends with the test.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from standardwebhooks import Webhook

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def answer(status: int, *fields: str, body: bytes = b"") -> bytes:
    """Return an answer as it goes over the wire."""
    head = [f"HTTP/1.1 {status} As Told", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@dataclass(frozen=True, slots=True)
class Heard:
    """One call as it came."""

    path: str
    headers: Mapping[str, str]
    raw: bytes
    at: float

    @property
    def name(self) -> str:
        return self.headers["webhook-id"]

    @property
    def body(self) -> dict[str, object]:
        parsed: dict[str, object] = json.loads(self.raw)
        return parsed

    def verify(self, secret: str) -> None:
        """Raise unless the call was signed by this secret just now."""
        Webhook(secret).verify(self.raw, dict(self.headers))


# What to send for a call: bytes, or one of the words that `_misbehave` knows.
Behaviour = Callable[[Heard], bytes | str]


@dataclass(slots=True)
class Receiver:
    """Where it listens, what it answers, what it heard; `cut_off`: answers not read to the end."""

    behave: Behaviour = lambda heard: OK
    scheme: str = "http"
    port: int = 0
    calls: list[Heard] = field(default_factory=list)
    connections: int = 0
    under_way: dict[str, int] = field(default_factory=dict)
    most_at_once: int = 0
    cut_off: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    async def hear(self, count: int, path: str = "") -> list[Heard]:
        """Wait until it has heard so many calls to paths that end so, and return all calls."""
        async with asyncio.timeout(20):
            while sum(each.path.endswith(path) for each in self.calls) < count:
                self.news.clear()
                await self.news.wait()
        return self.calls

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            heard = await _read(reader)
            now = self.under_way.get(heard.path, 0) + 1
            self.under_way[heard.path] = now
            self.most_at_once = max(self.most_at_once, now)
            self.calls.append(heard)
            self.news.set()
            try:
                told = self.behave(heard)
                if isinstance(told, str):
                    await _misbehave(told, reader, writer)
                else:
                    writer.write(told)
                    await writer.drain()
            except ConnectionError:
                self.cut_off += 1
                self.news.set()
                raise
            finally:
                self.under_way[heard.path] -= 1


async def _read(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in fields}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Heard(head[0].split(" ")[1], headers, raw, time.monotonic())


async def _misbehave(how: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if how == "hang":
        await reader.read(1)
    elif how == "drip":
        for octet in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 1000:
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(0.5)
    elif how == "reset":
        bound = writer.get_extra_info("socket")
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how.startswith("wait "):
        await asyncio.sleep(float(how.removeprefix("wait ")))
        writer.write(OK)


@contextlib.asynccontextmanager
async def receiving(
    behave: Behaviour | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A receiver on a free port of loopback."""
    receiver = Receiver(behave or (lambda heard: OK), "https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            await receiver.serve(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (asyncio.CancelledError, OSError):
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0.01)  # what was aborted is closed by the loop

"""Endpoints of webhooks on loopback: many that answer, and some that are dead in four ways.

Rules kept here:
- They live in a thread of their own with an event loop; what they heard is read after they ended.
- The path says how an endpoint behaves: `/live/3` answers, `/hang/3`, `/reset/3` and `/drip/3` do
  not. One that refuses is a port at which nobody listens.
"""

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.servers import free_endpoint

DEAD = ("hang", "refuse", "reset", "drip")
_OK = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)
_DRIP_SECONDS = 1.0


@dataclass(slots=True)
class Endpoints:
    """`heard` are the times, by `time.monotonic`, at which each path was called."""

    port: int = 0
    closed_port: int = field(default_factory=lambda: free_endpoint().port)
    heard: dict[str, list[float]] = field(default_factory=dict)

    def url(self, kind: str, number: int) -> str:
        """Where the endpoint of this number is that behaves so."""
        port = self.closed_port if kind == "refuse" else self.port
        return f"http://127.0.0.1:{port}/{kind}/{number}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            path = await _path(reader)
            self.heard.setdefault(path, []).append(time.monotonic())
            kind = path.split("/")[1]
            if kind == "live":
                writer.write(_OK)
                await writer.drain()
            elif kind == "hang":
                await reader.read()
            elif kind == "drip":
                while not reader.at_eof():
                    writer.write(b"H")
                    await writer.drain()
                    await asyncio.sleep(_DRIP_SECONDS)
            else:
                bound: socket.socket = writer.get_extra_info("socket")
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.close()


async def _path(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = head.partition("content-length:")[2].partition("\r\n")[0]
    await reader.readexactly(int(length or "0"))
    return head.split(" ")[1]


@contextlib.contextmanager
def run_endpoints() -> Iterator[Endpoints]:
    """Listen until the end of the block."""
    endpoints, loop = Endpoints(), asyncio.new_event_loop()
    listening, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(endpoints.serve, "127.0.0.1", 0, backlog=1024)
        endpoints.port = server.sockets[0].getsockname()[1]
        listening.set()
        await stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    listening.wait(10)
    try:
        yield endpoints
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)

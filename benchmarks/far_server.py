"""A PostgreSQL server in another rack: a proxy that adds a delay to each round trip.

`python -m benchmarks.far_server UPSTREAM_SOCKET SOCKET SECONDS` forwards connections between two
unix sockets until it is told to stop. A client's octets are passed on after the delay, in order;
those of the server at once. Two requests under way at the same time are delayed together, as on
a line: it makes nothing slower but the way.
"""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from benchmarks.faults import BenchmarkFault

_START_SECONDS = 30.0
_STOP_SECONDS = 30.0
_CHUNK = 1 << 16


@contextlib.contextmanager
def far_server(place: Path, seconds: float) -> Iterator[str]:
    """Run the proxy before the server with a socket in `place`; the URL of its database."""
    far = place / "far"
    far.mkdir()
    socket = far / ".s.PGSQL.5432"
    words = (str(place / ".s.PGSQL.5432"), str(socket), str(seconds))
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.far_server", *words])
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkFault("the proxy before PostgreSQL did not start")
            time.sleep(0.02)
        yield f"postgresql:///postgres?host={far}&user=postgres"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_SECONDS)


async def _forward(upstream: str, socket: str, seconds: float) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_unix_connection(upstream)
            await asyncio.gather(_pass(reader, back, seconds), _pass(there, writer, 0.0))
        running.discard(task)

    server = await asyncio.start_unix_server(serve, socket)
    await stopped.wait()
    server.close()
    for task in [*running]:
        task.cancel()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    while octets := await reader.read(_CHUNK):
        if seconds:
            loop.call_later(seconds, writer.write, octets)
        else:
            writer.write(octets)
    loop.call_later(seconds, writer.close)


if __name__ == "__main__":
    # The cheapest loop there is: what the proxy costs is missing on the processors it shares.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_forward(sys.argv[1], sys.argv[2], float(sys.argv[3])))

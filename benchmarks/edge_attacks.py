"""Attacks on the HTTP port, on plain sockets; and a probe of what others get meanwhile.

Rules kept here:
- An attack comes from an address of its own (127.0.0.2), which the server must not exempt, and
  ends when the server ends its connections, or when all is sent; each is bounded.
- The probe opens a new connection for each figure, as a client does that has none yet.
"""

import contextlib
import http.client
import json
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial

from benchmarks.servers import Endpoint

ATTACKER = "127.0.0.2"
EXEMPT = "127.0.0.1/32"
MIB = 1 << 20
SILENT = 3100
_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
_CHUNKED = b"POST /v1/tags/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
_FIELD = b"X-Filling: " + b"a" * 1011 + b"\r\n"
_PAUSE = 0.02


def pipelines(target: Endpoint, *, count: int = 5, octets: int = 6 * MIB) -> str:
    """So many pipelines one after the other; nobody reads what is answered."""
    block = _REQUEST * (256 * 1024 // len(_REQUEST))
    sent = sum(_send(target, b"", block, octets) for _ in range(count))
    return f"{sent / MIB:.1f} MiB went out"


def headers(target: Endpoint, *, octets: int = 100 * MIB, connections: int = 20) -> str:
    """Header fields without end, on some connections at a time."""
    return _filling(target, _REQUEST[:-2], octets, connections)


def trailers(target: Endpoint, *, octets: int = 40 * MIB, connections: int = 20) -> str:
    """Trailer fields without end."""
    return _filling(target, _CHUNKED, octets, connections)


def silence(target: Endpoint, *, count: int = SILENT, seconds: float = 5.0) -> str:
    """Connections that say nothing, as many as there may be, again when they are closed."""
    with contextlib.ExitStack() as stack, _descriptors(count + 200):
        kept = 0
        for _ in range(count):
            with contextlib.suppress(OSError):
                stack.enter_context(_connect(target))
                kept += 1
        time.sleep(seconds)
        return f"{kept:,} connected"


def _filling(target: Endpoint, begin: bytes, octets: int, connections: int) -> str:
    sent: list[int] = []
    block, each = _FIELD * 256, octets // connections

    def fill() -> None:
        sent.append(_send(target, begin, block, each))

    threads = [threading.Thread(target=fill) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"{sum(sent) / MIB:.1f} MiB went out"


def _send(target: Endpoint, begin: bytes, block: bytes, octets: int, patience: float = 3.0) -> int:
    """Send so much, or what the server takes; how much it was."""
    sent = 0
    with contextlib.suppress(OSError), _connect(target) as connection:
        connection.settimeout(patience)
        connection.sendall(begin)
        while sent < octets:
            sent += connection.send(block)
    return sent


def _connect(target: Endpoint) -> socket.socket:
    return socket.create_connection(target, timeout=10, source_address=(ATTACKER, 0))


@contextlib.contextmanager
def _descriptors(count: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, count), hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass(slots=True)
class Waits:
    """Seconds until a banner and until `/healthz`, one after the other; what failed."""

    banner: list[float] = field(default_factory=list)
    healthz: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@contextlib.contextmanager
def probing(smtp: Endpoint, http_endpoint: Endpoint) -> Iterator[Waits]:
    """Probe both ports from 127.0.0.1 while the block runs, in a process that does nothing else."""
    waits = Waits()
    words = [sys.executable, "-m", __name__, *map(str, (*smtp, *http_endpoint))]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        try:
            yield waits
        finally:
            told, _ = process.communicate()
    for name, found in json.loads(told).items():
        getattr(waits, name).extend(found)


def _probe(smtp: Endpoint, http_endpoint: Endpoint) -> Waits:
    """Probe until the standard input ends."""
    waits = Waits()
    while not select.select([sys.stdin], [], [], _PAUSE)[0]:
        _timed(partial(_banner, smtp), waits.banner, waits.faults)
        _timed(partial(_healthz, http_endpoint), waits.healthz, waits.faults)
    return waits


def _timed(call: Callable[[], None], waits: list[float], faults: list[str]) -> None:
    began = time.perf_counter()
    try:
        call()
    except (OSError, ValueError, http.client.HTTPException) as error:
        faults.append(repr(error))
    waits.append(time.perf_counter() - began)


def _banner(smtp: Endpoint) -> None:
    with socket.create_connection(smtp, timeout=20) as connection:
        heard = connection.recv(1000)
        if not heard.startswith(b"220"):
            raise ValueError(heard)


def _healthz(target: Endpoint) -> None:
    connection = http.client.HTTPConnection(target.host, target.port, timeout=20)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != 200:
        raise ValueError(status)


if __name__ == "__main__":
    smtp_host, smtp_port, http_host, http_port = sys.argv[1:]
    print("begun", flush=True)
    found = _probe(Endpoint(smtp_host, int(smtp_port)), Endpoint(http_host, int(http_port)))
    print(json.dumps(asdict(found)))

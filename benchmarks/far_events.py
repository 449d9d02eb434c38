"""How long an event of one gateway takes to a stream at another, on a PostgreSQL 5 ms away.

- One message after the other arrives at one gateway; a client follows the events at another, with a
  token of the inbox. The clock runs from the 250 to the event: below zero where it came before.
"""

import http.client
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from benchmarks import wire
from benchmarks.calls import connected
from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.plan import KIB
from benchmarks.postroom_server import PostroomServer

_MESSAGES = 200
_WARM_UP = 20
_SECONDS = 0.2
_TIMEOUT = 60.0


def measure(at: PostroomServer, elsewhere: PostroomServer, recipient: str, token: str) -> Figure:
    """The time from the 250 at one gateway to the event at another."""
    with _stream(elsewhere, token) as stream, wire.Client(at.smtp) as client:
        waits = []
        with ThreadPoolExecutor(1) as thread:
            for number in range(_WARM_UP + _MESSAGES):
                heard = thread.submit(_next, stream)
                client.send(recipient, wire.message(number, 1 * KIB))
                answered = time.perf_counter()
                waits.append(heard.result(_TIMEOUT) - answered)
    waits = sorted(waits[_WARM_UP:])
    p50, p99 = waits[_MESSAGES // 2], waits[_MESSAGES * 99 // 100 - 1]
    return Figure(
        "PostgreSQL 5 ms away, an event of one gateway at a stream of another, p99",
        1000 * p99,
        "ms",
        at_most=1000 * _SECONDS,
        note=f"p50 {1000 * p50:.0f} ms, {_MESSAGES} messages",
    )


@contextmanager
def _stream(server: PostroomServer, token: str) -> Iterator[http.client.HTTPResponse]:
    with connected(server, timeout=_TIMEOUT) as connection:
        headers = {"Authorization": f"Bearer {token}"}
        connection.request("GET", "/v1/events/stream/?types=message.received", headers=headers)
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise BenchmarkFault(f"event stream: {response.status} {response.read(300)!r}")
        yield response


def _next(stream: http.client.HTTPResponse) -> float:
    """The time at which the next event came."""
    while line := stream.readline():
        if line.startswith(b"event: "):
            return time.perf_counter()
    raise BenchmarkFault("the event stream ended")

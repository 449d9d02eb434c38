"""Calls of the API, for the parts of `make bench` that make them."""

import http.client
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from benchmarks.faults import BenchmarkFault
from benchmarks.postroom_server import PostroomServer

UNLIMITED = {"POSTROOM_API_RATE_PER_MINUTE": "1000000", "POSTROOM_API_BURST": "1000000"}
"""Settings with which no credential waits."""


@contextmanager
def connected(server: PostroomServer, *, timeout: float) -> Iterator[http.client.HTTPConnection]:
    """A connection to the server's HTTP port; an answer may take `timeout` seconds."""
    connection = http.client.HTTPConnection(server.http.host, server.http.port, timeout=timeout)
    try:
        yield connection
    finally:
        connection.close()


def get(
    connection: http.client.HTTPConnection,
    path: str,
    token: str,
    *,
    expected: Collection[int] = (200,),
) -> bytes:
    """The body of the answer. Raises BenchmarkFault for another status than those `expected`."""
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    response = connection.getresponse()
    body = response.read()
    if response.status not in expected:
        raise BenchmarkFault(f"GET {path}: {response.status} {body[:200].decode()}")
    return body

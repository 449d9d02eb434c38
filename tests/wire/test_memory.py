"""What hostile and large mail may cost in memory, and what the process costs at rest.

Peaks are read from /proc after the kernel's high-water mark was set back. The fifty messages
have their full 32 MB in `tests/soak`.
"""

import math
import time

import pytest

from tests.support.fixtures import Servers
from tests.support.loads import (
    big_messages_at_once,
    empty_lines,
    endless_line,
    growth,
    idle_connections,
)
from tests.support.memory import MIB, need_proc, proportional_set
from tests.support.server import Server

pytestmark = pytest.mark.xdist_group("heavy")

START_SECONDS = 1.5
MOST_STARTS = 12


def test_32_mb_of_empty_lines(fresh: Server) -> None:
    with growth(fresh) as grown:
        empty_lines(fresh, 32_000_000)
    assert grown.octets <= 8 * MIB, grown


def test_an_endless_line(fresh: Server) -> None:
    with growth(fresh) as grown:
        endless_line(fresh, 300_000_000, limit=50 * MIB)
    assert grown.octets <= 8 * MIB, grown


def test_50_messages_of_4_mb_at_once(fresh: Server) -> None:
    with growth(fresh) as grown:
        big_messages_at_once(fresh, count=50, size=4_000_000)
    assert grown.octets <= 64 * MIB, grown


def test_1000_idle_connections(fresh: Server) -> None:
    with growth(fresh) as grown:
        idle_connections(fresh, 1000)
    assert grown.octets <= 16 * MIB, grown


def test_at_rest_and_at_start(servers: Servers) -> None:
    need_proc()
    server = servers.new()
    server.start_demo()
    try:
        server.kill()
        seconds: list[float] = []
        # Other tests use the processors as well: the first start they leave alone tells.
        while len(seconds) < MOST_STARTS and min(seconds, default=math.inf) > START_SECONDS:
            seconds.append(server.start())
            time.sleep(0.3)
            held = proportional_set(server.processes())
            server.terminate()
            server.wait()
        assert min(seconds) <= START_SECONDS, seconds
        assert held < 80 * MIB, f"{held / MIB:.1f} MiB"
    finally:
        servers.stop(server)

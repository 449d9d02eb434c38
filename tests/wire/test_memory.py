"""What hostile and large mail may cost in memory, and what the process costs at rest.

Peaks are read from /proc after the kernel's high-water mark was set back. The fifty messages
have their full 32 MB in `tests/soak`.
"""

import time
from pathlib import Path

import pytest

from benchmarks.proc import cpu_of_stat
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

START_SECONDS = 3.0  # of a processor, until both sides accept; `make bench` has the real figure


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


def spent_by(pid: int) -> float:
    return cpu_of_stat(Path(f"/proc/{pid}/stat").read_text())


def test_at_rest_and_at_start(servers: Servers) -> None:
    need_proc()
    server = servers.new()
    server.start_demo()
    try:
        server.kill()
        server.start(cold=True)
        # Processor time, not the clock: other tests use the processors as well.
        spent = sum(spent_by(pid) for pid in server.processes())
        time.sleep(0.3)
        held = proportional_set(server.processes())
        assert spent <= START_SECONDS, spent
        assert held < 80 * MIB, f"{held / MIB:.1f} MiB"
    finally:
        servers.stop(server)

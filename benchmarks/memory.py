"""How much memory Postroom takes: idle, with many connections, under hostile content.

Rules kept here:
- Each figure has a server process of its own, warmed up with ordinary mail before the baseline, so
  that neither what is imported on first use nor an earlier peak is in it.
- Growth is the highest sample less the baseline, both proportional set size of all processes.
- Whatever the server answers is told beside the figure.
"""

import contextlib
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from statistics import median

from benchmarks import load, proc, wire
from benchmarks.figures import Figure
from benchmarks.plan import KIB, MIB, Plan
from benchmarks.postroom_server import PostroomServer, copy_store, run_postroom
from benchmarks.servers import list_address

_INTERVAL = 0.01
_IDLE_SECONDS = 3.0
_CONNECTIONS = 1000
_PARALLEL = 50
_RECIPIENT = list_address(5)


def measure_start(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """Measure the time from start to ready on an existing store, and the idle memory."""
    tell("start and idle memory")
    data = copy_store(prepared, directory / "start")
    with _warm(data):
        pass
    seconds: list[float] = []
    idle: list[int] = []
    resident: list[int] = []
    for _ in range(plan.starts):
        with run_postroom(data, settings={"POSTROOM_AUTHENTICATION": "on"}) as server:
            seconds.append(server.ready_seconds)
            time.sleep(_IDLE_SECONDS)
            idle.append(proc.pss_bytes(server.pid))
            resident.append(proc.rss_bytes(server.pid))
    return [
        Figure("start to ready, existing store", median(seconds), "s", at_most=1.5),
        Figure(
            "idle, all processes",
            median(idle) / MIB,
            "MiB",
            at_most=80,
            note=f"{median(resident) / MIB:.0f} MiB resident",
        ),
    ]


def measure_growth(prepared: Path, directory: Path, *, tell: Callable[[str], None]) -> list[Figure]:
    """Measure the growth under hostile content and with many connections."""
    cases: list[tuple[str, float, Callable[[PostroomServer], str]]] = [
        ("32 MB of empty lines", 8, _empty_lines),
        ("one endless line of 300 MB", 8, _endless_line),
        (f"{_PARALLEL} parallel messages of 32 MB", 64, _parallel),
        (f"{_CONNECTIONS:,} idle connections", 16, _idle_connections),
    ]
    figures: list[Figure] = []
    for number, (what, at_most, case) in enumerate(cases):
        tell(f"memory: {what}")
        with _warm(copy_store(prepared, directory / f"growth{number}")) as server:
            baseline = proc.pss_bytes(server.pid)
            with proc.PeakMemory(server.pid, interval=_INTERVAL) as memory:
                note = case(server)
        growth = (memory.peak - baseline) / MIB
        note = f"{note}; {baseline / MIB:.0f} to {memory.peak / MIB:.0f} MiB"
        figures.append(Figure(f"growth: {what}", growth, "MiB", at_most, note))
    return figures


@contextlib.contextmanager
def _warm(data: Path) -> Iterator[PostroomServer]:
    with run_postroom(data) as server:
        # Small messages only: large ones would leave room in the heap that hides later growth.
        load.send(server.smtp, load.Load(_RECIPIENT, 200, 10 * KIB), timeout=60)
        proc.wait_quiet(server.pid, timeout=60)
        yield server


def _empty_lines(server: PostroomServer) -> str:
    with wire.Client(server.smtp) as client:
        content = chain([wire.header(0)], wire.repeat(b"\r\n", 32 * MIB))
        return client.send_stream(_RECIPIENT, content)


def _endless_line(server: PostroomServer) -> str:
    with wire.Client(server.smtp) as client:
        content = chain([wire.header(0)], wire.repeat(b"x", 300 * MIB))
        return client.send_stream(_RECIPIENT, content) or "no reply"


def _parallel(server: PostroomServer) -> str:
    line = b"x" * 62 + b"\r\n"

    def send(number: int) -> str:
        with wire.Client(server.smtp, timeout=300) as client:
            content = chain([wire.header(number)], wire.repeat(line, 32 * MIB))
            return client.send_stream(_RECIPIENT, content)

    with ThreadPoolExecutor(_PARALLEL) as pool:
        replies = list(pool.map(send, range(_PARALLEL)))
    accepted = sum(reply.startswith("250") for reply in replies)
    return f"{accepted} of {_PARALLEL} accepted"


def _idle_connections(server: PostroomServer) -> str:
    with contextlib.ExitStack() as open_connections, _descriptors(_CONNECTIONS + 100):
        for _ in range(_CONNECTIONS):
            open_connections.enter_context(wire.Client(server.smtp))
        time.sleep(_IDLE_SECONDS)
        return f"{_CONNECTIONS:,} greeted"


@contextlib.contextmanager
def _descriptors(count: int) -> Iterator[None]:
    """Let this process have that many open files, and the servers no more than they are given."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 2 * count), hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

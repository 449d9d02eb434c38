"""How long a sender waits from its dot to the 250.

Rules kept here:
- The client is our own, a thread a session, because smtp-source does not time single messages;
  its own work between two messages is small next to theirs.
- Postfix's 250 says "queued", Postroom's "every copy is in its mailbox": the two stand side by
  side to be known, not to be divided.
"""

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks import wire
from benchmarks.plan import Plan, Workload
from benchmarks.servers import MailServer, list_address
from benchmarks.throughput import check_copies

_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the dot to the 250, over `messages` messages on `sessions` connections."""

    server: str
    workload: Workload
    sessions: int
    messages: int
    p50: float
    p99: float


def measure(
    servers: Sequence[MailServer], plan: Plan, *, tell: Callable[[str], None]
) -> list[Latency]:
    """Measure every server with 1 and 10 sessions, on one workload."""
    workload = Workload(5, 10 * 1024)
    found: list[Latency] = []
    for sessions in (1, 10):
        for server in servers:
            tell(f"latency: {server.name}, {sessions} sessions")
            found.append(_measure(server, workload, sessions, plan.latencies))
    return found


def _measure(server: MailServer, workload: Workload, sessions: int, messages: int) -> Latency:
    each = messages // sessions
    before = server.copies()
    sessions_together(server, workload, sessions, each=5)
    seconds = sessions_together(server, workload, sessions, each=each)
    server.settle(timeout=_TIMEOUT)
    check_copies(server, before=before, owed=(each + 5) * sessions * workload.members)
    return Latency(
        server.name,
        workload,
        sessions,
        len(seconds),
        percentile(seconds, 50),
        percentile(seconds, 99),
    )


def sessions_together(
    server: MailServer, workload: Workload, sessions: int, *, each: int
) -> list[float]:
    """Return the seconds of every message of sessions that begin together."""
    together = threading.Barrier(sessions, timeout=_TIMEOUT)

    def session(number: int) -> list[float]:
        address = list_address(workload.members)
        contents = [wire.message(number, workload.size) for _ in range(each)]
        with wire.Client(server.smtp) as client:
            together.wait()
            seconds = [client.send(address, content) for content in contents]
            client.command("QUIT", 221)
        return seconds

    with ThreadPoolExecutor(sessions) as pool:
        return [second for found in pool.map(session, range(sessions)) for second in found]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]

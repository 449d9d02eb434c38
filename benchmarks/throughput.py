"""Messages per second with every copy durable: the same load on each server, in turn.

Rules kept here:
- The clock runs from the start of the load generator until the last copy is in its mailbox.
- CPU is read once the server is quiet again: what it does after its last 250 counts as well.
- A run in which a copy is missing or one too many is a fault, not a figure.
- Servers alternate run by run, so that what the machine does meanwhile meets them alike.
- Memory is taken in a run of its own: sampling costs CPU that the measured runs keep.
- Nothing is deleted between runs: file systems slow down for minutes after many deletions.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import load, proc
from benchmarks.faults import BenchmarkFault
from benchmarks.plan import Plan, Workload, messages_for
from benchmarks.servers import MailServer, list_address

_MEMORY_INTERVAL = 0.1
_TIMEOUT = 300.0


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run: `seconds` from the first connection to the last copy."""

    messages: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Sample:
    """All measured runs of one workload on one server; `peak` is proportional set size, bytes."""

    server: str
    workload: Workload
    runs: tuple[Run, ...]
    peak: int

    @property
    def rate(self) -> float:
        """The median of messages per second."""
        return median(run.messages / run.seconds for run in self.runs)

    @property
    def cpu_ms(self) -> float:
        """The median of CPU milliseconds per message."""
        return median(run.cpu_seconds / run.messages for run in self.runs) * 1000


def measure(
    servers: Sequence[MailServer], plan: Plan, *, tell: Callable[[str], None]
) -> list[Sample]:
    """Run every workload of the plan on every server and return a sample for each pair."""
    samples: list[Sample] = []
    for workload in plan.workloads:
        tell(f"throughput: {workload.label}")
        samples.extend(alternate([(server, workload) for server in servers], plan))
    return samples


def alternate(pairs: Sequence[tuple[MailServer, Workload]], plan: Plan) -> list[Sample]:
    """Run each workload on its server, in turn, as often as the plan says."""
    counts = [_calibrate(server, workload, plan.seconds) for server, workload in pairs]
    counted = list(zip(pairs, counts, strict=True))
    rounds = [
        [run(server, workload, count) for (server, workload), count in counted]
        for _ in range(plan.runs)
    ]
    return [
        Sample(server.name, workload, tuple(runs), _peak(server, workload, count))
        for ((server, workload), count), runs in zip(
            counted, zip(*rounds, strict=True), strict=True
        )
    ]


def _calibrate(server: MailServer, workload: Workload, seconds: float) -> int:
    """Return the number of messages that takes about `seconds`; warms the server up as well."""

    def count(rate: float, of_seconds: float) -> int:
        return messages_for(
            rate,
            workload,
            seconds=of_seconds,
            sessions=load.SESSIONS,
            shared=server.shares_content,
        )

    warm_up = run(server, workload, count(100, 0.5))
    trial = run(server, workload, count(warm_up.messages / warm_up.seconds, seconds / 3))
    return count(trial.messages / trial.seconds, seconds)


def run(server: MailServer, workload: Workload, messages: int) -> Run:
    """Send that many messages and wait for their copies.

    Raises BenchmarkFault unless there are exactly as many new copies as are owed.
    """
    mail = load.Load(list_address(workload.members), messages, workload.size, way=workload.way)
    # What earlier runs left to be written is not this run's to pay for.
    os.sync()
    copies, cpu = server.copies(), proc.cpu_seconds(server.pid)
    started = time.perf_counter()
    load.send(server.smtp, mail, timeout=_TIMEOUT)
    server.settle(timeout=_TIMEOUT)
    seconds = time.perf_counter() - started
    proc.wait_quiet(server.pid, timeout=_TIMEOUT)
    cpu = proc.cpu_seconds(server.pid) - cpu
    check_copies(server, before=copies, owed=messages * workload.members)
    return Run(messages, seconds, cpu)


def check_copies(server: MailServer, *, before: int, owed: int) -> None:
    """Raise BenchmarkFault unless `owed` copies have come to what was there `before`."""
    came = server.copies() - before
    if came != owed:
        raise BenchmarkFault(f"{server.name} owes {owed} copies and has {came}")


def _peak(server: MailServer, workload: Workload, messages: int) -> int:
    with proc.PeakMemory(server.pid, interval=_MEMORY_INTERVAL) as memory:
        run(server, workload, messages)
    return memory.peak

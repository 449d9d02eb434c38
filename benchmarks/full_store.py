"""The cost of delivery into a store full of mail, next to an empty one.

Rules kept here:
- The mail is brought in through SMTP, as in life: one member, small messages.
- Both servers are started anew before the runs, which alternate.
- The ratio is one of seconds per message; the one of CPU stands beside it.
"""

from collections.abc import Callable
from pathlib import Path

from benchmarks import load, reading
from benchmarks.figures import Figure
from benchmarks.plan import KIB, Plan, Workload
from benchmarks.postroom_server import copy_store, run_postroom
from benchmarks.servers import list_address
from benchmarks.throughput import alternate, check_copies

# A store of 200,000 takes minutes; in parts, each has its own time limit.
_PART = 20_000
_PART_TIMEOUT = 300.0


def measure(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """Fill one copy of the prepared store, leave the other empty, and compare."""
    full, empty = (copy_store(prepared, directory / name) for name in ("full", "empty"))
    fill(full, plan.stored, tell=tell)
    tell("full store: comparing")
    workload = Workload(5, 10 * KIB)
    with run_postroom(full) as full_server, run_postroom(empty) as empty_server:
        in_full, in_empty = alternate([(full_server, workload), (empty_server, workload)], plan)
    read = reading.measure(full, plan.stored, tell=tell)
    stored = f"{plan.stored:,} messages in the store"
    return [
        Figure(
            f"time per message ({workload.label}), {stored}",
            in_empty.rate / in_full.rate,
            "times that of an empty store",
            at_most=1.2,
            note=f"{in_full.rate:.0f} and {in_empty.rate:.0f} msg/s",
        ),
        Figure(
            f"CPU per message ({workload.label}), {stored}",
            in_full.cpu_ms / in_empty.cpu_ms,
            "times that of an empty store",
            note=f"{in_full.cpu_ms:.2f} and {in_empty.cpu_ms:.2f} ms",
        ),
        Figure(f"start to ready, {stored}", full_server.ready_seconds, "s", at_most=1.5),
        *read,
    ]


def fill(data: Path, messages: int, *, tell: Callable[[str], None]) -> None:
    """Bring that many small messages to the first member. Raises BenchmarkFault."""
    with run_postroom(data) as server:
        for sent in range(0, messages, _PART):
            tell(f"full store: {sent:,} of {messages:,}")
            part = min(_PART, messages - sent)
            load.send(server.smtp, load.Load(list_address(1), part, KIB), timeout=_PART_TIMEOUT)
        check_copies(server, before=0, owed=messages)

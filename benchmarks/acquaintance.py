"""The cost of counting who writes to whom, next to not counting it.

Rules kept here:
- Counting goes on after the last 250; the CPU of a run is read once the server is quiet again, so
  what it takes to catch up is in it.
- Both servers run the same release and alternate; only the setting `relationships` differs.
"""

from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.plan import KIB, Plan, Workload
from benchmarks.postroom_server import copy_store, run_postroom
from benchmarks.throughput import alternate

_AT_MOST = 1.1


def measure(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """Deliver the same with and without, to few members and to many."""
    on, off = (copy_store(prepared, directory / f"relationships-{name}") for name in ("on", "off"))
    figures = []
    with (
        run_postroom(on) as counting,
        run_postroom(off, settings={"POSTROOM_RELATIONSHIPS": "off"}) as silent,
    ):
        for members in plan.members:
            workload = Workload(members, 10 * KIB)
            tell(f"relationships: {workload.label}")
            with_it, without = alternate([(counting, workload), (silent, workload)], plan)
            figures += [
                Figure(
                    f"CPU per message ({workload.label}), relationships counted",
                    with_it.cpu_ms / without.cpu_ms,
                    "times that without",
                    at_most=_AT_MOST,
                    note=f"{with_it.cpu_ms:.2f} and {without.cpu_ms:.2f} ms",
                ),
                Figure(
                    f"time per message ({workload.label}), relationships counted",
                    without.rate / with_it.rate,
                    "times that without",
                    at_most=_AT_MOST,
                    note=f"{with_it.rate:.0f} and {without.rate:.0f} msg/s",
                ),
            ]
    return figures

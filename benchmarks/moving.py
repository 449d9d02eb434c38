"""How long `postroom copy` takes from SQLite to PostgreSQL and back, stopped twice on each way.

Rules kept here:
- The store is filled through SMTP with messages of 10 KB to five members, and all are parsed.
- Time is that of the runs of the command together, with what was lost by stopping it.
- `postroom verify` of the last copy must find every message and copy of the first store.
"""

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.backup import fill
from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.plan import KIB, Plan, Workload
from benchmarks.postgresql import running_cluster
from benchmarks.postroom_server import (
    copy_store,
    make_token,
    run_command,
    run_postroom,
    start_command,
)
from benchmarks.reading import wait_parsed
from benchmarks.servers import member_address

_WORKLOAD = Workload(5, 10 * KIB)
_SECONDS_OF_FULL = 300.0
_FULL = 200_000
_STOPS = 2
_MOST_SECONDS = 3600.0


def measure(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """Copy a store of `plan.stored` messages to PostgreSQL and from there to SQLite."""
    data, back = copy_store(prepared, directory / "moved"), directory / "moved-back"
    token = make_token(data, member_address(1), "email:read")
    with run_postroom(data) as server:
        fill(server, plan.stored, tell=tell)
        tell("copy: until all is parsed")
        wait_parsed(server, token)
    least = _SECONDS_OF_FULL * plan.stored / _FULL
    (directory / "moved-gateway").mkdir()
    with running_cluster(directory / "moved-cluster") as store:
        ways = {
            "SQLite to PostgreSQL": (str(data), store),
            "PostgreSQL to SQLite": (store, str(back)),
        }
        figures = []
        for name, (old, new) in ways.items():
            tell(f"copy: {name}")
            seconds, record, stops = _copied(directory / "moved-gateway", old, new, least)
            figures.append(
                Figure(
                    f"copy of {plan.stored:,} messages of 10 KB, five members, {name}",
                    seconds,
                    "s",
                    at_most=least,
                    note=f"{record['rows']:,} rows, killed {stops} times",
                )
            )
    found = run_command(start_command(back, "verify"))
    if found["messages"] != plan.stored or found["copies_present"] != 5 * plan.stored:
        raise BenchmarkFault(f"{plan.stored} messages were copied: {found}")
    return figures


def _copied(
    gateway: Path, old: str, new: str, expected: float
) -> tuple[float, Mapping[str, object], int]:
    """Copy, killed while it runs: the seconds of all runs, what the last says, how often killed."""
    began, stops = time.perf_counter(), 0
    while True:
        run = start_command(gateway, "copy", "--from", old, "--to", new)
        try:
            if stops < _STOPS:
                run.wait(expected / 10)
        except subprocess.TimeoutExpired:
            run.kill()
            run.communicate()
            stops += 1
            continue
        record = run_command(run, _MOST_SECONDS)
        return time.perf_counter() - began, record, stops

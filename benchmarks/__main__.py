"""`python -m benchmarks`: measure Postroom against Postfix on this machine and print the tables.

Everything runs on loopback, is bounded, and stops by itself; what it needs on disk is in one
temporary directory that is removed at the end, also after a fault or a signal.
"""

import argparse
import contextlib
import dataclasses
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import (
    acquaintance,
    authentication,
    backup,
    callers,
    ceiling,
    console,
    edge,
    environment,
    full_store,
    gateways,
    latency,
    memory,
    moving,
    postgresql,
    sending,
    tenant_wall,
    throughput,
    tls,
    webhooks,
)
from benchmarks.faults import BenchmarkFault
from benchmarks.plan import FULL, GIB, QUICK, Plan
from benchmarks.postfix_server import run_postfix
from benchmarks.postroom_server import copy_store, prepare_store, run_postroom
from benchmarks.report import Report, as_json, markdown, write_between
from benchmarks.servers import MailServer

_PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
_PARTS = (
    "throughput",
    "latency",
    "ceiling",
    "start",
    "growth",
    "relationships",
    "authentication",
    "webhooks",
    "edge",
    "full-store",
    "backup",
    "callers",
    "tls",
    "console",
    "postgresql",
    "sending",
    "copy",
    "gateways",
    "tenant-wall",
)
_SERVERS = ("postfix", "postroom")
# The parts that measure Postroom alone, each on copies of the prepared store.
_FIGURES = {
    "relationships": acquaintance.measure,
    "authentication": authentication.measure,
    "webhooks": webhooks.measure,
    "edge": edge.measure,
    "full-store": full_store.measure,
    "backup": backup.measure,
    "callers": callers.measure,
    "tls": tls.measure,
    "console": console.measure,
    "postgresql": postgresql.measure,
    "sending": sending.measure,
    "copy": moving.measure,
    "gateways": gateways.measure,
    "tenant-wall": tenant_wall.measure,
}


def main(words: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; return the exit status."""
    options = _parser().parse_args(words)
    if options.write and (options.only or options.server):
        print("--write needs a whole run: leave --only and --server out", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _directory(options.directory, _plan(options).disk) as directory:
            report = _measure(directory, _plan(options), options)
        _hand_over(report, options)
    except BenchmarkFault as fault:
        print(f"benchmarks: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--only", action="append", choices=_PARTS, help="measure this part only (repeatable)")
    add("--server", choices=_SERVERS, help="measure throughput and latency of this one only")
    add("--quick", action="store_true", help="smaller and shorter: a minute or two, no 1 KB rows")
    add("--runs", type=_positive, help="measured runs of each workload (3; quick: 1)")
    add("--stored", type=_positive, help="messages in the full store (200000; quick: 10000)")
    add("--write", action="store_true", help="put the tables into docs/performance.md")
    add("--json", type=Path, metavar="FILE", help="write every figure, run by run")
    add("--directory", type=Path, help="where the servers keep their mail (default: temporary)")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _plan(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else FULL
    return dataclasses.replace(
        plan, runs=options.runs or plan.runs, stored=options.stored or plan.stored
    )


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _directory(parent: Path | None, needed: int) -> Iterator[Path]:
    """Make a directory of this run's own and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="postroom-bench-", dir=parent) as name:
        directory = Path(name)
        free = shutil.disk_usage(directory).free
        if free < needed:
            raise BenchmarkFault(
                f"up to {needed / GIB:.0f} GiB of disk are needed and {free / GIB:.0f} are free; "
                "name another place with --directory"
            )
        # Postfix's daemons run as users of their own and must get through.
        directory.chmod(0o755)
        yield directory


def _measure(directory: Path, plan: Plan, options: argparse.Namespace) -> Report:
    parts = set(options.only or _PARTS)
    report = Report(environment.describe(directory))
    prepared = directory / "prepared"
    if parts - {"ceiling", "gateways"} and options.server != "postfix":
        _tell("preparing a store")
        prepare_store(prepared, plan.members)
    if parts & {"throughput", "latency"}:
        with _servers(directory, prepared, plan, options.server) as servers:
            if "throughput" in parts:
                report.throughput = throughput.measure(servers, plan, tell=_tell)
            if "latency" in parts:
                report.latency = latency.measure(servers, plan, tell=_tell)
    if "ceiling" in parts:
        report.figures += ceiling.measure(plan, tell=_tell)
    if options.server == "postfix":
        return report
    if "start" in parts:
        report.figures += memory.measure_start(prepared, directory, plan, tell=_tell)
    if "growth" in parts:
        report.figures += memory.measure_growth(prepared, directory, tell=_tell)
    for part, measure in _FIGURES.items():
        if part in parts:
            report.figures += measure(prepared, directory, plan, tell=_tell)
    return report


@contextlib.contextmanager
def _servers(
    directory: Path, prepared: Path, plan: Plan, only: str | None
) -> Iterator[list[MailServer]]:
    """Run the servers to compare side by side; the one not being measured is idle."""
    with contextlib.ExitStack() as running:
        servers: list[MailServer] = []
        if only != "postroom":
            servers.append(running.enter_context(run_postfix(directory / "postfix", plan.members)))
        if only != "postfix":
            data = copy_store(prepared, directory / "postroom")
            servers.append(running.enter_context(run_postroom(data)))
        yield servers


def _hand_over(report: Report, options: argparse.Namespace) -> None:
    tables = markdown(report)
    print(tables)
    if options.json:
        options.json.write_text(as_json(report) + "\n")
    if options.write:
        _PAGE.write_text(write_between(_PAGE.read_text(), tables))


def _tell(what: str) -> None:
    print(f"… {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

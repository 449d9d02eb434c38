"""Mail into a store on PostgreSQL, next to Postfix: 10 KB, kept connections, one gateway.

Rules kept here:
- PostgreSQL is Debian's with its defaults, a cluster in the directory of the run, on a unix socket.
  It runs on the same processors and disk as what is measured, and syncs every commit.
- As in `throughput`, the clock stops when the last copy is in its mailbox, and servers alternate.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.plan import KIB, Plan, Workload
from benchmarks.postfix_server import run_postfix
from benchmarks.postroom_server import prepare_store, run_postroom
from benchmarks.throughput import alternate

_LEAST = {1: 1.2, 5: 3.0, 50: 10.0}
_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0


def measure(
    prepared: Path, directory: Path, plan: Plan, *, tell: Callable[[str], None]
) -> list[Figure]:
    """The ratios to Postfix for each number of members; the store is a new one."""
    place = directory / "postgresql"
    with running_cluster(place) as store:
        data = place / "postroom"
        settings = {"POSTROOM_STORE": store}
        tell("postgresql: preparing a store")
        prepare_store(data, [*_LEAST], settings=settings)
        with (
            run_postfix(directory / "postgresql-postfix", [*_LEAST]) as theirs,
            run_postroom(data, settings=settings) as ours,
        ):
            figures = []
            for members, least in _LEAST.items():
                workload = Workload(members, 10 * KIB)
                tell(f"postgresql: {workload.label}")
                postfix, postroom = alternate([(theirs, workload), (ours, workload)], plan)
                figures.append(
                    Figure(
                        f"{workload.label}, store on PostgreSQL: time per message",
                        postfix.rate / postroom.rate,
                        "times Postfix's",
                        at_most=round(1 / least, 2),
                        note=f"{postroom.rate:.0f} and {postfix.rate:.0f} msg/s:"
                        f" {postroom.rate / postfix.rate:.2f} of the rate",
                    )
                )
    return figures


@contextlib.contextmanager
def running_cluster(place: Path) -> Iterator[str]:
    """Run a cluster of its own; the URL of its database, as the setting `store` takes it."""
    place.mkdir()
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        shutil.chown(place, user)
    initdb = [_program("initdb"), f"--pgdata={place / 'data'}", "--username=postgres"]
    subprocess.run(
        [*initdb, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"],
        check=True,
        capture_output=True,
        cwd=place,
        user=user,
        extra_groups=[] if user else None,
    )
    options = [f"-D{place / 'data'}", f"-k{place}", "-clisten_addresses="]
    with (place / "log").open("ab") as log:
        process = subprocess.Popen(
            [_program("postgres"), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place,
            user=user,
            extra_groups=[] if user else None,
        )
    try:
        _wait_ready(place, process)
        (place / "postroom").mkdir()
        yield f"postgresql:///postgres?host={place}&user=postgres"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_STOP_SECONDS)


def _wait_ready(place: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    asked = [_program("pg_isready"), f"--host={place}", "--quiet"]
    while subprocess.run(asked, check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchmarkFault(f"PostgreSQL is not ready: {(place / 'log').read_text()[-500:]}")
        time.sleep(0.05)


def _program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join(map(str, _PLACES)))
    if found is None:
        raise BenchmarkFault(f"{name} is missing; on Debian: apt-get install postgresql")
    return found

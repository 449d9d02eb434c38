"""The machine and the programs a table was taken with: figures mean nothing without them.

Nothing that names a person, a host or a path is told.
"""

import os
import platform
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.load import program
from benchmarks.plan import GIB, KIB

_SYNC_SECONDS = 1.0


def describe(directory: Path) -> dict[str, str]:
    """Return what was measured with; `directory` is where the servers keep their mail."""
    return {
        "processors": f"{len(os.sched_getaffinity(0))} of {_processor()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / GIB:.0f} GiB",
        "file system": _file_system(directory),
        "12 KB appends with fdatasync": f"{_syncs_per_second(directory):.0f}/s",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "Postfix": _output([program("postconf"), "-dh", "mail_version"]),
        "Postroom": _output(["git", "-C", str(Path(__file__).parent), "describe", "--always"]),
        "taken": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine() or sys.platform


def _file_system(directory: Path) -> str:
    """Return the type of the file system, from the longest mount point above the directory."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    above = [(point, kind) for point, kind in mounts if directory.resolve().is_relative_to(point)]
    return max(above, key=lambda mount: len(mount[0]))[1]


def _syncs_per_second(directory: Path) -> float:
    """Return how often a second the disk takes 12 KB for good: it bounds every mail server."""
    probe = directory / "probe"
    block = b"x" * (12 * KIB)
    done = 0
    descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY)
    try:
        started = time.perf_counter()
        while time.perf_counter() - started < _SYNC_SECONDS:
            os.write(descriptor, block)
            os.fdatasync(descriptor)
            done += 1
        return done / (time.perf_counter() - started)
    finally:
        os.close(descriptor)
        probe.unlink()


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() or "unknown"

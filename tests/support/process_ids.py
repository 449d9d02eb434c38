"""Processes by their ids, as `/proc` tells of them.

Ids come round again: over an hour of kills one that was ours may be somebody else's. So a process
that is remembered is known by its start, too.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_STARTED = 18  # proc_pid_stat(5): field 22, counted from behind the state


class Process(NamedTuple):
    """A process that was seen to run; `started` is in ticks since the boot."""

    pid: int
    started: int


def running(pids: Iterable[int]) -> list[Process]:
    """Return those of these processes that run."""
    found = []
    for pid in pids:
        with suppress(OSError):
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if state != "Z":
                found.append(Process(pid, int(fields[_STARTED])))
    return found


def descendants(pid: int) -> list[int]:
    """Return the ids of the processes that it made, and of those that they made."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


def await_traced(pids: Iterable[int], seconds: float) -> None:
    """Wait until a tracer is attached to all their threads: strace -f takes one after the other."""
    statuses = [Path(f"/proc/{pid}/task") for pid in pids]
    deadline = time.monotonic() + seconds
    while any(_is_untraced(one) for tasks in statuses for one in tasks.glob("*/status")):
        assert time.monotonic() < deadline, f"not traced after {seconds} s"
        time.sleep(0.01)


def _is_untraced(status: Path) -> bool:
    with suppress(OSError):  # a thread that has ended meanwhile
        return "TracerPid:\t0\n" in status.read_text()
    return False


def send_signal(pid: int, what: signal.Signals) -> None:
    """Send it, unless the process has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, what)

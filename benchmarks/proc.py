"""The cost of a server, read from /proc: CPU time and memory of a process and all its descendants.

Rules kept here:
- CPU time is user plus system of every live process of the tree, and of the children each of them
  has already waited for. A short-lived process is therefore counted once, live or reaped, as long
  as its parent is in the tree, which holds for Postfix (master reaps its daemons) and Postroom.
- Memory is the proportional set size: a page shared by n processes counts 1/n in each, so the sum
  over a tree counts it once. The page cache is not part of it.
- A process that ends while it is being read counts nothing.

See proc(5): stat, smaps_rollup, task/children.
"""

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
# Postroom's jobs pause two seconds at most.
_QUIET_QUARTERS = 10
# Jobs that look for work twice a second take 6 % of a slow processor.
_QUIET_TICKS = 2


def tree(root: int) -> list[int]:
    """Return `root` and the ids of all its live descendants, parents first."""
    found = [root]
    for pid in found:
        found.extend(_children(pid))
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for task in (_PROC / str(pid) / "task").iterdir():
            children.extend(int(child) for child in (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        return children
    return children


def cpu_seconds(root: int) -> float:
    """Return the CPU seconds used so far by the tree under `root`."""
    # Children are read before their parents: one that ends in between is then in its parent's
    # figure as well as its own, never in none. Taken when the server is quiet, that is nothing.
    return sum(_cpu_of(pid) for pid in reversed(tree(root)))


def _cpu_of(pid: int) -> float:
    try:
        return cpu_of_stat((_PROC / str(pid) / "stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def cpu_of_stat(stat: str) -> float:
    """Return utime + stime + cutime + cstime of a line of /proc/PID/stat, in seconds."""
    # The second field is the command in parentheses, which may itself hold blanks and parentheses.
    fields = stat.rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / _TICKS_PER_SECOND


def wait_quiet(root: int, *, timeout: float) -> None:
    """Return when the tree has all but stopped using CPU: work after a 250 is a cost as well.

    Quiet is two clock ticks at most in each quarter of a second for so long that a job which only
    pauses, to leave the machine to mail, is at it again. Returns after `timeout` anyway.
    """
    deadline = time.monotonic() + timeout
    used, quiet = cpu_seconds(root), 0
    while quiet < _QUIET_QUARTERS and time.monotonic() < deadline:
        time.sleep(0.25)
        before, used = used, cpu_seconds(root)
        quiet = quiet + 1 if used - before <= _QUIET_TICKS / _TICKS_PER_SECOND + 1e-9 else 0


def pss_bytes(root: int) -> int:
    """Return the proportional set size of the tree under `root`, in bytes."""
    return _sum_of("Pss", root)


def rss_bytes(root: int) -> int:
    """Return the resident set sizes of the tree under `root`, in bytes: shared pages in each."""
    return _sum_of("Rss", root)


def _sum_of(name: str, root: int) -> int:
    return sum(of_rollup(name, _rollup(pid)) for pid in tree(root))


def _rollup(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def of_rollup(name: str, rollup: str) -> int:
    """Return the bytes of a line of /proc/PID/smaps_rollup; 0 for a process that is ending."""
    for line in rollup.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


class PeakMemory:
    """Samples the proportional set size of a tree in a thread of its own; `peak` is in bytes.

    Use as a context manager. The first sample is taken on entry and the last on leaving.
    """

    def __init__(self, root: int, *, interval: float) -> None:
        self._root = root
        self._interval = interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = 0

    def __enter__(self) -> Self:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._ended.wait(self._interval):
            self._sample()

    def _sample(self) -> None:
        self.peak = max(self.peak, pss_bytes(self._root))

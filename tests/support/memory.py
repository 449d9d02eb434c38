"""What a process and its children hold of memory, read from /proc (Linux)."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

MIB = 1 << 20


def proportional_set(pids: Iterable[int]) -> int:
    """Return the PSS of all in bytes: shared pages count by their share."""
    return sum(_field(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") for pid in pids)


def resident(pids: Iterable[int]) -> int:
    """Return the sum of each RSS in bytes; what is shared counts for each."""
    return sum(_field(Path(f"/proc/{pid}/status"), "VmRSS:") for pid in pids)


def peak_resident(pids: Iterable[int]) -> int:
    """Return the sum of each one's highest RSS since the last reset_peaks(), in bytes."""
    return sum(_field(Path(f"/proc/{pid}/status"), "VmHWM:") for pid in pids)


def reset_peaks(pids: Iterable[int]) -> None:
    """Start the peaks anew from what is resident now (proc(5), clear_refs)."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def need_proc() -> None:
    """Skip where /proc does not tell these things; fail in CI, where it must."""
    pid = os.getpid()
    try:
        proportional_set([pid])
        reset_peaks([pid])
    except OSError as error:
        reason = f"/proc does not tell the memory of a process: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} in {path}")

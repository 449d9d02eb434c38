"""What a process holds of memory, read from /proc (Linux)."""

import os
from pathlib import Path

import pytest

MIB = 1 << 20


def proportional_set(pid: int) -> int:
    """Return the process's PSS in bytes: shared pages count by their share."""
    return _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def resident(pid: int) -> int:
    """Return the process's RSS in bytes."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS:")


def peak_resident(pid: int) -> int:
    """Return the highest RSS since the last reset_peak(), in bytes."""
    return _field(Path(f"/proc/{pid}/status"), "VmHWM:")


def reset_peak(pid: int) -> None:
    """Start the peak anew from what is resident now (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def need_proc() -> None:
    """Skip where /proc does not tell these things; fail in CI, where it must."""
    pid = os.getpid()
    try:
        proportional_set(pid)
        reset_peak(pid)
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

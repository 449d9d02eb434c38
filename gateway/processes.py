"""What the processes of this installation cost, as the system tells it (proc(5)).

Elsewhere than on Linux there is nothing to read, and a process that has ended counts nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of processor time since the process began, octets of memory, open descriptors."""

    cpu_seconds: float
    resident: int
    descriptors: int


def cost_of(pid: int) -> Cost | None:
    """What a process costs; None for one that cannot be asked."""
    directory = _PROC / str(pid)
    try:
        # The second field is the command, which may itself hold blanks and parentheses.
        fields = (directory / "stat").read_text().rpartition(")")[2].split()
        descriptors = sum(1 for _ in (directory / "fd").iterdir())
    except OSError:
        return None
    ticks = int(fields[11]) + int(fields[12])
    resident = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return Cost(ticks / os.sysconf("SC_CLK_TCK"), resident, descriptors)

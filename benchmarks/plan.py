"""The workloads, how much of each is measured, and the bounds they should reach.

Rules kept here:
- Everything is bounded: messages per run, bytes written per run, seconds per run.
- The number of messages is chosen for each server and workload by trial runs before the measured
  ones, so that a measured run takes a few seconds on any machine. Rates are compared, not totals.
"""

from dataclasses import dataclass
from typing import Literal

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

_MOST_MESSAGES = 20_000
_MOST_BYTES = 1536 * MIB
# So that connections are kept for several messages even where a message takes long.
_LEAST_PER_SESSION = 3


# How a session uses its connections: it keeps one for all its messages, or has a new one for each,
# on which it waits for every reply or pipelines as Postfix's client does.
Way = Literal["kept", "single", "pipelined"]
_IN_WORDS = {
    "kept": "",
    "single": ", a connection each",
    "pipelined": ", a connection each, pipelined",
}


@dataclass(frozen=True, slots=True)
class Target:
    """The ratio to Postfix that Postroom must reach, and the one it aims for."""

    must: float
    aim: float


@dataclass(frozen=True, slots=True)
class Workload:
    """One cell of the table: messages of `size` octets to a list of `members`."""

    members: int
    size: int
    way: Way = "kept"

    @property
    def label(self) -> str:
        """The workload in words, as it stands in the tables."""
        return f"{size_text(self.size)}, N={self.members}{_IN_WORDS[self.way]}"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure; `seconds` is what one measured run should take."""

    runs: int
    seconds: float
    workloads: tuple[Workload, ...]
    latencies: int
    stored: int
    starts: int
    disk: int

    @property
    def members(self) -> tuple[int, ...]:
        """The distinct list sizes of the workloads, rising."""
        return tuple(sorted({workload.members for workload in self.workloads}))


TARGETS: dict[Workload, Target] = {
    Workload(1, 10 * KIB): Target(2, 3),
    Workload(5, 10 * KIB): Target(4, 8),
    Workload(50, 10 * KIB): Target(14, 20),
    Workload(1, MIB): Target(1.2, 2),
    Workload(5, MIB): Target(3, 6),
    Workload(50, MIB): Target(15, 20),
    Workload(1, 10 * KIB, "single"): Target(1.6, 2),
    Workload(5, 10 * KIB, "single"): Target(3, 4),
    Workload(50, 10 * KIB, "single"): Target(12, 14),
}

_ON_NEW_CONNECTIONS = (
    *(Workload(members, 10 * KIB, "single") for members in (1, 5, 50)),
    *(Workload(members, 10 * KIB, "pipelined") for members in (1, 5)),
)

FULL = Plan(
    runs=3,
    seconds=3.0,
    workloads=(
        *(Workload(members, size) for size in (KIB, 10 * KIB, MIB) for members in (1, 5, 50)),
        *_ON_NEW_CONNECTIONS,
    ),
    latencies=2000,
    stored=200_000,
    starts=5,
    disk=30 * GIB,
)
QUICK = Plan(
    runs=1,
    seconds=1.0,
    workloads=(
        *(Workload(members, size) for size in (10 * KIB, MIB) for members in (1, 5, 50)),
        *_ON_NEW_CONNECTIONS,
    ),
    latencies=500,
    stored=10_000,
    starts=3,
    disk=15 * GIB,
)


def messages_for(
    rate: float, workload: Workload, *, seconds: float, sessions: int, shared: bool
) -> int:
    """Return how many messages take about `seconds` at `rate`, a multiple of `sessions`.

    At least three a session, and at most what writes 1.5 GiB; `shared` says that a message is
    written once for all members.
    """
    written = workload.size * (1 if shared else workload.members)
    wanted = min(round(rate * seconds), _MOST_MESSAGES, _MOST_BYTES // written)
    return max(_LEAST_PER_SESSION * sessions, wanted - wanted % sessions)


def size_text(size: int) -> str:
    """Return a size as 1 KB, 10 KB, 1 MB; KB and MB are the binary ones."""
    return f"{size // MIB} MB" if size % MIB == 0 else f"{size // KIB} KB"

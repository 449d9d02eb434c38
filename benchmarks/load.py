"""The load generator: smtp-source of Postfix, the same program and options for every server.

Rules kept here:
- Connections are kept (`-d`): a session sends message after message and quits at the end. It says
  HELO and does not pipeline, so a message costs four round trips. Or each message has a connection
  of its own. smtp-source never pipelines: `benchmarks.pipelining` does, which costs more itself.
- Every message has its own Message-Id; the content is lines of 80 octets.
- Any reply that is not the expected one ends it with a fault. No message is sent twice.
"""

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.faults import BenchmarkFault
from benchmarks.plan import Way
from benchmarks.servers import Endpoint

SESSIONS = 10
_PROGRAM = "smtp-source"


@dataclass(frozen=True, slots=True)
class Load:
    """How much mail to send where; `size` is the octets of each message's body."""

    recipient: str
    messages: int
    size: int
    sessions: int = SESSIONS
    way: Way = "kept"


def send(target: Endpoint, load: Load, *, timeout: float) -> float:
    """Send it all and return the seconds until the last 250.

    Raises BenchmarkFault when a reply is not the expected one or `timeout` seconds are over.
    """
    started = time.perf_counter()
    try:
        done = subprocess.run(
            command(target, load), capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise BenchmarkFault(f"{_PROGRAM} was not done after {timeout:.0f} s: {load}") from None
    if done.returncode != 0 or done.stderr:
        raise BenchmarkFault(f"{_PROGRAM} failed: {done.stderr.strip() or done.returncode}")
    return time.perf_counter() - started


def command(target: Endpoint, load: Load) -> list[str]:
    """Return the command line that sends `load`."""
    if load.way == "pipelined":
        words = (load.recipient, load.messages, load.size, load.sessions)
        return [
            *(sys.executable, "-m", "benchmarks.pipelining"),
            *(target.host, str(target.port), *map(str, words)),
        ]
    return [
        program(_PROGRAM),
        *("-s", str(load.sessions), *(["-d"] if load.way == "kept" else [])),
        *("-m", str(load.messages), "-l", str(load.size)),
        *("-M", "client.test", "-f", "sender@client.test", "-t", load.recipient),
        f"inet:{target.host}:{target.port}",
    ]


def program(name: str) -> str:
    """Return the path of a program of Debian's postfix package, or raise BenchmarkFault."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise BenchmarkFault(f"{name} is missing; on Debian: apt-get install postfix")
    return found

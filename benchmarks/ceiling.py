"""The rate of the load generator itself: smtp-source into a receiver that keeps nothing.

No server can be measured faster than this on the same machine; close to it, the generator is what
is measured. The receiver is a process of its own: `python -m benchmarks.ceiling`. (Debian's
smtp-sink reads octet by octet and would be the limit itself at 1 MB.)
"""

import contextlib
import selectors
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

from benchmarks import load
from benchmarks.faults import BenchmarkFault
from benchmarks.figures import Figure
from benchmarks.plan import KIB, MIB, Plan, size_text
from benchmarks.servers import Endpoint, list_address

_TIMEOUT = 120.0
_END = b"\r\n.\r\n"
_READ = 512 * KIB


def measure(plan: Plan, *, tell: Callable[[str], None]) -> list[Figure]:
    """Measure the generator's rate at every size of the plan."""
    figures: list[Figure] = []
    with _receiver() as target:
        for size in sorted({workload.size for workload in plan.workloads}):
            tell(f"ceiling: smtp-source, {size_text(size)}")
            messages = 1_000 if size >= MIB else 10_000
            mail = load.Load(list_address(1), messages, size)
            seconds = load.send(target, mail, timeout=_TIMEOUT)
            what = f"smtp-source into nothing, {size_text(size)}"
            figures.append(Figure(what, messages / seconds, "msg/s"))
    return figures


@contextlib.contextmanager
def _receiver() -> Iterator[Endpoint]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.ceiling"], stdout=subprocess.PIPE, text=True
    )
    try:
        port = process.stdout.readline() if process.stdout else ""
        if not port:
            raise BenchmarkFault("the receiver of the ceiling did not start")
        yield Endpoint("127.0.0.1", int(port))
    finally:
        process.terminate()
        process.communicate(timeout=10)


def receive() -> None:
    """Listen on a free port, print it, and answer smtp-source until told to stop."""
    waiting = selectors.DefaultSelector()
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        print(listener.getsockname()[1], flush=True)
        waiting.register(listener, selectors.EVENT_READ, None)
        while True:
            for key, _ in waiting.select():
                session: _Session | None = key.data
                if session is None:
                    accepted, _ = listener.accept()
                    waiting.register(accepted, selectors.EVENT_READ, _Session(accepted))
                elif not session.read():
                    waiting.unregister(session.connection)
                    session.connection.close()


class _Session:
    """One connection, whose client sends one command at a time as smtp-source does."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._in_content = False
        self._tail = b""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"220 ready\r\n")

    def read(self) -> bool:
        """Read what is there and answer it; return whether the connection lives on."""
        octets = self.connection.recv(_READ)
        if self._in_content:
            self._tail = (self._tail + octets[-len(_END) :])[-len(_END) :]
            if self._tail == _END:
                self._in_content, self._tail = False, b""
                self.connection.sendall(b"250 gone\r\n")
        elif octets.startswith(b"DATA"):
            self._in_content = True
            self.connection.sendall(b"354 go on\r\n")
        elif octets:
            self.connection.sendall(b"250 well\r\n")
        return bool(octets) and not octets.startswith(b"QUIT")


if __name__ == "__main__":
    receive()

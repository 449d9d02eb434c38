"""A DNS server on loopback for the benchmarks, in a process of its own: it answers, or is silent.

`python -m benchmarks.name_server` prints its port, then answers until its input ends. Its input is
lines: `NAME<tab>TEXT` publishes a TXT record, `silent` and `answers` say what to do from then on.
"""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

_TTL = 3600


@dataclass(frozen=True, slots=True)
class NameServer:
    """The running server, and how to tell it."""

    port: int
    _input: IO[str]

    def tell(self, line: str) -> None:
        """Publish a record, or change the mood."""
        self._input.write(line + "\n")
        self._input.flush()


@contextmanager
def run_name_server(records: Mapping[str, str]) -> Iterator[NameServer]:
    """Run a server with these TXT records."""
    command = [sys.executable, "-m", "benchmarks.name_server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        server = NameServer(int(process.stdout.readline()), process.stdin)
        for name, text in records.items():
            server.tell(f"{name}\t{text}")
        yield server
        process.stdin.close()


class _Zone:
    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self.is_silent = False

    def obey(self, line: str) -> None:
        if "\t" in line:
            name, text = line.split("\t")
            self.records[name + "."] = text
        else:
            self.is_silent = line == "silent"

    def answer(self, wire: bytes) -> bytes | None:
        if self.is_silent:
            return None
        query = dns.message.from_wire(wire)
        (question,) = query.question
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        name = question.name.to_text().lower()
        text = self.records.get(name) if question.rdtype == dns.rdatatype.TXT else None
        if text is not None:
            parts = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
            response.answer.append(dns.rrset.from_text(name, _TTL, "IN", "TXT", parts))
        elif not any(known.endswith(name) for known in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()


def main() -> None:
    """Answer until the input ends."""
    zone = _Zone()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)

        def serve() -> None:
            while True:
                wire, peer = listener.recvfrom(4096)
                answer = zone.answer(wire)
                if answer is not None:
                    listener.sendto(answer, peer)

        threading.Thread(target=serve, daemon=True).start()
        for line in sys.stdin:
            zone.obey(line.rstrip("\n"))


if __name__ == "__main__":
    main()

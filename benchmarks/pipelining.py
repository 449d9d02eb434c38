"""A load generator that pipelines as Postfix's client does, with a connection for each message.

- The envelope and DATA leave in one write, the content with its dot and QUIT in another: from the
  banner to the goodbye a message takes four round trips.
- Two processes share the sessions, each with a thread for every session of its own.
- Any reply that is not the expected one ends it with a fault.
"""

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

from benchmarks import wire
from benchmarks.faults import BenchmarkFault
from benchmarks.load import Load
from benchmarks.servers import Endpoint

_PROCESSES = 2


def main(words: Sequence[str]) -> int:
    """Send what the words say: host, port, recipient, messages, octets of each, sessions."""
    host, port, recipient, *numbers = words
    messages, size, sessions = map(int, numbers)
    mail = Load(recipient, messages, size, sessions)
    work = partial(_process, Endpoint(host, int(port)), mail)
    try:
        # Forked, a process would begin with what this one has open.
        with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
            list(pool.map(work, range(_PROCESSES)))
    except (BenchmarkFault, OSError) as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


def _process(target: Endpoint, mail: Load, number: int) -> None:
    """Be one process: the sessions whose numbers are its own."""
    own = range(number, mail.sessions, _PROCESSES)
    session = partial(_session, target, mail)
    with ThreadPoolExecutor(max(1, len(own))) as threads:
        list(threads.map(session, own))


def _session(target: Endpoint, mail: Load, number: int) -> None:
    lines = wire.lines(mail.size)
    for place in range(number, mail.messages, mail.sessions):
        with wire.Client(target) as client:
            client.send_pipelined(mail.recipient, wire.header(place) + lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

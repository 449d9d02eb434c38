"""`python -m benchmarks.store_size`: what a message and a copy take in the store, on both engines.

Rules kept here:
- A message is 10 KB: a text of common words, and a file in base64 that nothing can compress.
- It is measured once all jobs have done with it: parsed, indexed, counted.
- One list has one member, another one twenty: the difference is what nineteen copies take.
- The PostgreSQL is one of its own, in the directory of the run, as in `benchmarks.postgresql`.
  Octets of its write-ahead log are counted, too: they are what its disk and its standby get.
- Sizes, not times: other work on the machine changes nothing.
"""

import argparse
import base64
import contextlib
import http.client
import random
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

from benchmarks import postgresql, wire
from benchmarks.faults import BenchmarkFault
from benchmarks.postroom_server import PostroomServer, prepare_store, run_postroom
from benchmarks.servers import list_address

_MANY = 20
_FILE = 5_600
_DONE_SECONDS = 600.0
_BACKLOG = re.compile(rb"(?m)^postroom_backlog\{[^}]*\} (\S+)")


def main() -> None:
    """Print a line for each engine."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store_size")
    parser.add_argument("--messages", type=int, default=1000, help="to each of the two lists")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # PostgreSQL does not run as root
        tell("SQLite", _on_sqlite(Path(folder), given.messages))
        tell("PostgreSQL", _on_postgresql(Path(folder), given.messages))


def tell(engine: str, sizes: Mapping[str, Mapping[int, float]]) -> None:
    """Print what a message takes with one copy, and each further copy, of each kind of octets."""
    for kind, found in sizes.items():
        copy = (found[_MANY] - found[1]) / (_MANY - 1)
        print(f"{engine}, {kind}: {found[1] - copy:,.0f} octets a message, {copy:,.0f} a copy")


def _on_sqlite(folder: Path, messages: int) -> dict[str, dict[int, float]]:
    data = folder / "sqlite"
    prepare_store(data, [1, _MANY])
    sizes: dict[int, float] = {}
    for members in (1, _MANY):
        before = _file_size(data)
        _fill(data, members, messages, {})
        sizes[members] = (_file_size(data) - before) / messages
    return {"store": sizes}


def _file_size(data: Path) -> int:
    """Return the octets of the store's file: the server that had it open has written all there."""
    return (data / "postroom.db").stat().st_size


def _on_postgresql(folder: Path, messages: int) -> dict[str, dict[int, float]]:
    sizes: dict[int, float] = {}
    written: dict[int, float] = {}
    with postgresql.running_cluster(folder / "postgresql") as url:
        settings = {"POSTROOM_STORE": url}
        data = folder / "postgresql" / "postroom"
        prepare_store(data, [1, _MANY], settings=settings)
        for members in (1, _MANY):
            began = _at_postgresql(url)
            _fill(data, members, messages, settings)
            ended = _at_postgresql(url)
            sizes[members] = (ended[0] - began[0]) / messages
            written[members] = (ended[1] - began[1]) / messages
    return {"store": sizes, "log": written}


def _at_postgresql(url: str) -> tuple[int, int]:
    """Return the octets of the database, and those of the write-ahead log so far."""
    with psycopg.connect(url, autocommit=True) as operator:
        operator.execute("VACUUM")
        operator.execute("CHECKPOINT")
        row = operator.execute(
            "SELECT pg_database_size(current_database()), pg_current_wal_lsn() - '0/0'::pg_lsn"
        ).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])


def _fill(data: Path, members: int, messages: int, settings: Mapping[str, str]) -> None:
    """Send the messages to a list, and wait until no job has anything to do with them."""
    words = random.Random(members)
    with run_postroom(data, settings=settings) as server:
        with wire.Client(server.smtp) as client:
            for number in range(messages):
                client.send(list_address(members), _message(number, words))
        deadline = time.monotonic() + _DONE_SECONDS
        while _waiting(server):
            if time.monotonic() > deadline:
                raise BenchmarkFault("the jobs do not come to an end")
            time.sleep(0.5)


def _waiting(server: PostroomServer) -> float:
    connection = http.client.HTTPConnection(server.http.host, server.http.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        return sum(map(float, _BACKLOG.findall(connection.getresponse().read())))


def _message(number: int, words: random.Random) -> bytes:
    """Return 10 KB: a text of words as often as in a language, and a file."""
    text = " ".join(f"word{int(words.paretovariate(1)) % 5_000}" for _ in range(250))
    file = base64.encodebytes(words.randbytes(_FILE)).replace(b"\n", b"\r\n")
    lines = re.sub(r"(.{60,76}) ", r"\1\r\n", text).encode()
    return b"".join(
        (
            wire.header(number).removesuffix(b"\r\n"),
            b'Mime-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n',
            b"--b\r\nContent-Type: text/plain\r\n\r\n" + lines + b"\r\n",
            b"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n",
            b'Content-Disposition: attachment; filename="file.pdf"\r\n\r\n' + file,
            b"--b--",
        )
    )


if __name__ == "__main__":
    main()

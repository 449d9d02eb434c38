"""No 250 before the message is on stable storage, as the kernel sees it (`strace`)."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.programs import need
from tests.support.fixtures import MakeServer
from tests.support.server import Server
from tests.support.smtp import message

TRACED = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,fsync,fdatasync"
DOT = re.compile(r'\b(?:read|readv|recvfrom|recvmsg)\(.*\\r\\n\.\\r\\n"')
RESUMED_DOT = re.compile(r'<\.\.\. (?:read|readv|recvfrom|recvmsg) resumed>.*\\r\\n\.\\r\\n"')
SYNCED = re.compile(r"(?:f(?:data)?sync\([^)]*\)|f(?:data)?sync resumed>.*\)) += 0$")
ACCEPTED = re.compile(r'\b(?:write|writev|sendto|sendmsg)\(.*"250 2\.\d\.0 [^"]*\\r\\n"')
BEGUN = re.compile(r'\b(?:write|writev|sendto|sendmsg)\(.*"354 ')


@contextmanager
def traced(server: Server, output: Path) -> Iterator[None]:
    """Attach strace to the running server; skip by name where that is refused."""
    strace = need("strace", "strace")
    command = [strace, "-f", "-s", "200", "-e", f"trace={TRACED}", "-o", str(output)]
    tracer = subprocess.Popen(
        [*command, "-p", str(server.pid)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert tracer.stderr is not None
    try:
        said = tracer.stderr.readline().decode()
        if "attached" not in said:
            _refused(said)
        time.sleep(0.3)  # -f attaches to each thread in turn
        yield
    finally:
        tracer.terminate()
        tracer.wait(20)
        tracer.stderr.close()


def _refused(said: str) -> None:
    reason = f"strace may not look at the server: {said.strip()}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def syncs_before_each_250(trace: str) -> list[int]:
    """Count the fsyncs that ended between the last octet of each content and its 250."""
    counts: list[int] = []
    inside = False
    synced: int | None = None
    for line in trace.splitlines():
        if BEGUN.search(line):
            inside, synced = True, None
        elif inside and (DOT.search(line) or RESUMED_DOT.search(line)):
            synced = 0
        elif synced is not None and SYNCED.search(line):
            synced += 1
        elif inside and ACCEPTED.search(line):
            assert synced is not None, "the end of the content was not seen"
            counts.append(synced)
            inside, synced = False, None
    return counts


@pytest.mark.parametrize(
    ("size", "least"),
    [
        pytest.param(1_000, 1, id="small"),
        # The content file, its directory, the commit.
        pytest.param(2_000_000, 3, id="large"),
    ],
)
def test_a_sync_ends_between_the_dot_and_every_250(
    own_server: MakeServer, tmp_path: Path, size: int, least: int
) -> None:
    server = own_server()
    output = tmp_path / "trace"
    with server.client(timeout=60) as client:
        with traced(server, output):
            for number in range(10):
                content = message(f"synced {number}", b"line\r\n" * (size // 6))
                client.open_content(["team@example.test"])
                client.send(content)
                time.sleep(0.05)  # so that the dot is a read of its own
                client.send(b"end\r\n.\r\n")
                assert client.reply().code == 250
        client.quit()
    counts = syncs_before_each_250(output.read_text(errors="replace"))
    assert len(counts) == 10, counts
    assert min(counts) >= least, counts


def test_the_reader_of_traces_knows_a_missing_sync() -> None:
    good = (
        '7 write(9, "354 Go ahead\\r\\n", 14) = 14\n'
        '7 read(9, "Hello\\r\\n.\\r\\n", 65536) = 10\n'
        "8 fdatasync(11) = 0\n"
        '7 write(9, "250 2.6.0 Accepted\\r\\n", 20) = 20\n'
    )
    assert syncs_before_each_250(good) == [1]
    assert syncs_before_each_250(good.replace("8 fdatasync(11) = 0\n", "")) == [0]
    unfinished = good.replace(
        "8 fdatasync(11) = 0\n",
        "8 fdatasync(11 <unfinished ...>\n8 <... fdatasync resumed>) = 0\n",
    )
    assert syncs_before_each_250(unfinished) == [1]

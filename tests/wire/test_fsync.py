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
from tests.support.patience import HANG_SECONDS
from tests.support.process_ids import await_traced
from tests.support.server import Server
from tests.support.smtp import message

TRACED = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,fsync,fdatasync"
DOT = re.compile(r'\b(?:read|readv|recvfrom|recvmsg)\(.*\\r\\n\.\\r\\n"')
RESUMED_DOT = re.compile(r'<\.\.\. (?:read|readv|recvfrom|recvmsg) resumed>.*\\r\\n\.\\r\\n"')
SYNC = re.compile(r"^(\d+) +f(?:data)?sync\(\d+<([^>]*)>(?:\)| <unfinished)")
SYNC_ENDED = re.compile(r"^(\d+) .*f(?:data)?sync.* = 0$")
ACCEPTED = re.compile(r'\b(?:write|writev|sendto|sendmsg)\(.*"250 2\.\d\.0 [^"]*\\r\\n"')
BEGUN = re.compile(r'\b(?:write|writev|sendto|sendmsg)\(.*"354 ')


@contextmanager
def traced(server: Server, output: Path) -> Iterator[None]:
    """Attach strace to the running server; skip by name where that is refused."""
    strace = need("strace", "strace")
    command = [strace, "-f", "-y", "-s", "200", "-e", f"trace={TRACED}", "-o", str(output)]
    tracer = subprocess.Popen(
        [*command, *(f"-p{pid}" for pid in server.processes())],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert tracer.stderr is not None
    try:
        said = tracer.stderr.readline().decode()
        if "attached" not in said:
            _refused(said)
        await_traced(server.processes(), HANG_SECONDS)
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


def synced_before_each_250(trace: str) -> list[list[str]]:
    """Return the paths whose fsync ended between the last octet of each content and its 250."""
    found: list[list[str]] = []
    inside = False
    synced: list[str] | None = None  # once the end of the content was read
    syncing: dict[str, str] = {}  # by thread
    for line in trace.splitlines():
        if begun := SYNC.match(line):
            syncing[begun[1]] = begun[2]
        if BEGUN.search(line):
            inside, synced = True, None
        elif inside and (DOT.search(line) or RESUMED_DOT.search(line)):
            synced = []
        elif synced is not None and (ended := SYNC_ENDED.match(line)):
            synced.append(syncing.pop(ended[1]))
        elif inside and ACCEPTED.search(line):
            assert synced is not None, "the end of the content was not seen"
            found.append(synced)
            inside, synced = False, None
    return found


@pytest.mark.parametrize("size", [1_000, 600_000], ids=["small", "large"])
def test_what_a_250_promises_is_synced_before_it(
    own_server: MakeServer, tmp_path: Path, size: int
) -> None:
    server = own_server()
    output = tmp_path / "trace"
    with server.client(timeout=60) as client:
        with traced(server, output):
            for number in range(10):
                content = message(f"synced {number}", b"line\r\n" * (size // 6))
                client.open_content(["team@example.test"])
                client.send(content)
                time.sleep(0.2)  # so that the dot is a read of its own
                client.send(b"end\r\n.\r\n")
                assert client.reply().code == 250
        client.quit()
    each = synced_before_each_250(output.read_text(errors="replace"))
    assert len(each) == 10, each
    for paths in each:
        assert paths[-1].endswith("-wal"), f"not the commit: {paths}"
        if size > 256 << 10:  # a file of its own: its octets and its name before the commit
            assert {Path(path).is_dir() for path in paths[:-1]} == {True, False}, paths


def test_the_reader_of_traces_knows_a_missing_sync() -> None:
    good = (
        '7 write(9<socket:[1]>, "354 Go ahead\\r\\n", 14) = 14\n'
        '7 read(9<socket:[1]>, "Hello\\r\\n.\\r\\n", 65536) = 10\n'
        "8 fdatasync(11</store/x-wal>) = 0\n"
        '7 write(9<socket:[1]>, "250 2.6.0 Accepted\\r\\n", 20) = 20\n'
    )
    assert synced_before_each_250(good) == [["/store/x-wal"]]
    sync = "8 fdatasync(11</store/x-wal>) = 0\n"
    assert synced_before_each_250(good.replace(sync, "")) == [[]]
    in_two = (
        "8 fdatasync(11</store/x-wal> <unfinished ...>\n"
        "7 read(9<socket:[1]>, 65536) = -1 EAGAIN\n"
        "8 <... fdatasync resumed>) = 0\n"
    )
    assert synced_before_each_250(good.replace(sync, in_two)) == [["/store/x-wal"]]
    failed = "8 fdatasync(11</store/x-wal>) = -1 EIO (Input/output error)\n"
    assert synced_before_each_250(good.replace(sync, failed)) == [[]]

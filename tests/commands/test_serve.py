"""What `postroom serve` says when it starts, and what does not end it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import ROOT

ANYWHERE = {"POSTROOM_SMTP": "127.0.0.1:0", "POSTROOM_HTTP": "127.0.0.1:0"}
PATIENCE = 60.0


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Give `postroom serve` on a new store; its log is `log` in the folder of the test."""
    with (tmp_path / "log").open("wb") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--data", str(tmp_path / "store")],
            cwd=ROOT,
            env=os.environ | ANYWHERE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    with started:
        yield started
        started.terminate()
        assert started.wait(PATIENCE) == 0


def test_sighup_never_kills_even_while_it_starts_and_an_empty_store_is_told_what_to_type_next(
    serving: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """It begins once our code runs; what the interpreter does before is not ours."""
    assert serving.stdout is not None
    ignoring = Path(f"/proc/{serving.pid}/status")
    deadline = time.monotonic() + PATIENCE
    while not _heeds_no_hangup(ignoring.read_text()):
        assert time.monotonic() < deadline
    for _ in range(3):
        serving.send_signal(signal.SIGHUP)
    assert serving.stdout.readline().startswith(b"Ready: ")
    for _ in range(3):
        serving.send_signal(signal.SIGHUP)
        time.sleep(0.05)
    assert serving.poll() is None
    told = (tmp_path / "log").read_text()
    assert 'store_is_empty next="postroom tenant create NAME"' in told


def _heeds_no_hangup(status: str) -> bool:
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    either = int(fields["SigIgn"], 16) | int(fields["SigCgt"], 16)
    return bool(either & 1 << (signal.SIGHUP - 1))

"""Postfix's `smtp-sink`: a mail server that refuses or hangs up at a command as it is told."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator

from tests.programs import need
from tests.support.patience import HANG_SECONDS
from tests.support.server import quiet_port


@contextlib.contextmanager
def smtp_sink(*switches: str) -> Iterator[int]:
    """Run one on a port of loopback, with these switches; its port."""
    port = int(quiet_port().rpartition(":")[2])
    user = ("-u", "postfix") if os.geteuid() == 0 else ()
    command = [need("smtp-sink", "postfix"), *user, *switches, f"127.0.0.1:{port}", "100"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as sink:
        try:
            _await(port, sink)
            yield port
        finally:
            sink.kill()


def _await(port: int, sink: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
            return
        assert sink.poll() is None, sink.stderr and sink.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)

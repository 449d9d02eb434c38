"""Storage that fails under a running server: it is told, and nothing unsure is acknowledged."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.programs import need
from tests.support.fixtures import MakeServer
from tests.support.mailbox import Api
from tests.support.patience import HANG_SECONDS
from tests.support.process_ids import await_traced
from tests.support.server import Server
from tests.support.smtp import message

TEAM = ["team@example.test"]
ENDS_WITHIN = 15.0  # promised are ten, from the fault on; this machine may be busy


@contextmanager
def failing_syncs(server: Server) -> Iterator[None]:
    """Have one sync of the running server fail with EIO."""
    strace = need("strace", "strace")
    fault = "inject=fdatasync:error=EIO:when=1"
    tracer = subprocess.Popen(
        [strace, "-f", "-e", "trace=fdatasync", "-e", fault, "-o", "/dev/null", f"-p{server.pid}"],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert tracer.stderr is not None
    try:
        said = tracer.stderr.readline().decode()
        if "attached" not in said:
            reason = f"strace may not look at the server: {said.strip()}"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
        await_traced([server.pid], HANG_SECONDS)
        yield
    finally:
        tracer.terminate()
        tracer.wait(20)
        tracer.stderr.close()


def deliver(server: Server, subject: str) -> int:
    with server.client() as client:
        reply = client.deliver(message(subject), TEAM)
        client.quit()
    return reply.code


def readiness(server: Server) -> int:
    with Api(server.demo.http) as api:
        return api.call("GET", "/readyz").status


def store_up(server: Server) -> str:
    with Api(server.demo.http) as api:
        found = re.search(rb"(?m)^postroom_store_up (\S+)", api.call("GET", "/metrics").body)
    assert found is not None
    return found[1].decode()


def subjects(server: Server) -> list[str]:
    with server.mailboxes()[0] as mailbox:
        return sorted(str(record["subject"]) for record in mailbox.newest())


def test_a_sync_that_fails_ends_the_process_and_loses_nothing(own_server: MakeServer) -> None:
    server = own_server()
    assert deliver(server, "before") == 250
    with server.client() as client, Api(server.demo.http) as api:
        client.open_content(TEAM)
        with failing_syncs(server):
            began = time.monotonic()
            client.send(message("unsure") + b".\r\n")
            assert client.reply().code == 451
            assert api.call("GET", "/readyz").status == 503
            assert server.wait(ENDS_WITHIN) == 1
            assert time.monotonic() - began < ENDS_WITHIN
    assert re.search(r"ERROR.*storage_failed", server.log_tail(100_000))
    assert "Traceback" not in server.log_tail(100_000)

    server.start()
    assert deliver(server, "after") == 250
    assert {"before", "after"} <= set(subjects(server))
    server.audit_is_clean()


@pytest.mark.parametrize("replaced", [False, True], ids=["removed", "replaced"])
def test_a_log_that_is_lost_loses_nothing_that_was_acknowledged(
    own_server: MakeServer, replaced: bool
) -> None:
    server = own_server()
    sent = [f"message {number}" for number in range(5)]
    for subject in sent[:3]:
        assert deliver(server, subject) == 250
    log = server.store / "postroom.db-wal"
    earlier = log.read_bytes()
    for subject in sent[3:]:
        assert deliver(server, subject) == 250
    log.unlink()
    if replaced:
        log.write_bytes(earlier)

    assert server.wait(ENDS_WITHIN) == 1

    assert re.search(r"ERROR.*storage_failed", server.log_tail(100_000))
    server.start()
    assert subjects(server) == sent
    assert deliver(server, "after") == 250
    server.audit_is_clean()


def test_a_directory_that_was_moved_away_is_told_and_well_again_when_it_is_back(
    own_server: MakeServer,
) -> None:
    server = own_server()
    away = server.store.with_name("away")
    with server.client() as client:
        client.open_content(TEAM)
        server.store.rename(away)
        client.send(message("unsure") + b".\r\n")
        assert client.reply().code == 451
        client.command("RSET")
        time.sleep(0.05)  # the disk is asked a hundred times a second at most
        assert client.command("MAIL FROM:<sender@client.example>").code == 451
        assert readiness(server) == 503
        assert store_up(server) == "0.0"
        server.await_log("storage_away")  # once the watch has looked
        assert re.search(r"ERROR.*storage_away", server.log_tail())

        away.rename(server.store)

        assert readiness(server) == 200
        assert deliver(server, "after") == 250
    assert store_up(server) == "1.0"
    assert "Traceback" not in server.log_tail()
    server.audit_is_clean()


def test_what_is_left_of_a_failed_server_ends_with_it(own_server: MakeServer) -> None:
    server = own_server({"mail_processes": "3"})
    made = server.processes()[1:]
    os.kill(made[0], signal.SIGSTOP)
    (server.store / "postroom.db-wal").unlink()

    assert server.wait(ENDS_WITHIN) == 1

    deadline = time.monotonic() + HANG_SECONDS
    while any(os.path.exists(f"/proc/{pid}") for pid in made):  # noqa: PTH110
        assert time.monotonic() < deadline
        time.sleep(0.05)

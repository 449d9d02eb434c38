"""Postroom as it is shipped: `postroom serve` on a store that the `postroom` command prepared.

Rules kept here:
- Only the command line and its `--json` output are used, nothing is imported: what is measured is
  what an operator runs, with every setting at its default but for where things are.
- A store is prepared once and copied for each server, since fifty inboxes are a hundred commands.
- A 250 says that every copy is in its inbox, so there is nothing to wait for; `postroom audit`
  counts the copies afterwards.
- Stopping it is part of the measurement: it must end by itself, with status 0.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks import wire
from benchmarks.faults import BenchmarkFault
from benchmarks.servers import DOMAIN, Endpoint, free_endpoint, list_address, member_address

_COMMAND = Path(sys.executable).with_name("postroom")
_TENANT = "Bench"
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.005
_COMMAND_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class PostroomServer:
    """A running Postroom; `ready_seconds` is the time from its start until both ports served."""

    data: Path
    smtp: Endpoint
    http: Endpoint
    pid: int
    ready_seconds: float
    name: str = "Postroom"
    shares_content: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)

    def settle(self, *, timeout: float) -> None:
        """Return at once: an accepted message has its copies already."""

    def copies(self) -> int:
        """Count the copies with `postroom audit`; a copy owed and missing raises BenchmarkFault."""
        audit = _run(self.data, "audit", settings=self.settings)
        owed, present = audit["copies_owed"], audit["copies_present"]
        if not isinstance(present, int) or owed != present:
            raise BenchmarkFault(f"postroom audit: {owed} copies owed, {present} present")
        return present


def prepare_store(
    data: Path, members: Sequence[int], *, settings: Mapping[str, str] | None = None
) -> None:
    """Make a store with a list for each number of `members`, the same inboxes on all of them."""
    run = partial(_run, data, settings=settings)
    run("tenant", "create", _TENANT)
    run("domain", "trust", DOMAIN, "--tenant", _TENANT)
    for number in range(1, max(members) + 1):
        run("inbox", "create", member_address(number), "--tenant", _TENANT)
    for count in members:
        run(
            *("list", "create", list_address(count)),
            *("--tenant", _TENANT, "--name", f"Team of {count}"),
        )
        for number in range(1, count + 1):
            run("list", "add", list_address(count), member_address(number))


def copy_store(prepared: Path, data: Path) -> Path:
    """Copy a store that no server has open; return `data`."""
    shutil.copytree(prepared, data)
    return data


def make_token(
    data: Path, inbox: str, scopes: str, *, settings: Mapping[str, str] | None = None
) -> str:
    """Make a token of an inbox and return its secret."""
    words = ("token", "create", inbox, "--label", "bench", "--scopes", scopes)
    return str(_run(data, *words, settings=settings)["token"])


def make_admin(data: Path) -> str:
    """Make the user admin@bench.test, who may act for every inbox, and return the password."""
    words = (f"admin@{DOMAIN}", "--tenant", _TENANT, "--role", "owner")
    return str(_run(data, "user", "create", *words)["password"])


def give_inbox(data: Path, inbox: str, email: str) -> None:
    """Make this user the owner of an inbox."""
    _run(data, "inbox", "set", inbox, "--owner", email)


@contextlib.contextmanager
def run_postroom(
    data: Path, *, settings: Mapping[str, str] | None = None
) -> Iterator[PostroomServer]:
    """Start `postroom serve` on a store, wait until it is ready, and stop it at the end.

    `settings` are environment variables for what is not measured at its default.

    Raises BenchmarkFault when it is not ready within a minute or does not end cleanly.
    """
    smtp, http_endpoint = free_endpoint(), free_endpoint()
    started = time.perf_counter()
    process = _serving(data, smtp, http_endpoint, settings or {})
    try:
        _wait_ready(process, smtp, http_endpoint, _log_of(data))
        ready = time.perf_counter() - started
        yield PostroomServer(data, smtp, http_endpoint, process.pid, ready, settings=settings or {})
    except BaseException:
        process.kill()
        process.wait()
        raise
    _stop(process)


def _serving(
    data: Path, smtp: Endpoint, http: Endpoint, settings: Mapping[str, str], *, apart: bool = False
) -> subprocess.Popen[bytes]:
    """Start the server; `apart`: in a session of its own, to be killed with all its processes."""
    with _log_of(data).open("ab") as output:
        return subprocess.Popen(
            [_COMMAND, "serve"],
            env=_environment(data, smtp=smtp, http=http) | dict(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=apart,
        )


def _log_of(data: Path) -> Path:
    return data.with_name(data.name + ".log")


@contextlib.contextmanager
def run_killable(
    data: Path, *, settings: Mapping[str, str] | None = None
) -> Iterator[PostroomServer]:
    """Start `postroom serve` as `run_postroom` does; kill it with all its processes at the end."""
    smtp, http_endpoint = free_endpoint(), free_endpoint()
    process = _serving(data, smtp, http_endpoint, settings or {}, apart=True)
    try:
        _wait_ready(process, smtp, http_endpoint, _log_of(data))
        yield PostroomServer(data, smtp, http_endpoint, process.pid, 0.0, settings=settings or {})
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment(
    data: Path, *, smtp: Endpoint | None = None, http: Endpoint | None = None
) -> dict[str, str]:
    """Return this environment without settings of the caller's, and with ours.

    Nobody asks the machine's DNS who wrote the mail; `benchmarks.authentication` has its own.
    """
    settings = {"POSTROOM_DATA": str(data), "POSTROOM_AUTHENTICATION": "off"}
    if smtp is not None and http is not None:
        settings["POSTROOM_SMTP"] = f"{smtp.host}:{smtp.port}"
        settings["POSTROOM_HTTP"] = f"{http.host}:{http.port}"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("POSTROOM_")}
    return inherited | settings


def _wait_ready(
    process: subprocess.Popen[bytes], smtp: Endpoint, http: Endpoint, log: Path
) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not (_answers_http(http) and _answers_smtp(smtp)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchmarkFault(f"postroom serve is not ready: {log.read_text()[-500:]}")
        time.sleep(_POLL_SECONDS)


def _answers_http(endpoint: Endpoint) -> bool:
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _answers_smtp(endpoint: Endpoint) -> bool:
    try:
        with wire.Client(endpoint, timeout=10):
            return True
    except OSError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise BenchmarkFault(f"postroom serve did not end in {_STOP_SECONDS:.0f} s") from None
    if status != 0:
        raise BenchmarkFault(f"postroom serve ended with status {status}")


def _run(
    data: Path, *words: str, settings: Mapping[str, str] | None = None
) -> Mapping[str, object]:
    """Run a `postroom` command on a store and return the JSON object it prints."""
    return run_command(start_command(data, *words, settings=settings))


def start_command(
    data: Path, *words: str, settings: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a `postroom` command on a store."""
    return subprocess.Popen(
        [_COMMAND, *words, "--json"],
        env=_environment(data) | dict(settings or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_command(
    started: subprocess.Popen[str], seconds: float = _COMMAND_SECONDS
) -> Mapping[str, object]:
    """Wait for a command; the JSON object it prints. Raises BenchmarkFault when it fails."""
    words = " ".join(map(str, started.args if isinstance(started.args, list) else ()))
    try:
        out, err = started.communicate(timeout=seconds)
    except BaseException:
        started.kill()
        started.wait()
        raise
    if started.returncode != 0:
        raise BenchmarkFault(f"{words}: {err.strip()}")
    record = json.loads(out)
    if not isinstance(record, dict):
        raise BenchmarkFault(f"{words} printed no JSON object")
    return record

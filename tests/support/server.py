"""A running `postroom` as a process of its own.

Rules: nothing of the product is imported; ports are free ones unless given; a server that was
started is stopped again, by SIGTERM first; settings come from the environment only. With a `warm`
start the program is forked from one that has imported its modules (`warm_start`).
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from tests.support.certificates import certificate
from tests.support.mailbox import Api, Mailbox, Record
from tests.support.process_ids import Process, descendants, running, send_signal
from tests.support.smtp import HostPort, SmtpClient
from tests.support.warm_start import Launched, WarmStart

HOSTNAME = "mx.example.test"
ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 45.0  # the drain may take 30

# What every server of these tests runs with; the API's limits are other tests' business, no server
# asks the DNS of the machine who sent a message, and none waits for a balancer when it is stopped.
SETTINGS = {
    "hostname": HOSTNAME,
    "authentication": "off",
    "api_rate_per_minute": "1000000",
    "api_burst": "100000",
    "login_rate_per_minute": "100000",
    "unready_seconds": "0",
}

Settings = Mapping[str, str]


class ServerFault(AssertionError):
    """The server did not start, stop or answer the command line as it should."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What `postroom demo --json` printed."""

    smtp: HostPort
    http: str
    tenant_id: str
    owner: Record
    list_id: str
    team: str
    inboxes: tuple[Record, ...]
    domain: str
    lmtp: tuple[str, ...] = ()
    smtps: tuple[str, ...] = ()
    links: Record = field(default_factory=dict)

    @classmethod
    def from_record(cls, record: Record) -> Self:
        host, _, port = record["smtp"].rpartition(":")
        return cls(
            smtp=(host, int(port)),
            http=record["http"],
            tenant_id=record["tenant_id"],
            owner=record["owner"],
            list_id=record["list"]["list_id"],
            team=record["list"]["address"],
            inboxes=tuple(record["inboxes"]),
            domain=record["domain"],
            lmtp=tuple(record.get("lmtp", ())),
            smtps=tuple(record.get("smtps", ())),
            links=record.get("links", {}),
        )


class Server:
    """One store and the process that serves it, now or again after a kill.

    `root` is where the code of the next process is: another release, say.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings | None = None,
        *,
        smtp: str = "127.0.0.1:0",
        http: str = "127.0.0.1:0",
        wrapper: Sequence[str] = (),
        warm: WarmStart | None = None,
    ) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.settings = SETTINGS | _filled(settings or {}, folder)
        self.wrapper = tuple(wrapper)
        self.descriptors = 0  # or how many a warm one may have
        self.constants: Mapping[str, float] = {}  # that a warm one has instead of the product's
        self.root = ROOT
        self._asked = (smtp, http)
        self._warm = warm
        self._process: subprocess.Popen[bytes] | Launched | None = None
        self._left_behind: list[Process] = []  # children of a process that was killed alone
        self._demo: Demo | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def demo(self) -> Demo:
        if self._demo is None:
            raise ServerFault("the server was not started")
        return self._demo

    @property
    def process(self) -> subprocess.Popen[bytes] | Launched:
        if self._process is None:
            raise ServerFault("no process is running")
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    def start_demo(self) -> Demo:
        """Make the demo store and serve it; return once both ports accept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        smtp, http = self._asked
        options = ["--data", str(self.store), "--smtp", smtp, "--http", http, "--json"]
        self._spawn(["demo", *options])
        self._demo = Demo.from_record(self._first_line())
        return self._demo

    def start(self, *, cold: bool = False) -> float:
        """Serve the store again, `cold`: as a user starts it; the seconds until both accept."""
        started = time.monotonic()
        self._warm = None if cold else self._warm
        self._spawn(["serve"])
        self._await_ready()
        return time.monotonic() - started

    def start_printing(self) -> Record:
        """Serve with the settings as they are; the document that is printed at the start."""
        self._spawn(["serve", "--json"])
        return self._first_line()

    def start_beside(self, other: "Server", *, apart: bool = False) -> None:
        """Serve the store of another server as well, on ports of our own.

        With `apart` from a data directory of our own, as on another machine.
        """
        smtp, http = self._asked
        host, _, port = smtp.rpartition(":")
        self.store = self.store if apart else other.store
        self._demo = replace(other.demo, smtp=(host, int(port)), http=f"http://{http}")
        self.start()

    def processes(self) -> list[int]:
        """Return the ids of the process and of those it made."""
        return [self.pid, *descendants(self.pid)]

    def kill(self) -> None:
        """End all its processes as a power switch would."""
        for pid in self.processes():
            send_signal(pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)
        self._process = None

    def kill_first(self) -> None:
        """End the first process alone; those it made have to notice, and end by themselves."""
        self._left_behind += running(self.processes()[1:])
        self.process.kill()
        self.process.wait(STOP_SECONDS)
        self._process = None

    def pause(self) -> None:
        """Hold all its processes still, so that what is sent is there when they wake."""
        for pid in self.processes():
            send_signal(pid, signal.SIGSTOP)
        time.sleep(0.05)  # the signal takes effect at a process's next breath

    def resume(self) -> None:
        for pid in self.processes():
            send_signal(pid, signal.SIGCONT)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float = STOP_SECONDS) -> int:
        """Wait for the process to end by itself; its exit status."""
        status = self.process.wait(timeout)
        self._process = None
        return status

    def stop(self) -> int | None:
        """Stop by SIGTERM, in the end by SIGKILL; the exit status, None when none was running."""
        if self._process is None:
            return None
        made = [*self._left_behind, *running(self.processes()[1:])]
        self.resume()
        self.terminate()
        try:
            status = self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFault(f"SIGTERM was not obeyed in {STOP_SECONDS} s") from None
        self._must_be_gone(made)
        return status

    def address(self, kind: str) -> HostPort | str:
        """Return where a listener is: smtp, smtps, lmtp, unix or proxy (the last two LMTP)."""
        if kind == "smtp":
            return self.demo.smtp
        for one in self.demo.smtps if kind == "smtps" else self.demo.lmtp:
            mark, colon, rest = one.rpartition(":")[0].rpartition(":")
            if one.startswith("unix:"):
                mark, rest = "unix", one.removeprefix("unix:")
            if mark == kind or not (colon or mark or kind in ("unix", "proxy")):
                return rest if kind == "unix" else (rest, int(one.rpartition(":")[2]))
        raise ServerFault(f"no listener {kind}")

    def client(self, *, source: str | None = None, timeout: float = 15.0) -> SmtpClient:
        """Return a connection that has been greeted and has said EHLO."""
        client = SmtpClient(self.demo.smtp, source=source, timeout=timeout)
        try:
            reply = client.greet()
            assert reply.code == 250, reply
        except BaseException:
            client.close()
            raise
        return client

    def mailboxes(self) -> list[Mailbox]:
        """Return a reader for each member inbox of the list."""
        return [
            Mailbox(self.demo.http, record["address"], record["token"])
            for record in self.demo.inboxes
        ]

    def owner(self) -> Api:
        """Return the API as the owner, signed in."""
        api = Api(self.demo.http)
        api.login(self.demo.owner["email"], self.demo.owner["password"])
        return api

    def postroom(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an operator command beside the server, on its store."""
        if self._warm is not None:
            return self._warm.run(arguments, self._environment(), timeout=60)
        return subprocess.run(
            self._command(arguments),
            env=self._environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def operator(self, *arguments: str) -> Record:
        """Run an operator command that must succeed; its JSON document."""
        done = self.postroom(*arguments, "--json")
        if done.returncode != 0:
            raise ServerFault(f"postroom {' '.join(arguments)}: {done.returncode}, {done.stderr}")
        return cast(Record, json.loads(done.stdout))

    def listed(self, inbox: str) -> list[Record]:
        """Return what `postroom messages list` shows of an inbox that has no token here."""
        document: object = self.operator("messages", "list", "--inbox", inbox)
        return cast(list[Record], document["results"] if isinstance(document, dict) else document)

    def audit_is_clean(self) -> None:
        """Fail unless `postroom audit` finds every copy that is owed."""
        done = self.postroom("audit", "--json")
        assert done.returncode == 0, f"audit: {done.stdout} {done.stderr}"

    def log_tail(self, octets: int = 6000) -> str:
        """Return the end of what the process wrote on stderr."""
        path = self.folder / "stderr.log"
        return path.read_bytes()[-octets:].decode("utf-8", "replace") if path.exists() else ""

    def await_log(self, word: str, *, seconds: float = 10) -> None:
        """Wait until the word stands at the end of what the process wrote on stderr."""
        for _ in _attempts(seconds, 0.05):
            if word in self.log_tail():
                return
        raise ServerFault(f"no {word} in the log\n{self.log_tail()}")

    def _spawn(self, arguments: Sequence[str]) -> None:
        if self._process is not None:
            raise ServerFault("a process is running already")
        with (
            (self.folder / "stdout.log").open("wb") as out,
            (self.folder / "stderr.log").open("ab") as err,
        ):
            if (warm := self._warm) and not self.wrapper and self.root == ROOT:
                own, fds = self._environment(), self.descriptors
                self._process = warm.launch(arguments, own, out, err, fds, constants=self.constants)
                return
            self._process = subprocess.Popen(
                [*_dying_with_us(), *self.wrapper, *self._command(arguments)],
                env=self._environment() | self._path(),
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "gateway", *arguments]

    def _path(self) -> dict[str, str]:
        return {} if self.root == ROOT else {"PYTHONPATH": str(self.root)}

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("POSTROOM_")}
        own = dict(self.settings)
        if self._demo is not None:
            host, port = self._demo.smtp
            own |= {
                "data": str(self.store),
                "smtp": f"{host}:{port}",
                "http": self._demo.http.removeprefix("http://"),
            }
        return kept | {f"POSTROOM_{key.upper()}": value for key, value in own.items()}

    def _first_line(self) -> Record:
        path = self.folder / "stdout.log"
        for _ in _attempts(START_SECONDS):
            line, newline, _ = path.read_bytes().partition(b"\n")
            if newline:
                return cast(Record, json.loads(line))
            self._must_be_running()
        self.kill()
        raise ServerFault(f"nothing on stdout in {START_SECONDS} s\n{self.log_tail()}")

    def _await_ready(self) -> None:
        for _ in _attempts(START_SECONDS):
            if self._ready():
                return
            self._must_be_running()
        self.kill()
        raise ServerFault(f"not ready in {START_SECONDS} s\n{self.log_tail()}")

    def _ready(self) -> bool:
        try:
            with SmtpClient(self.demo.smtp, timeout=5), Api(self.demo.http, timeout=5) as api:
                return api.call("GET", "/readyz").status == 200
        except OSError:
            return False

    def _must_be_gone(self, made: Sequence[Process]) -> None:
        for _ in _attempts(STOP_SECONDS):
            left = [one for one in made if one in running([one.pid])]
            if not left:
                return
        for one in left:
            send_signal(one.pid, signal.SIGKILL)
        raise ServerFault(f"{len(left)} of its processes did not end with it")

    def _must_be_running(self) -> None:
        status = self.process.poll()
        if status is not None:
            self._process = None
            raise ServerFault(f"the server ended with {status}\n{self.log_tail()}")


def _filled(settings: Settings, folder: Path) -> dict[str, str]:
    """Put a server's own paths in for {folder}, {certificate} and {key}."""
    places = {"{folder}": str(folder)}
    if any("{certificate}" in value for value in settings.values()):
        places["{certificate}"], places["{key}"] = map(str, certificate(folder))
    filled = {}
    for key, value in settings.items():
        filled[key] = re.sub(r"\{\w+\}", lambda found: places[found[0]], value)
    return filled


def _dying_with_us() -> list[str]:
    """Return the words before a command that end it when this process is ended unawares."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


@contextmanager
def heeding_interrupts() -> Iterator[None]:
    """Let children that start meanwhile heed SIGINT: a shell ignores it for background jobs."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _attempts(seconds: float, pause: float = 0.01) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(pause)


def quiet_port(host: str = "127.0.0.1") -> str:
    """Return `host:port` of a free port that no outgoing connection is given by the kernel.

    For servers that come back on their port: between two runs nobody else should get it.
    """
    for _ in range(200):
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return f"{host}:{port}"
    raise ServerFault("no free port between 20,000 and 32,000")

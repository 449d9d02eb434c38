"""A private PostgreSQL server: a cluster in a directory of its own, on a unix socket, no port.

Rules: it runs as an unprivileged user and as safely as Postroom demands, in memory where there is
room, for speed. It is stopped by its id, and by the kernel when the test process dies.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.programs import need
from tests.support.patience import HANG_SECONDS

MEMORY = Path("/dev/shm")
ROOM = 1 << 30
PREFIX = "postroom-pg-"
# Debian keeps the server's programs off everybody's PATH, one directory a version.
PLACES = tuple(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "min_wal_size": "32MB",
    "max_wal_size": "128MB",
    "autovacuum": "off",
    "dynamic_shared_memory_type": "mmap",
    "logging_collector": "off",
}


class PostgresServer:
    """One cluster and the process that serves it, now or again after a stop.

    A standby has the cluster of another server (`copy`).
    """

    def __init__(self, *, standby: bool = False) -> None:
        self._programs = Path(need("initdb", "postgresql", *PLACES)).parent
        in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
        place = MEMORY if in_memory else Path(tempfile.gettempdir())
        _sweep(place)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, self._user)
        self._process: subprocess.Popen[bytes] | None = None
        self._settings: Mapping[str, str] = {}
        if standby:
            return
        # An order of words that is not that of their octets: nothing may rely on it.
        self._run(
            self._programs / "initdb",
            f"--pgdata={self.folder / 'data'}",
            *("--username=postgres", "--auth=trust", "--no-sync"),
            *("--encoding=UTF8", "--locale=C.UTF-8", *_icu(self._programs)),
        )

    def copy(self, primary: "PostgresServer") -> None:
        """Have the cluster of a running server, as its standby, in place of our own."""
        found = need("pg_basebackup", "postgresql", *PLACES)
        beside = self._programs / "pg_basebackup"  # of the server's own version
        program = beside if beside.exists() else found
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        self._run(
            program,
            f"--pgdata={self.folder / 'data'}",
            f"--host={primary.folder}",
            *("--username=postgres", "--no-password", "--write-recovery-conf"),
            *("--checkpoint=fast", "--no-sync", "--no-manifest"),
        )

    def _run(self, *command: str | Path) -> None:
        made = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            user=self._user,
            extra_groups=[] if self._user else None,
        )
        assert made.returncode == 0, made.stdout + made.stderr

    def tell(self, *statements: str) -> None:
        """Run statements as its administrator, each for itself."""
        with psycopg.connect(self.url(), autocommit=True) as operator:
            for statement in statements:
                operator.execute(statement.encode())

    def url(self, database: str = "postgres", **parameters: str) -> str:
        """Return where a database of this server is, as the setting `store` takes it."""
        given = {"host": str(self.folder), "user": "postgres"} | parameters
        return f"postgresql:///{database}?" + "&".join(
            f"{name}={quote(value, safe='/')}" for name, value in given.items()
        )

    def start(self, settings: Mapping[str, str] | None = None) -> None:
        """Serve, with the settings of the last time or new ones; return once it answers."""
        self._settings = self._settings if settings is None else settings
        options = [f"-c{name}={value}" for name, value in {**SETTINGS, **self._settings}.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_dying_with_us(),
                    self._programs / "postgres",
                    *(f"-D{self.folder / 'data'}", f"-k{self.folder}", *options),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=self._user,
                extra_groups=[] if self._user else None,
            )
        self._await_answer()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT closes every connection first, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(HANG_SECONDS)
            self._process = None

    def hold(self, signal_number: signal.Signals) -> None:
        """Send SIGSTOP or SIGCONT to the server and to every one of its processes."""
        assert self._process is not None
        pid = self._process.pid
        for task in (pid, *_children(pid)):
            os.kill(task, signal_number)

    def remove(self) -> None:
        """Stop, and leave nothing behind."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + HANG_SECONDS
        while True:
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError:
                assert self._process is not None
                running = self._process.poll() is None and time.monotonic() < deadline
                assert running, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return


def _sweep(place: Path) -> None:
    """Remove what test processes that were killed have left behind."""
    for folder in place.glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _icu(programs: Path) -> list[str]:
    told = subprocess.run([programs / "initdb", "--help"], capture_output=True, check=True).stdout
    return ["--locale-provider=icu", "--icu-locale=en"] if b"--icu-locale" in told else []


def _dying_with_us() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "QUIT"] if setpriv else []


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

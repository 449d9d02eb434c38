"""PgBouncer in front of a PostgreSQL server, on a unix socket: Debian's, run as an ordinary user.

Rules: one database of its for each mode of pooling, named as the mode; it is stopped by its id. It
lends sessions as they were left, as PgBouncer does after a change of `pool_mode`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.programs import need
from tests.support.patience import HANG_SECONDS
from tests.support.postgres_server import PREFIX

MODES = ("session", "transaction", "statement")
_SETTINGS = """
[databases]
{databases}
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
auth_type = any
logfile = {folder}/log
pidfile = {folder}/pid
server_login_retry = 1
default_pool_size = 20
server_reset_query =
"""


class Pooler:
    """One PgBouncer in front of the database `database` of the server in a directory."""

    def __init__(self, server: Path, database: str) -> None:
        program = need("pgbouncer", "pgbouncer")
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-pooler-"))
        databases = "\n".join(
            f"{mode} = host={server} dbname={database} user=postgres pool_mode={mode}"
            for mode in MODES
        )
        settings = self.folder / "pgbouncer.ini"
        settings.write_text(_SETTINGS.format(databases=databases, folder=self.folder))
        user = "nobody" if os.geteuid() == 0 else None
        if user:
            for path in (self.folder, settings):
                shutil.chown(path, user)
        self._process = subprocess.Popen(
            [program, "--quiet", str(settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            user=user,
            extra_groups=[] if user else None,
        )
        self._await_answer()

    def url(self, mode: str) -> str:
        """Return the URL of a store behind it, pooled like this."""
        return f"postgresql:///{mode}?host={self.folder}&port=6432&user=postgres"

    def remove(self) -> None:
        """Stop, and leave nothing behind."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(HANG_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + HANG_SECONDS
        while True:
            try:
                psycopg.connect(self.url("session")).close()
            except psycopg.OperationalError:
                running = self._process.poll() is None and time.monotonic() < deadline
                log = self.folder / "log"
                assert running, log.read_text() if log.exists() else "it did not start"
                time.sleep(0.02)
            else:
                return

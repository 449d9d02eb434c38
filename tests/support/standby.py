"""Two PostgreSQL servers, of which one takes writes and the other follows it synchronously.

Rules: the hosts of the store stay the same, whichever of them takes writes; a failover is a crash
of the one and the promotion of the other, which then gets a standby of its own.
"""

from __future__ import annotations

import signal
import time
from urllib.parse import quote

import psycopg

from tests.support.postgres_server import PostgresServer

_FOLLOWS_SECONDS = 30.0
_FEW = {"max_connections": "30"}


class Pair:
    """A server and its synchronous standby."""

    def __init__(self) -> None:
        self.primary = PostgresServer()
        self.standby = PostgresServer(standby=True)
        self._hosts = [str(one.folder) for one in (self.primary, self.standby)]

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a store with both hosts."""
        hosts = ",".join(quote(host, safe="/") for host in self._hosts)
        return f"postgresql:///{database}?host={hosts}&user=postgres"

    def start(self) -> None:
        """Start both; return once every commit is on both."""
        self.primary.start(_FEW)
        self.follow()

    def follow(self) -> None:
        """Make the standby anew, and have the primary wait for it."""
        self.standby.copy(self.primary)
        self.standby.start(_FEW)
        self.primary.tell(
            "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"
        )
        self.await_standby()

    def await_standby(self) -> None:
        """Wait until the primary's commits wait for the standby, and no longer than that."""
        deadline = time.monotonic() + _FOLLOWS_SECONDS
        with psycopg.connect(self.primary.url(), autocommit=True) as operator:
            while not operator.execute(_IN_STEP).fetchall():
                assert time.monotonic() < deadline, "the standby does not follow"
                time.sleep(0.02)

    def fail_over(self) -> None:
        """Crash the primary and promote the standby; return once that takes writes."""
        self.primary.stop(signal.SIGQUIT)
        self.primary, self.standby = self.standby, self.primary
        self.primary.tell("SELECT pg_promote(true, 30)")

    def remove(self) -> None:
        for one in (self.primary, self.standby):
            one.remove()


_IN_STEP = b"SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'"

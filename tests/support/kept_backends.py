"""Backends of PostgreSQL that outlive a store: the next store of the same database gets them.

A backend takes longer to start, and to fill its caches, than most tests take. So where a store
closes a connection, its session is reset and waits for the next one, as with a PgBouncer between
the two: no setting, lock, statement or cursor of it is left.

Rules: only databases that were named, by `keep`, have kept backends; a connection that is lost, or
in the middle of something, is closed.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import pytest
from psycopg import AsyncConnection
from psycopg.abc import PQGenConn
from psycopg.pq import ConnStatus, ExecStatus, PGconn, TransactionStatus
from psycopg.pq.abc import PGconn as AnyPGconn

_RESET = (
    b"CLOSE ALL; RESET ALL; DEALLOCATE ALL; UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES;"
    b" SELECT pg_advisory_unlock_all()"
)


class KeptBackends:
    """The idle backends of one test process, by how they were connected."""

    def __init__(self) -> None:
        self._databases: set[str] = set()
        self._idle: dict[str, list[AnyPGconn]] = {}

    def keep(self, database: str) -> None:
        """From now on keep the backends of this database."""
        self._databases.add(database)

    def forget(self, database: str) -> None:
        """End the idle backends of this database, and keep none."""
        self._databases.discard(database)
        for waiting in self._idle.values():
            for one in [each for each in waiting if each.db.decode() == database]:
                waiting.remove(one)
                one.finish()

    def pids(self, database: str) -> list[int]:
        """Return the idle backends of this database."""
        every = [one for waiting in self._idle.values() for one in waiting]
        return [one.backend_pid for one in every if one.db.decode() == database]

    def take(self, conninfo: str) -> AnyPGconn | None:
        """Return one that was connected like this, if there is one."""
        waiting = self._idle.get(conninfo, [])
        while waiting:
            one = waiting.pop()
            if not _has_news(one):
                return one
            one.finish()
        return None

    def put(self, conninfo: str, one: AnyPGconn) -> bool:
        """Reset the session and keep it; False where it has to be closed."""
        is_idle = one.status == ConnStatus.OK and one.transaction_status == TransactionStatus.IDLE
        if not is_idle or one.db.decode() not in self._databases or _has_news(one):
            return False
        if one.exec_(_RESET).status != ExecStatus.TUPLES_OK:
            return False
        self._idle.setdefault(conninfo, []).append(one)
        return True


def _has_news(one: AnyPGconn) -> bool:
    """An idle server has nothing to say, but that it is going."""
    poll = select.poll()
    poll.register(one.socket, select.POLLIN)
    return bool(poll.poll(0))


@contextmanager
def keeping(kept: KeptBackends) -> Iterator[None]:
    """Have psycopg give away and take back what is kept."""
    connect, close = AsyncConnection._connect_gen.__func__, AsyncConnection.close  # type: ignore[attr-defined]
    conninfos = WeakKeyDictionary[AsyncConnection, str]()
    ended = PGconn.connect_start(b"host=/nowhere")
    ended.finish()

    def begin(cls: type[AsyncConnection], conninfo: str = "") -> PQGenConn[AsyncConnection]:
        one = kept.take(conninfo)
        made: AsyncConnection = cls(one) if one else (yield from connect(cls, conninfo))
        conninfos[made] = conninfo
        return made

    async def end(self: AsyncConnection) -> None:
        if not self.closed and self in conninfos and kept.put(conninfos[self], self.pgconn):
            self.pgconn, self._closed = ended, True
        else:
            await close(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsyncConnection, "_connect_gen", classmethod(begin))
        patch.setattr(AsyncConnection, "close", end)
        yield

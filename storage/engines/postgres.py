"""The engine for many machines: PostgreSQL 14 or newer through psycopg 3 and its pool.

- A write takes one advisory lock of the whole store before it looks at anything, and keeps it until
  its COMMIT is visible: one writer at a time, in whatever process, as BEGIN IMMEDIATE gives on
  SQLite. So what a transaction read still holds when it writes, and ids and events become visible
  in the order in which they were given. The group commit is what makes one writer enough.
- The lock's key comes from the names of database and schema: two stores on one server do not wait
  for each other. A write waits for its turn in this process, then for the lock: `WRITE_WAIT`
  seconds together at most.
- What nobody reads until a later transaction names it (pieces of contents) is written beside that:
  on connections of its own, without the lock.
- Readers go round fairly (`storage.engines.fair_turns`); a look-up by key has connections that no
  reader takes.
- A commit that gave an id tells the other processes (`storage.engines.postgres_notify`).
- A read is a REPEATABLE READ, READ ONLY snapshot. A look-up by key begins it with its first
  statement, in one round trip, and no caller waits for a ROLLBACK.
- A transaction runs in a task of its own: a caller that goes away does not stop its commit.
- A connection lost in COMMIT leaves the outcome unknown, and says so. A caller that tries again
  must be able to bear both, as a delivery does by its receipts. The same holds for a commit that an
  operator canceled while it waited for a synchronous standby: the server calls it done, and warns.
- Mail, look-ups and calls have `ANSWER_WITHIN` seconds for a transaction; the process's own work
  (a migration, the removal of a tenant) has no such bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncCursor
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow

from storage.clock import Clock
from storage.database import SEALED, Durable, Params, Row, Share, StoreFault, T, Work
from storage.engines.fair_turns import HOUSE, MAIL, WRITE_WAIT, CallersView, FairTurns
from storage.engines.postgres_connections import (
    Connection,
    Lender,
    answering,
    control,
    ending_within,
    inspect,
    loosened,
)
from storage.engines.postgres_notify import channel_of, is_hint_lost, listen
from storage.engines.servers.statements import numbered
from storage.errors import OutcomeUnknown, StoreUnavailable
from storage.ids import IdSource

_IDLE = TransactionStatus.IDLE
ANSWER_WITHIN = 60.0
_READERS = 6
_READERS_OF_ONE = 4
_LOOKING = 2
_BESIDE = 4

# Text compares by its octets, as in SQLite: by a locale's rules order and uniqueness would change
# with the machine's C library.
_DIALECT = {
    "engine": "postgres",
    "id": "BYTEA",
    "int64": "BIGINT",
    "bytes": "BYTEA",
    "text": 'TEXT COLLATE "C"',
    "clustered": "",
    "is_read_only": """current_setting('default_transaction_read_only') = 'on'
        OR pg_is_in_recovery()""",
}


class PostgresTx:
    """A transaction on one connection; its statements go one after the other.

    With `begin` it has not begun yet: that goes with the first statement, in one round trip.
    """

    __slots__ = ("_begin", "_cursor", "_ids")

    def __init__(self, connection: Connection, ids: IdSource | None, begin: str = "") -> None:
        self._cursor = connection.cursor(binary=True)
        self._ids = ids
        self._begin = begin

    @property
    def dialect(self) -> Mapping[str, str]:
        return _DIALECT

    async def execute(self, sql: str, params: Params | None = None) -> int:
        return (await self._run(sql, params)).rowcount

    async def execute_many(self, sql: str, rows: Sequence[Params]) -> None:
        statement = numbered(sql)
        if rows:
            await self._cursor.executemany(statement.text, [statement.values(row) for row in rows])

    async def execute_each(self, sql: str, rows: Sequence[Params]) -> list[int]:
        if not rows:
            return []
        statement, cursor = numbered(sql), self._cursor
        values = [statement.values(row) for row in rows]
        await cursor.executemany(statement.text, values, returning=True)
        counts = [cursor.rowcount]
        while cursor.nextset():
            counts.append(cursor.rowcount)
        return counts

    async def execute_all(self, statements: Mapping[str, Sequence[Params]]) -> None:
        async with self._cursor.connection.pipeline():
            for sql, rows in statements.items():
                await self.execute_many(sql, rows)

    async def fetch_one(self, sql: str, params: Params | None = None) -> Row | None:
        return await (await self._run(sql, params)).fetchone()

    async def fetch_all(self, sql: str, params: Params | None = None) -> list[Row]:
        return list(await (await self._run(sql, params)).fetchall())

    def new_id(self) -> bytes:
        if self._ids is None:
            raise RuntimeError("a read transaction makes no ids")
        return self._ids.next()

    async def _run(self, sql: str, params: Params | None) -> AsyncCursor[DictRow]:
        statement = numbered(sql) if params else None
        text = sql.encode() if statement is None else statement.text
        values = None if statement is None or params is None else statement.values(params)
        if not self._begin:
            return await self._cursor.execute(text, values)
        begin, self._begin = self._begin.encode(), ""
        connection = self._cursor.connection
        with answering(connection):
            async with connection.pipeline():
                await connection.execute(begin, prepare=False)
                await self._cursor.execute(text, values)
        return self._cursor


class PostgresLookups:
    """The store, for reading alone. Made by `open_postgres_lookups`."""

    def __init__(self, readers: Lender) -> None:
        self._readers = readers
        self._running: set[asyncio.Task[object]] = set()

    async def read_quick(self, work: Work[T]) -> T:
        return await self._answered(work, quick=True, within=ANSWER_WITHIN)

    async def read(self, work: Work[T]) -> T:
        return await self._answered(work)

    def route_generation(self) -> int | None:
        return None  # other machines write, too

    async def close(self) -> None:
        while self._running:
            await asyncio.wait(self._running)
        await self._readers.close()

    async def _apart(self, use: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(use)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _answered(
        self, work: Work[T], *, quick: bool = False, within: float | None = None
    ) -> T:
        """Return the result of a read as soon as it is there: nobody waits for the ROLLBACK."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._read(work, answer, quick=quick, within=within))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(answer)

    async def _read(
        self, work: Work[T], answer: asyncio.Future[T], *, quick: bool, within: float | None
    ) -> None:
        try:
            async with self._readers.lend() as connection:
                if not quick:
                    with answering(connection):
                        await control(connection, _BEGIN_READ)
                try:
                    begin = _BEGIN_PEEK if quick else ""
                    with ending_within(connection, within):
                        answer.set_result(await work(PostgresTx(connection, None, begin)))
                finally:
                    await _roll_back(connection)
        except Exception as error:
            if not answer.done():  # else the connection was lost behind it: the pool replaces it
                answer.set_exception(error)
        finally:
            answer.cancel()  # of use only when this task was cancelled before the answer


class _Lenders(NamedTuple):
    """The connections of a store: for the one writer, beside it, and for reading."""

    writer: Lender
    beside: Lender
    readers: Lender

    async def open(self) -> None:
        for lender in self:
            await lender.open()


class PostgresDatabase(PostgresLookups):
    """The store in one schema of a PostgreSQL database. Made by `open_postgres`."""

    def __init__(self, store: str, lenders: _Lenders, ids: IdSource, lock: int) -> None:
        super().__init__(lenders.readers)
        self._store = store
        self._writer = lenders.writer
        self._beside = lenders.beside
        self._ids = ids
        self._lock = lock
        self._channel = channel_of(lock)
        self._listening: asyncio.Task[None] | None = None
        self._own_process: int | None = None
        self._keeps_floor = False
        self._reads = FairTurns(_READERS, most_of_one=_READERS_OF_ONE)
        self._writes = FairTurns(1)

    def for_caller(self, share: Share) -> CallersView:
        return CallersView(self, share)

    async def read(self, work: Work[T]) -> T:
        return await self.read_for(HOUSE, work)

    async def read_for(self, share: Share, work: Work[T]) -> T:
        async with self._reads.turn(share):
            return await self._answered(work, within=_within(share))

    async def write(self, work: Work[T]) -> T:
        return await self.write_for(HOUSE, work)

    async def write_for(self, share: Share, work: Work[T]) -> T:
        return await self._apart(self._write(share, work))

    async def commit(self, work: Work[T], *, changes_routes: bool = True) -> tuple[T, Durable]:
        return await self.write_for(MAIL, work), _durable_already()

    def hear_others(self, told: Callable[[], object]) -> None:
        def heard(process: int) -> None:
            if process != self._own_process:
                told()

        self._listening = asyncio.create_task(listen(self._store, self._channel, heard))

    async def write_beside(self, work: Work[T]) -> T:
        return await self._apart(self._write_beside(work))

    def fault(self) -> StoreFault | None:
        return None  # the server tells of its own at each transaction

    async def abandon(self) -> None:
        await self.close()

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
        await super().close()
        await self._beside.close()
        await self._writer.close()

    async def _write(self, share: Share, work: Work[T]) -> T:
        until = time.monotonic() + WRITE_WAIT
        async with (
            self._writes.turn(share, patience=WRITE_WAIT),
            self._writer.lend() as connection,
        ):
            try:
                before = await self._begin_write(connection, until)
                with ending_within(connection, _within(share)):
                    result = await work(PostgresTx(connection, self._ids))
                    if self._ids.last == before:
                        await _commit(connection)
                    else:
                        keep = _KEEP_FLOOR.format(self._ids.last)
                        await _commit(connection, before=keep, behind=f"NOTIFY {self._channel}")
                return result
            except BaseException:
                await _roll_back(connection)
                raise

    async def _write_beside(self, work: Work[T]) -> T:
        async with self._beside.lend() as connection:
            try:
                with answering(connection):
                    answer = await control(connection, f"{_BEGIN_WRITE}; SELECT {_SAFETY}")
                row = await answer.fetchone()
                assert row is not None
                await _require_safety(connection, row)
                with ending_within(connection, ANSWER_WITHIN):
                    result = await work(PostgresTx(connection, None))
                    await _commit(connection)
                return result
            except BaseException:
                await _roll_back(connection)
                raise

    async def _begin_write(self, connection: Connection, until: float) -> int:
        """Take the lock, then learn the highest id that any process gave."""
        floor = _FLOOR if self._keeps_floor else _HAS_FLOOR
        left = max(0.001, until - time.monotonic())
        with answering(connection, left):
            answer = await control(
                connection,
                f"{_BEGIN_WRITE}; SET LOCAL lock_timeout = {int(left * 1000)};"
                f" SELECT pg_advisory_xact_lock({self._lock}); {floor}",
            )
        row = await answer.fetchone()
        if not self._keeps_floor:  # before the first migration there is nothing to learn
            if row is None or not row["is_there"]:
                return self._ids.last
            self._keeps_floor = True
            row = await (await control(connection, _FLOOR)).fetchone()
        if row is None:
            return self._ids.last
        await _require_safety(connection, row)
        self._own_process = row["process"]
        self._ids.rise_to(row["value"])
        return self._ids.last


def _within(share: Share) -> float | None:
    return None if share == HOUSE else ANSWER_WITHIN


async def _require_safety(connection: Connection, row: Row) -> None:
    """Raises StoreUnavailable: a reload can change these at any moment, and a copy seals.

    Of several servers another one may take writes by now, so the connection is given up.
    """
    if row["sealed"] is not None:
        raise StoreUnavailable(SEALED)
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if row[name] == "off":
            raise StoreUnavailable(loosened(name))
    if row["read_only"] == "on":
        await connection.close()
        raise StoreUnavailable("the server is read-only (default_transaction_read_only)")


async def _durable_already() -> None:
    """COMMIT has returned: the server has flushed it (our sessions set `synchronous_commit`)."""


_BEGIN_PEEK = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
# A look-up by key has one plan. What scans has several, and which is good depends on the words and
# times that are looked for: a plan for all of them takes a hundred times as long for some.
_BEGIN_READ = f"{_BEGIN_PEEK}; SET LOCAL plan_cache_mode = force_custom_plan"
# Not READ WRITE: an operator, or a service whose disk is full, may have made the server read-only.
_BEGIN_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"
_WARNING = "01000"
_HAS_FLOOR = "SELECT to_regclass('store_state') IS NOT NULL AS is_there"
_SAFETY = """current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('transaction_read_only') AS read_only, pg_backend_pid() AS process,
    (SELECT value FROM store_state WHERE name = 'sealed') AS sealed"""
_FLOOR = f"SELECT value, {_SAFETY} FROM store_state WHERE name = 'last_id'"
_KEEP_FLOOR = "UPDATE store_state SET value = {} WHERE name = 'last_id'"


async def _commit(connection: Connection, *, before: str = "", behind: str = "") -> None:
    """Commit, with a statement before that and one behind it, in one message."""
    # A COMMIT after a statement that failed would roll back, without an error.
    if connection.info.transaction_status is TransactionStatus.INERROR:
        raise RuntimeError("the work hid an error of its transaction; nothing was stored")
    warned: list[str] = []

    def warn(told: psycopg.errors.Diagnostic) -> None:
        warned.append(f"{told.sqlstate} {told.message_primary}")

    connection.add_notice_handler(warn)
    try:
        await control(connection, "; ".join(filter(None, (before, "COMMIT", behind))))
    except psycopg.OperationalError as error:
        if connection.closed:
            raise OutcomeUnknown("the connection was lost in the middle of a COMMIT") from error
        if not is_hint_lost(error):
            if connection.info.transaction_status is _IDLE:  # COMMIT failed, or what is behind it
                raise OutcomeUnknown(f"after a COMMIT: {error}") from error
            raise
    finally:
        connection.remove_notice_handler(warn)
    # The standby that it waited for may not have it: "canceling wait for synchronous replication".
    if any(one.startswith(_WARNING) for one in warned):
        raise OutcomeUnknown(f"the server warned at a COMMIT: {warned}")


async def _roll_back(connection: Connection) -> None:
    """End the transaction; when that fails, so has the connection, which the pool will see."""
    with contextlib.suppress(psycopg.Error):
        if not connection.closed and connection.info.transaction_status is not _IDLE:
            await control(connection, "ROLLBACK")


async def open_postgres(store: str, clock: Clock) -> PostgresDatabase:
    """Open the store that the URL `store` names; its database and schema must be there.

    Raises StoreUnavailable when the server cannot be reached, or may lose what it committed.
    """
    server = await inspect(store)
    lenders = _Lenders(
        Lender(store, "writer", 1),
        Lender(store, "contents", _BESIDE, least=0),
        Lender(store, "readers", _READERS + _LOOKING),
    )
    await lenders.open()
    return PostgresDatabase(store, lenders, IdSource(clock), _lock_key(server))


async def open_postgres_lookups(store: str) -> PostgresLookups:
    """Open the store for look-ups; what is out of reach now is tried again at each of them."""
    readers = Lender(store, "lookups", _LOOKING)
    await readers.open()
    return PostgresLookups(readers)


def _lock_key(server: Row) -> int:
    name = f"postroom\0{server['database']}\0{server['schema']}"
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)

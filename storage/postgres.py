"""The engine for many machines: PostgreSQL 14 or newer through psycopg 3 and its pool.

- A write takes one advisory lock of the whole store before it looks at anything, and keeps it until
  its COMMIT is visible: one writer at a time, in whatever process, as BEGIN IMMEDIATE gives on
  SQLite. So what a transaction read still holds when it writes, and ids and events become visible
  in the order in which they were given. The group commit is what makes one writer enough.
- The lock's key comes from the names of database and schema: two stores on one server do not wait
  for each other. It is asked for at most `PATIENCE` seconds.
- A read is a REPEATABLE READ, READ ONLY snapshot.
- The server is asked at every new connection whether a commit survives a loss of power; one where
  it does not is refused.
- A transaction runs in a task of its own: a caller that goes away does not stop its commit.
- A connection lost in COMMIT leaves the outcome unknown, and says so. Who tries again must be able
  to bear both, as a delivery does by its receipts.
- A connection is looked at before it is lent, without asking the server; when one is dead the
  others are replaced with it, so one restart of the server costs a store one fault at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection, AsyncCursor, AsyncRawCursor
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg.types.numeric import NumericBinaryLoader, NumericLoader
from psycopg_pool import AsyncConnectionPool

from storage.clock import Clock
from storage.database import Durable, Params, Row, T, Work
from storage.errors import OutcomeUnknown, StoreFull, StoreUnavailable
from storage.ids import IdSource

OLDEST_SERVER = 14
PATIENCE = 5.0
_ANSWER_WITHIN = PATIENCE + 3
_CONNECT_WITHIN = 3
_READERS = 6

Connection = AsyncConnection[DictRow]

# Text compares by its octets, as in SQLite: by a locale's rules order and uniqueness would change
# with the machine's C library.
_DIALECT = {
    "engine": "postgres",
    "id": "BYTEA",
    "int64": "BIGINT",
    "bytes": "BYTEA",
    "text": 'TEXT COLLATE "C"',
    "clustered": "",
}


class PostgresTx:
    """A transaction on one connection; its statements go one after the other."""

    __slots__ = ("_cursor", "_ids")

    def __init__(self, connection: Connection, ids: IdSource | None) -> None:
        self._cursor = connection.cursor(binary=True)
        self._ids = ids

    @property
    def dialect(self) -> Mapping[str, str]:
        return _DIALECT

    async def execute(self, sql: str, params: Params | None = None) -> int:
        return (await self._run(sql, params)).rowcount

    async def execute_many(self, sql: str, rows: Sequence[Params]) -> None:
        statement = numbered(sql)
        if rows:
            await self._cursor.executemany(statement.text, [statement.values(row) for row in rows])

    async def fetch_one(self, sql: str, params: Params | None = None) -> Row | None:
        return await (await self._run(sql, params)).fetchone()

    async def fetch_all(self, sql: str, params: Params | None = None) -> list[Row]:
        return list(await (await self._run(sql, params)).fetchall())

    def new_id(self) -> bytes:
        if self._ids is None:
            raise RuntimeError("a read transaction makes no ids")
        return self._ids.next()

    async def _run(self, sql: str, params: Params | None) -> AsyncCursor[DictRow]:
        if not params:
            return await self._cursor.execute(sql.encode())
        statement = numbered(sql)
        return await self._cursor.execute(statement.text, statement.values(params))


class Statement(NamedTuple):
    """A statement as the server takes it: `$1` for the first of `names`, and so on."""

    text: bytes
    names: tuple[str, ...]

    def values(self, params: Params) -> list[object]:
        return [params[name] for name in self.names]


# What is quoted or a comment is passed over, and `::` is a cast.
_NAMED = re.compile(r"""'[^']*'|"[^"]*"|--[^\n]*|::|:([A-Za-z_]\w*)""")


@lru_cache(maxsize=1024)
def numbered(sql: str) -> Statement:
    """The statement with a number for each `:name`, one for each name."""
    numbers: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        return f"${numbers.setdefault(found[1], len(numbers) + 1)}"

    return Statement(_NAMED.sub(place, sql).encode(), tuple(numbers))


class PostgresDatabase:
    """The store in one schema of a PostgreSQL database. Made by `open_postgres`."""

    def __init__(self, writer: Lender, readers: Lender, ids: IdSource, lock: int) -> None:
        self._writer = writer
        self._readers = readers
        self._ids = ids
        self._lock = lock
        self._keeps_floor = False
        self._running: set[asyncio.Task[object]] = set()

    async def read(self, work: Work[T]) -> T:
        return await self._apart(self._read(work))

    async def peek(self, work: Work[T]) -> T:
        return await self.read(work)

    async def write(self, work: Work[T]) -> T:
        return await self._apart(self._write(work))

    async def commit(self, work: Work[T]) -> tuple[T, Durable]:
        return await self.write(work), _durable_already()

    async def close(self) -> None:
        while self._running:
            await asyncio.wait(self._running)
        await self._readers.close()
        await self._writer.close()

    async def _apart(self, use: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(use)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _read(self, work: Work[T]) -> T:
        async with self._readers.lend() as connection:
            with _answering(connection):
                await _control(connection, _BEGIN_READ)
            try:
                return await work(PostgresTx(connection, None))
            finally:
                await _roll_back(connection)

    async def _write(self, work: Work[T]) -> T:
        async with self._writer.lend() as connection:
            try:
                before = await self._begin_write(connection)
                result = await work(PostgresTx(connection, self._ids))
                await _commit(connection, self._ids.last if self._ids.last != before else None)
                return result
            except BaseException:
                await _roll_back(connection)
                raise

    async def _begin_write(self, connection: Connection) -> int:
        """Take the lock, then learn the highest id that any process gave."""
        floor = _FLOOR if self._keeps_floor else _HAS_FLOOR
        with _answering(connection):
            answer = await _control(
                connection, f"{_BEGIN_WRITE}; SELECT pg_advisory_xact_lock({self._lock}); {floor}"
            )
        row = await answer.fetchone()
        if not self._keeps_floor:  # before the first migration there is nothing to learn
            if row is None or not row["is_there"]:
                return self._ids.last
            self._keeps_floor = True
            row = await (await _control(connection, _FLOOR)).fetchone()
        self._ids.rise_to(row["value"] if row else 0)
        return self._ids.last


_BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_BEGIN_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE"
_HAS_FLOOR = "SELECT to_regclass('store_state') IS NOT NULL AS is_there"
_FLOOR = "SELECT value FROM store_state WHERE name = 'last_id'"
_KEEP_FLOOR = "UPDATE store_state SET value = {} WHERE name = 'last_id'"


async def _control(connection: Connection, text: str) -> AsyncCursor[DictRow]:
    """Send several statements without parameters in one message; the answer of the last."""
    cursor = connection.cursor()
    await cursor.execute(text.encode(), prepare=False)
    while cursor.nextset():
        pass
    return cursor


async def _commit(connection: Connection, last_id: int | None) -> None:
    # A COMMIT after a statement that failed would roll back, without an error.
    if connection.info.transaction_status is TransactionStatus.INERROR:
        raise RuntimeError("the work hid an error of its transaction; nothing was stored")
    keep = "" if last_id is None else f"{_KEEP_FLOOR.format(last_id)}; "
    try:
        await _control(connection, f"{keep}COMMIT")
    except psycopg.OperationalError as error:
        if connection.closed:
            raise OutcomeUnknown("the connection was lost in the middle of a COMMIT") from error
        raise


async def _roll_back(connection: Connection) -> None:
    """End the transaction; when that fails, so has the connection, which the pool will see."""
    with contextlib.suppress(psycopg.Error):
        if not connection.closed:
            await _control(connection, "ROLLBACK")


@contextlib.contextmanager
def _answering(connection: Connection) -> Iterator[None]:
    """Hang up when the server says nothing for too long: one that is stopped keeps its sockets."""
    timer = asyncio.get_running_loop().call_later(_ANSWER_WITHIN, _hang_up, connection)
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(connection: Connection) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


class Lender:
    """Connections of one kind, lent one at a time and replaced when they are lost."""

    def __init__(self, store: str, name: str, most: int) -> None:
        # The pool doubles its delay after each failed attempt, and gives an attempt up after
        # PATIENCE seconds; the next who asks begins anew. So it is never idle for more than 2 s.
        self._pool = AsyncConnectionPool[Connection](
            store,
            kwargs=_OPTIONS,
            min_size=1,
            max_size=most,
            open=False,
            configure=_configure,
            check=self._check,
            name=name,
            timeout=PATIENCE,
            reconnect_timeout=PATIENCE,
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close()

    @contextlib.asynccontextmanager
    async def lend(self) -> AsyncIterator[Connection]:
        """A connection for one transaction. Raises StoreUnavailable, StoreFull."""
        try:
            connection = await self._pool.getconn()
            try:
                yield connection
            finally:
                if connection.closed:
                    await self._pool.drain()
                await self._pool.putconn(connection)
        except psycopg.Error as error:
            raise _translated(error) from error

    async def _check(self, connection: Connection) -> None:
        """An idle server has nothing to say, but that it is going."""
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if poll.poll(0):
            await connection.close()
            await self._pool.drain()
            raise psycopg.OperationalError("the server closed the connection")


async def open_postgres(store: str, clock: Clock) -> PostgresDatabase:
    """Open the store that the URL `store` names; its database and schema must be there.

    Raises StoreUnavailable when the server cannot be reached, or may lose what it committed.
    """
    try:
        async with await AsyncConnection.connect(store, **_OPTIONS) as connection:
            server = await _inspected(connection)
    except psycopg.ProgrammingError:
        # What libpq says of a malformed URL repeats it, with the password.
        raise StoreUnavailable("the URL of the store is not one that PostgreSQL takes") from None
    except psycopg.Error as error:
        raise _translated(error) from error
    writer = Lender(store, "writer", 1)
    readers = Lender(store, "readers", _READERS)
    await writer.open()
    await readers.open()
    return PostgresDatabase(writer, readers, IdSource(clock), _lock_key(server))


def _lock_key(server: Row) -> int:
    name = f"postroom\0{server['database']}\0{server['schema']}"
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


async def _configure(connection: Connection) -> None:
    try:
        await _inspected(connection)
    except BaseException:
        await connection.close()
        raise


async def _inspected(connection: Connection) -> Row:
    """Set a new connection up and look at its server. Raises StoreUnavailable to refuse it."""
    version = connection.info.server_version // 10_000
    if version < OLDEST_SERVER:
        raise StoreUnavailable(
            f"PostgreSQL {version} is too old; Postroom needs {OLDEST_SERVER} or newer"
        )
    connection.adapters.register_dumper(bool, _TruthDumper)
    connection.adapters.register_loader("numeric", _NumberLoader)
    connection.adapters.register_loader("numeric", _BinaryNumberLoader)
    server = await (await _control(connection, _SET_UP)).fetchone()
    assert server is not None
    refusal = _refusal(server)
    if refusal:
        raise StoreUnavailable(refusal)
    return server


def _refusal(server: Row) -> str:
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if server[name] == "off":
            return f"PostgreSQL has {name} = off, so that mail could be lost with the power"
    if server["encoding"] != "UTF8":
        return f"the database has the encoding {server['encoding']}; Postroom needs UTF8"
    if not server["schema"]:
        return "the database has no schema of the name that search_path gives"
    if server["is_standby"]:
        return "the server is a standby, which takes no writes"
    return ""


# The schema is named alone, so that no table of another store is ever found behind it. A writer
# whose machine is gone must not keep the lock: the server ends its session. JIT compilation costs
# such small statements more than it saves.
_SET_UP = f"""
    SELECT set_config('search_path', quote_ident(current_schema()), false),
           set_config('lock_timeout', '{int(PATIENCE * 1000)}', false),
           set_config('statement_timeout', '0', false),
           set_config('idle_in_transaction_session_timeout', '60000', false),
           set_config('tcp_keepalives_idle', '10', false),
           set_config('tcp_keepalives_interval', '5', false),
           set_config('tcp_keepalives_count', '3', false),
           set_config('jit', 'off', false);
    SELECT current_database() AS database, current_schema() AS schema,
           current_setting('fsync') AS fsync,
           current_setting('full_page_writes') AS full_page_writes,
           current_setting('synchronous_commit') AS synchronous_commit,
           current_setting('server_encoding') AS encoding,
           pg_is_in_recovery() AS is_standby
"""

_OPTIONS: dict[str, Any] = {
    "autocommit": True,  # transactions begin and end as written here
    "cursor_factory": AsyncRawCursor,
    "row_factory": dict_row,
    "client_encoding": "UTF8",
    "fallback_application_name": "postroom",
    "connect_timeout": _CONNECT_WITHIN,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


class _TruthDumper(Dumper):
    """Truth goes to the store as 1 and 0: the schema has integers for it, as SQLite must."""

    oid = psycopg.adapters.types["int2"].oid

    def dump(self, obj: bool) -> bytes:
        return b"1" if obj else b"0"


class _NumberLoader(NumericLoader):
    """The sum of a column is a plain number, as on SQLite."""

    def load(self, data: Buffer) -> Any:  # noqa: ANN401
        return _plain(super().load(data))


class _BinaryNumberLoader(NumericBinaryLoader):
    def load(self, data: Buffer) -> Any:  # noqa: ANN401
        return _plain(super().load(data))


def _plain(number: Decimal) -> int | float:
    whole = int(number)
    return whole if whole == number else float(number)


_FULL_STATES = {"53100"}
_AWAY_STATES = {"25006", "25P03", "25P04", "42501", "55P03", "57014"}
_AWAY_CLASSES = {"08", "28", "3D", "40", "53", "57", "58"}


def _translated(error: psycopg.Error) -> Exception:
    """Errors of the machine become ours; a fault in our SQL or data stays what it is."""
    state = error.sqlstate or ""
    text = " ".join(str(error).split())
    if state in _FULL_STATES:
        return StoreFull(text)
    if state in _AWAY_STATES or state[:2] in _AWAY_CLASSES:
        return StoreUnavailable(text)
    lost = not state and isinstance(error, psycopg.OperationalError)
    return StoreUnavailable(text) if lost else error


async def _durable_already() -> None:
    """COMMIT has returned: the server has flushed it (`synchronous_commit` is checked at start)."""

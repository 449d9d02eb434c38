"""PostgreSQL connections: how they are made, checked, lent, and what their errors mean.

- The server is asked at every new connection whether a commit survives a loss of power; one where
  it does not is refused. A `synchronous_commit` that was loosened after the start does not reach
  our sessions: each sets its own. All of it is checked again in each write transaction.
- A connection is checked before it is lent, without asking the server; when one is dead the others
  are replaced with it, so one restart of the server costs a store one fault at most.
- A caller waits for a connection for `PATIENCE` seconds. The pool retries so often that a store is
  well again within that time of its server; between two attempts it waits 1 s, then 2 s.
- The questions on a new connection have to be answered as soon as any others.
- While an answer is awaited, and before a connection is lent, we look whether the server's machine
  still acknowledges (`storage.engines.servers.reach`): one that vanished is given up in 6 s.
- The server looks every second whether we are still there, so the statement of a process that is
  gone, or has hung up, does not keep its locks until it ends.
- Of libpq's message about a malformed URL nothing but the name of an unknown parameter is shown: it
  repeats the URL, with the password.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import select
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor, AsyncRawCursor
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.errors import InvalidParameterValue
from psycopg.rows import DictRow, dict_row
from psycopg.types.numeric import NumericBinaryLoader, NumericLoader
from psycopg_pool import AsyncConnectionPool

from storage.database import Row
from storage.engines.servers.hosts import options_of
from storage.engines.servers.many_rows import take_arrays
from storage.engines.servers.pooling import require_own_session
from storage.engines.servers.reach import KEEPALIVES, is_out_of_reach
from storage.engines.servers.sql_states import translated
from storage.errors import StoreUnavailable
from storage.tenant_wall import name_all_for_session

OLDEST_SERVER = 14
PATIENCE = 5.0
_ANSWER_WITHIN = 8.0
_BEHIND_THE_LOCK = 2.0
_LOOK_EVERY = 1.0

Connection = AsyncConnection[DictRow]


class Lender:
    """Connections of one kind, lent one at a time and replaced when they are lost."""

    def __init__(self, store: str, name: str, most: int, *, least: int = 1) -> None:
        # The pool doubles its delay after each failed attempt, and gives an attempt up after
        # PATIENCE seconds; the next who asks begins anew. So it is never idle for more than 2 s.
        self._pool = AsyncConnectionPool[Connection](
            store,
            kwargs=_OPTIONS | options_of(store),
            min_size=least,
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
            raise translated(error) from error

    async def _check(self, connection: Connection) -> None:
        """An idle server has nothing to say, but that it is going; a machine may just vanish."""
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if poll.poll(0) or _is_gone(connection):
            await connection.close()
            await self._pool.drain()
            raise psycopg.OperationalError("the server closed the connection, or is gone")


async def inspect(store: str) -> Row:
    """Ask the server of the URL `store` for the names of database and schema, and its durability.

    Raises StoreUnavailable when it cannot be reached, or may lose committed data, or when a pooler
    in front of it does not keep our sessions.
    """
    async with connected(store) as (connection, server):
        await require_own_session(connection, server["process"], _another(store))
        return server


@contextlib.asynccontextmanager
async def _another(store: str) -> AsyncIterator[Connection]:
    async with connected(store) as (connection, _):
        yield connection


@contextlib.asynccontextmanager
async def connected(store: str) -> AsyncIterator[tuple[Connection, Row]]:
    """One connection outside any pool, for all tenants, and what its server says of itself.

    Raises StoreUnavailable, StoreFull.
    """
    try:
        options = _OPTIONS | options_of(store)
        async with await AsyncConnection.connect(store, **options) as connection:
            server = await _inspected(connection)
            if server["synchronous_commit"] == "off":
                raise StoreUnavailable(loosened("synchronous_commit"))
            await control(connection, name_all_for_session())
            yield connection, server
    except psycopg.ProgrammingError as error:
        if error.sqlstate:
            raise
        raise StoreUnavailable(_fault_of_url(error)) from None
    except psycopg.Error as error:
        raise translated(error) from error


def _fault_of_url(error: psycopg.ProgrammingError) -> str:
    """The name of a parameter that libpq does not know, and nothing else of its message."""
    unknown = re.fullmatch(r'invalid URI query parameter: "([a-z_]+)"', str(error).strip())
    what = f", which does not know its parameter {unknown[1]}" if unknown else ""
    return f"the URL of the store is not one that PostgreSQL takes{what}"


async def control(connection: Connection, text: str) -> AsyncCursor[DictRow]:
    """Send several statements without parameters in one message; the answer of the last."""
    cursor = connection.cursor()
    await cursor.execute(text.encode(), prepare=False)
    while cursor.nextset():
        pass
    return cursor


def answering(connection: Connection, lock_wait: float = 0.0) -> AbstractContextManager[None]:
    """Hang up when the server says nothing for too long: one that is stopped keeps its sockets.

    A lock may be waited for `lock_wait` seconds before that.
    """
    within = max(_ANSWER_WITHIN, lock_wait + _BEHIND_THE_LOCK) if lock_wait else _ANSWER_WITHIN
    return ending_within(connection, within)


@contextlib.contextmanager
def ending_within(connection: Connection, seconds: float | None) -> Iterator[None]:
    """Hang up when it takes longer than that (None: for ever), or the server's machine is gone."""
    watch = _Watch(connection, seconds)
    try:
        yield
    finally:
        watch.end()


class _Watch:
    """Looks at a connection every second, as long as somebody waits for it."""

    __slots__ = ("_connection", "_left", "_timer")

    def __init__(self, connection: Connection, seconds: float | None) -> None:
        self._connection = connection
        self._left = math.inf if seconds is None else seconds
        self._timer = self._again()

    def _again(self) -> asyncio.TimerHandle:
        pause = max(0.0, min(self._left, _LOOK_EVERY))
        self._left -= pause
        return asyncio.get_running_loop().call_later(pause, self._look)

    def _look(self) -> None:
        if self._left <= 0 or _is_gone(self._connection):
            _hang_up(self._connection)
        else:
            self._timer = self._again()

    def end(self) -> None:
        self._timer.cancel()


def _is_gone(connection: Connection) -> bool:
    return not connection.closed and is_out_of_reach(connection.fileno())


def _hang_up(connection: Connection) -> None:
    with (
        contextlib.suppress(OSError, psycopg.Error),  # it is closed, or was lost
        socket.socket(fileno=os.dup(connection.fileno())) as line,
    ):
        line.shutdown(socket.SHUT_RDWR)


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
    take_arrays(connection)
    with answering(connection):
        try:
            answer = await control(connection, _LOOK_FOR_US + _SET_UP)
        except InvalidParameterValue:  # a server on Windows, say, cannot
            answer = await control(connection, _SET_UP)
        server = await answer.fetchone()
    assert server is not None
    refusal = _refusal(server)
    if refusal:
        raise StoreUnavailable(refusal)
    return server


def _refusal(server: Row) -> str:
    for name in ("fsync", "full_page_writes"):
        if server[name] == "off":
            return loosened(name)
    if server["encoding"] != "UTF8":
        return f"the database has the encoding {server['encoding']}; Postroom needs UTF8"
    if not server["schema"]:
        return (
            "the database has no schema of the name that search_path gives,"
            " or the role may not use it"
        )
    if server["is_standby"]:
        return "the server is a standby, which takes no writes"
    return ""


def loosened(name: str) -> str:
    """The refusal of a server where this setting is off."""
    return f"PostgreSQL has {name} = off, so that mail could be lost with the power"


_LOOK_FOR_US = "SET client_connection_check_interval = 1000;"
# The schema is named alone, so that no table of another store is ever found behind it. A writer
# whose machine is gone must not keep the lock: the server ends its session after 8 s, before those
# who wait for the lock give up. JIT compilation costs such small statements more than it saves. A
# pooler may give us a session in which somebody has prepared statements of the names that ours get.
# After RESET a setting is what the server says: to look into pg_settings for it would take longer
# than all the rest.
_SET_UP = f"""
    RESET synchronous_commit; DEALLOCATE ALL;
    SELECT set_config('search_path', quote_ident(current_schema()), false),
           set_config('lock_timeout', '{int(PATIENCE * 1000)}', false),
           set_config('statement_timeout', '0', false),
           set_config('idle_in_transaction_session_timeout', '60000', false),
           set_config('tcp_keepalives_idle', '4', false),
           set_config('tcp_keepalives_interval', '1', false),
           set_config('tcp_keepalives_count', '4', false),
           set_config('jit', 'off', false);
    WITH server AS MATERIALIZED (SELECT current_setting('synchronous_commit') AS flushes)
    SELECT current_database() AS database, current_schema() AS schema,
           current_setting('fsync') AS fsync,
           current_setting('full_page_writes') AS full_page_writes,
           flushes AS synchronous_commit,
           set_config('synchronous_commit', CASE flushes WHEN 'off' THEN 'on' ELSE flushes END,
                      false) AS own_synchronous_commit,
           current_setting('server_encoding') AS encoding,
           pg_is_in_recovery() AS is_standby,
           pg_backend_pid() AS process
    FROM server
"""

_OPTIONS: dict[str, Any] = {
    "autocommit": True,  # transactions begin and end as written here
    "cursor_factory": AsyncRawCursor,
    "row_factory": dict_row,
    "client_encoding": "UTF8",
    "fallback_application_name": "postroom",
    **KEEPALIVES,
    # Not less: it also ends a connection whose server takes nothing in while it waits for a lock.
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

"""How a writing transaction begins and ends on PostgreSQL: its locks, and the floor of its ids.

- A write within a tenant shares the lock of the store, and takes the tenant's alone. Any other
  write takes the store's alone.
- PostgreSQL's queue is fair: who asks for the store alone makes all who come later wait, even while
  one writer of some tenant does not end. So it asks for a moment only, lets the others go for as
  long, and then asks again for longer.
- It names its tenant before it reads anything; who is alone in the store sees all of them.
- Locks are taken before anything is read, and the floors read behind them, in the same message.
- The COMMIT goes with the last statements of its transaction.
- The end of a read, and a ROLLBACK, have to be answered as soon as any other question: else a
  server that is silent, or gone, would keep the connection from who asks next.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

import psycopg
from psycopg.errors import LockNotAvailable
from psycopg.pq import TransactionStatus

from storage.database import SEALED, Row
from storage.engines.postgres_connections import Connection, answering, control, loosened
from storage.engines.servers.round_trips import Answer, Step, send_together
from storage.engines.servers.transaction import Begins
from storage.errors import OutcomeUnknown, StoreUnavailable
from storage.tenant_wall import SETTING, name_tenant, wall_value

_IDLE = TransactionStatus.IDLE
_FIRST_ATTEMPT = 0.25
_LONGEST_ATTEMPT = 1.0


class Begun(NamedTuple):
    """The time part that all ids are to be above, and the server's process, where it is known."""

    floor: int
    process: int | None


class Locks:
    """The advisory locks of one store; `store` is the key of the whole."""

    def __init__(self, store: int) -> None:
        self.store = store
        self._has_floors = False

    @property
    def has_leases(self) -> bool:
        """Whether the store has leases on routes: all of this release have."""
        return self._has_floors

    async def begin(self, connection: Connection, part: bytes | None, until: float) -> Begun:
        """Begin a write in the partition, or alone in the store.

        Raises StoreUnavailable, and LockNotAvailable when the time `until` (of `time.monotonic`)
        has come.
        """
        if part is not None:
            shared = f"SELECT pg_advisory_xact_lock_shared({self.store})"
            locks = f"{shared}; SELECT pg_advisory_xact_lock({self._key_of(part)})"
            return await self._begin(connection, locks, part, until - time.monotonic())
        attempt = _FIRST_ATTEMPT
        locks = f"SELECT pg_advisory_xact_lock({self.store})"
        while True:
            left = until - time.monotonic()
            try:
                return await self._begin(connection, locks, None, min(attempt, left))
            except LockNotAvailable:
                await roll_back(connection)
                if left <= 2 * attempt:
                    raise
            await asyncio.sleep(attempt)
            attempt = min(2 * attempt, _LONGEST_ATTEMPT)

    def begins(
        self,
        connection: Connection,
        part: bytes | None,
        until: float,
        begun: Callable[[Begun], Awaitable[None]],
    ) -> Begins | None:
        """The begin of a write in the partition, to be sent with its first statements.

        None where it has to be begun before them. `begun` is called when they have come back, which
        raises as `begin` does.
        """
        if part is None or not self._has_floors:
            return None
        wait = max(0.001, until - time.monotonic())

        async def learn(row: Row | None) -> None:
            if row is not None:
                await _require_safety(connection, row)
                await begun(Begun(int(row["value"]), row["process"]))

        limit = str(max(1, int(wait * 1000)))
        steps = (
            Step(_BEGIN.encode()),
            Step(_LOCKS, [limit, wall_value(part), self.store, self._key_of(part)], prepare=True),
            Step(_FLOOR, [part], prepare=True),
        )
        return Begins(steps, learn, wait)

    def _key_of(self, part: bytes) -> int:
        return _number(self.store.to_bytes(8, "big", signed=True) + part)

    async def _begin(
        self, connection: Connection, locks: str, part: bytes | None, seconds: float
    ) -> Begun:
        wait = max(0.001, seconds)
        has_floors = self._has_floors  # another transaction may learn it meanwhile
        floor = _floor(part) if has_floors else _WHAT_IS_THERE
        with answering(connection, wait):
            answer = await control(
                connection,
                f"{_BEGIN}; {name_tenant(part)};"
                f" SET LOCAL lock_timeout = {max(1, int(wait * 1000))}; {locks}; {floor}",
            )
        row = await answer.fetchone()
        if not has_floors and row is not None:
            if not row["state"]:  # before the first migration there is nothing to learn
                return Begun(0, None)
            self._has_floors = bool(row["floors"])
            floor = _floor(part) if self._has_floors else _LAST_ALONE
            row = await (await control(connection, floor)).fetchone()
        if row is None:
            return Begun(0, None)
        await _require_safety(connection, row)
        return Begun(int(row["value"]), row["process"])


def locks_of(server: Row) -> Locks:
    """The locks of the store with this database and schema."""
    return Locks(_number(f"postroom\0{server['database']}\0{server['schema']}".encode()))


def _number(name: bytes) -> int:
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "big", signed=True)


async def begin_beside(connection: Connection) -> None:
    """Begin a write without any lock, which names no tenant. Raises StoreUnavailable."""
    with answering(connection):
        answer = await control(connection, f"{_BEGIN}; SELECT {_SAFETY}")
    row = await answer.fetchone()
    assert row is not None
    await _require_safety(connection, row)


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


# Not READ WRITE: an operator, or a service whose disk is full, may have made the server read-only.
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
# The part of the server that warns; the warning itself is in the server's language.
_WAIT_FOR_STANDBY = "SyncRepWaitForLSN"
_WHAT_IS_THERE = """
    SELECT to_regclass('store_state') IS NOT NULL AS state,
           to_regclass('route_leases') IS NOT NULL AS floors"""
_SAFETY = """current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('transaction_read_only') AS read_only, pg_backend_pid() AS process,
    (SELECT value FROM store_state WHERE name = 'sealed') AS sealed"""
_LAST_ALONE = f"SELECT value, {_SAFETY} FROM store_state WHERE name = 'last_id'"


# The query for the time part of the last id, of one tenant or of all.
_LAST = f"""
    SELECT GREATEST(s.value, ({{}})) AS value, {_SAFETY}
    FROM store_state s WHERE s.name = 'last_id'"""
_OF_ALL = "SELECT MAX(f.value) FROM tenant_floors f"
_OF_ONE = "SELECT f.value FROM tenant_floors f WHERE f.tenant_id = {}"


def _floor(part: bytes | None) -> str:
    return _LAST.format(_OF_ALL if part is None else _OF_ONE.format(f"'\\x{part.hex()}'"))


# A mail process writes by keys alone. A plan for many rows that was made while a table was empty
# would scan it, and stay. What it selects is done in that order.
_LOCKS = f"""
    SELECT set_config('lock_timeout', $1, true), set_config('enable_seqscan', 'off', true),
           set_config('{SETTING}', $2, true), pg_advisory_xact_lock_shared($3),
           pg_advisory_xact_lock($4)""".encode()
_FLOOR = _LAST.format(_OF_ONE.format("$1")).encode()


def keep_floor(part: bytes | None, last: int) -> Step:
    """The step that keeps the time part of the last id that a transaction gave."""
    if part is None:
        return Step(b"UPDATE store_state SET value = $1 WHERE name = 'last_id'", [last])
    return Step(_KEEP_FLOOR, [part, last], prepare=True)


_KEEP_FLOOR = b"""
    INSERT INTO tenant_floors (tenant_id, value) VALUES ($1, $2)
    ON CONFLICT (tenant_id) DO UPDATE SET value = excluded.value"""


async def commit(
    connection: Connection, before: Sequence[Step] = (), behind: Sequence[str] = ()
) -> Row | None:
    """Commit, with steps before that and statements behind it, all in one message.

    Returns the first row of the last; None when there is none, or it did not come.
    """
    # A COMMIT after a statement that failed would roll back, without an error.
    if connection.info.transaction_status is TransactionStatus.INERROR:
        raise RuntimeError("the work hid an error of its transaction; nothing was stored")
    answers: list[Answer] = []
    last = ("COMMIT", *behind)
    steps = [*before, *(Step(one.encode(), prepare=False) for one in last)]
    row = None
    with _warnings_of(connection) as warned:
        try:
            await send_together(connection, steps, answers)
            if behind and answers[-1].description:
                row = await answers[-1].fetchone()
        except psycopg.Error as error:
            if _is_committed(answers, len(before)):
                await connection.close()  # only a hint was lost; how far the rest came is not known
            elif connection.closed or error.sqlstate is None:  # the server has said nothing
                raise OutcomeUnknown("the connection was lost in the middle of a COMMIT") from error
            elif connection.info.transaction_status is _IDLE:
                raise OutcomeUnknown(f"after a COMMIT: {error}") from error
            else:
                raise
    # An operator canceled the wait: committed here, and maybe not at the standby.
    if warned:
        raise OutcomeUnknown(f"no standby may have what was committed: {warned[0]}")
    return row


def _is_committed(answers: Sequence[Answer], place: int) -> bool:
    return len(answers) > place and answers[place].statusmessage == "COMMIT"


@contextlib.contextmanager
def _warnings_of(connection: Connection) -> Iterator[list[str]]:
    """Collect the warnings that a commit may not be at the standby."""
    warned: list[str] = []

    def warn(told: psycopg.errors.Diagnostic) -> None:
        if told.source_function == _WAIT_FOR_STANDBY:
            warned.append(told.message_primary or "")

    connection.add_notice_handler(warn)
    try:
        yield warned
    finally:
        connection.remove_notice_handler(warn)


async def end_read(connection: Connection) -> None:
    """End a transaction that only read.

    Not by ROLLBACK: for that the driver would forget every statement that it has prepared.
    """
    if connection.info.transaction_status is TransactionStatus.INTRANS:
        with contextlib.suppress(psycopg.Error), answering(connection):
            await control(connection, "COMMIT")
    else:
        await roll_back(connection)


async def roll_back(connection: Connection) -> None:
    """End the transaction; when that fails, so has the connection, which the pool will see."""
    with contextlib.suppress(psycopg.Error), answering(connection):
        if not connection.closed and connection.info.transaction_status is not _IDLE:
            await control(connection, "ROLLBACK")

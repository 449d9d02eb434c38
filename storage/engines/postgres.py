"""The engine for many machines: PostgreSQL 14 or newer through psycopg 3 and its pool.

- A partition of the store (`storage.cursors`) is a tenant. A write within one takes the tenant's
  advisory lock before it looks at anything, and keeps it until its COMMIT is visible: one writer at
  a time in a tenant, in whatever process. So what a transaction read still holds when it writes,
  and the ids and events of a tenant become visible in the order in which they were given. Writers
  of two tenants do not wait for each other, and their commits overlap.
- It shares the lock of the whole store with the others. Any other write takes that lock alone: it
  waits for all writers, and is alone in the store. While it waits, those who come later wait behind
  it, so it waits a moment only, lets them go, and tries again: a writer that hangs in one tenant
  holds the others up by half at most.
- `tenant_floors` has the time part of the last id of each tenant, `store_state` that of the last
  write that was alone. No id is below either.
- The keys of the locks come from the names of database and schema: two stores on one server do not
  wait for each other. A write waits for its turn in this process, then for the locks: `WRITE_WAIT`
  seconds together at most.
- Mail has connections of its own, of which a tenant takes one at most; so have the other writes.
- Pieces of contents, which nobody reads until a later transaction names them, are written beside
  that: on connections of their own, without a lock.
- A table that nobody has analyzed yet is analyzed (`storage.engines.servers.first_statistics`).
- Readers go round fairly (`storage.engines.fair_turns`); a look-up by key has connections that no
  reader takes.
- Each transaction names its tenant, or says that it is for all (`storage.tenant_wall`).
- A commit that gave an id tells the other processes (`storage.engines.servers.notify`).
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
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from storage.clock import Clock
from storage.database import Durable, Share, StoreFault, T, Work
from storage.engines.fair_turns import HOUSE, MAIL, WRITE_WAIT, CallersView, FairTurns
from storage.engines.leases.route_leases import (
    CHANGE,
    LATE,
    RouteLease,
    routes_of,
    until_dropped,
)
from storage.engines.postgres_connections import Connection, Lender, ending_within, inspect
from storage.engines.postgres_locks import (
    Begun,
    Locks,
    begin_beside,
    commit,
    end_read,
    keep_floor,
    locks_of,
    roll_back,
)
from storage.engines.servers.first_statistics import FirstStatistics
from storage.engines.servers.notify import channel_of, listen
from storage.engines.servers.round_trips import Step
from storage.engines.servers.transaction import Begins, PostgresTx
from storage.ids import IdSource
from storage.tenant_wall import SETTING, wall_value

ANSWER_WITHIN = 60.0
_MAIL_WRITERS = 4
_WRITERS = 3
_READERS = 6
_READERS_OF_ONE = 4
_LOOKING = 2
_BESIDE = 4
# The share of a tenant's writes that the process's own jobs have.
_JOBS = b"jobs"


class _Reading(NamedTuple):
    """How long it may take, whose rows it sees (None: all), and whether it is a look-up by key."""

    within: float | None = None
    tenant: bytes | None = None
    quick: bool = False


class PostgresLookups:
    """The store, for reading alone. Made by `open_postgres_lookups`."""

    def __init__(self, store: str, readers: Lender) -> None:
        self._lease = RouteLease(store)
        self._readers = readers
        self._running: set[asyncio.Task[object]] = set()

    async def read_quick(self, work: Work[T], share: Share = HOUSE) -> T:
        how = _reading_for(share)._replace(within=ANSWER_WITHIN, quick=True)
        return await self._answered(work, how)

    async def read(self, work: Work[T]) -> T:
        return await self._answered(work, _Reading())

    def route_generation(self) -> int | None:
        return self._lease.generation()

    async def close(self) -> None:
        await self._lease.close()
        while self._running:
            await asyncio.wait(self._running)
        await self._readers.close()

    async def _apart(self, use: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(use)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _answered(self, work: Work[T], how: _Reading) -> T:
        """Return the result of a read as soon as it is there: nobody waits for its end."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._read(work, answer, how))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(answer)

    async def _read(self, work: Work[T], answer: asyncio.Future[T], how: _Reading) -> None:
        try:
            async with self._readers.lend() as connection:
                begins = _begins(how)
                try:
                    with ending_within(connection, how.within):
                        answer.set_result(await work(PostgresTx(connection, begins=begins)))
                finally:
                    await end_read(connection)
        except Exception as error:
            if not answer.done():  # else the connection was lost behind it: the pool replaces it
                answer.set_exception(error)
        finally:
            answer.cancel()  # of use only when this task was cancelled before the answer


class _Lenders(NamedTuple):
    """The connections of a store: for mail, for other writes, beside them, and for reading."""

    mail: Lender
    writers: Lender
    beside: Lender
    readers: Lender

    async def open(self) -> None:
        for lender in self:
            await lender.open()


class _Writers(NamedTuple):
    """Connections for writing, and whose turn it is to have one."""

    turns: FairTurns
    connections: Lender

    @classmethod
    def of(cls, connections: Lender, places: int) -> _Writers:
        # A tenant whose lock somebody holds for long has one of them waiting for it, not all.
        return cls(FairTurns(places, most_of_one=1), connections)


class PostgresDatabase(PostgresLookups):
    """The store in one schema of a PostgreSQL database. Made by `open_postgres`."""

    def __init__(self, store: str, lenders: _Lenders, clock: Clock, locks: Locks) -> None:
        super().__init__(store, lenders.readers)
        self._store = store
        self._mail = _Writers.of(lenders.mail, _MAIL_WRITERS)
        self._writers = _Writers.of(lenders.writers, _WRITERS)
        self._writes = FairTurns(1)
        self._beside = lenders.beside
        self._statistics = FirstStatistics(lenders.beside.lend)
        self._clock = clock
        self._locks = locks
        self._channel = channel_of(locks.store)
        self._listening: asyncio.Task[None] | None = None
        # The server's processes of our connections. A server that was restarted may give the number
        # of one that is lost to somebody else's.
        self._own_processes: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()
        self._reads = FairTurns(_READERS, most_of_one=_READERS_OF_ONE)

    def for_caller(self, share: Share, *, in_partition: bool = False) -> CallersView:
        return CallersView(self, share, share[0] if in_partition else None)

    def partition_of(self, tenant_id: bytes) -> bytes:
        return tenant_id

    async def read(self, work: Work[T]) -> T:
        return await self.read_for(HOUSE, work)

    async def read_for(self, share: Share, work: Work[T]) -> T:
        async with self._reads.turn(share):
            return await self._answered(work, _reading_for(share))

    async def write(self, work: Work[T]) -> T:
        return await self.write_for(HOUSE, work)

    async def write_in(self, part: bytes, work: Work[T], *, quick: bool = False) -> T:
        share = (part, _JOBS)
        return await self._apart(self._write(self._writers, share, work, part, asks_first=True))

    async def write_across(self, work: Work[T], *, quick: bool = False) -> T:
        return await self._apart(self._write_alone(HOUSE, work, changes_routes=False))

    async def write_for(self, share: Share, work: Work[T], part: bytes | None = None) -> T:
        if part is None:
            return await self._apart(self._write_alone(share, work))
        return await self._apart(self._write(self._writers, share, work, part))

    async def commit(
        self, work: Work[T], *, changes_routes: bool = True, part: bytes | None = None
    ) -> tuple[T, Durable]:
        if part is None:
            alone = self._write_alone(MAIL, work, changes_routes=changes_routes)
            return await self._apart(alone), _durable_already()
        share = (part, MAIL[0])
        writing = self._write(self._mail, share, work, part, asks_first=True)
        return await self._apart(writing), _durable_already()

    def commit_number(self) -> int | None:
        return None  # the server would have to be asked

    def hear_others(self, told: Callable[[], object]) -> None:
        def heard(process: int) -> None:
            ours = (own for one, own in self._own_processes.items() if not one.closed)
            if process not in ours:
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
        await self._statistics.close()
        await super().close()
        await self._beside.close()
        await self._writers.connections.close()
        await self._mail.connections.close()

    async def _write_alone(self, share: Share, work: Work[T], *, changes_routes: bool = True) -> T:
        # One of them waits for the whole store, and the others here.
        until = time.monotonic() + WRITE_WAIT
        async with self._writes.turn(share, patience=WRITE_WAIT):
            return await self._write_until(
                until, self._writers, share, work, None, changes_routes=changes_routes
            )

    async def _write(
        self,
        writers: _Writers,
        share: Share,
        work: Work[T],
        part: bytes,
        *,
        asks_first: bool = False,
    ) -> T:
        until = time.monotonic() + WRITE_WAIT
        return await self._write_until(until, writers, share, work, part, asks_first=asks_first)

    async def _write_until(
        self,
        until: float,
        writers: _Writers,
        share: Share,
        work: Work[T],
        part: bytes | None,
        *,
        changes_routes: bool = False,
        asks_first: bool = False,
    ) -> T:
        async with (
            writers.turns.turn(share, patience=max(0.0, until - time.monotonic())),
            writers.connections.lend() as connection,
        ):
            ids = IdSource(self._clock)

            async def begun(one: Begun) -> None:
                if one.process is not None:
                    self._own_processes[connection] = one.process
                ids.rise_to(one.floor)

            try:
                begins = self._locks.begins(connection, part, until, begun) if asks_first else None
                if begins is None:
                    await begun(await self._locks.begin(connection, part, until))
                with ending_within(connection, _within(share)):
                    tx = PostgresTx(connection, ids, begins=begins, holds_back=True)
                    result = await work(tx)
                    await self._commit(connection, tx, part, ids, changes_routes=changes_routes)
                self._statistics.look_soon()
                return result
            except BaseException:
                await roll_back(connection)
                raise

    async def _commit(
        self,
        connection: Connection,
        tx: PostgresTx,
        part: bytes | None,
        ids: IdSource,
        *,
        changes_routes: bool,
    ) -> None:
        if not tx.has_begun:  # whether the server is safe is known behind that
            await tx.send_waiting()
        before = tx.take_waiting()
        tells = [f"NOTIFY {self._channel}"] if tx.gave_ids else []
        if tx.gave_ids:
            before.append(keep_floor(part, ids.last))
        # Each change of routes waits for whoever remembers some, up to a second.
        if changes_routes and self._locks.has_leases:
            told = f"NOTIFY {routes_of(self._channel)}"
            row = await commit(connection, [*before, Step(CHANGE.encode())], [*tells, told, LATE])
            # On return nobody remembers a route of before.
            await until_dropped(connection, row, time.monotonic())
        elif tx.has_begun:
            await commit(connection, before, tells)

    async def _write_beside(self, work: Work[T]) -> T:
        async with self._beside.lend() as connection:
            try:
                await begin_beside(connection)
                with ending_within(connection, ANSWER_WITHIN):
                    tx = PostgresTx(connection, holds_back=True)
                    result = await work(tx)
                    await commit(connection, tx.take_waiting())
                return result
            except BaseException:
                await roll_back(connection)
                raise


def _within(share: Share) -> float | None:
    return None if share == HOUSE else ANSWER_WITHIN


def _reading_for(share: Share) -> _Reading:
    return _Reading(_within(share), None if share == HOUSE else share[0])


async def _durable_already() -> None:
    """COMMIT has returned: the server has flushed it (our sessions set `synchronous_commit`)."""


_BEGIN_READ = Step(b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _begins(how: _Reading) -> Begins:
    text = _NAME_TENANT if how.quick else _PLAN_EACH
    return Begins((_BEGIN_READ, Step(text, [wall_value(how.tenant)], prepare=True)))


_NAME_TENANT = f"SELECT set_config('{SETTING}', $1, true)".encode()
# A look-up by key has one plan. What scans has several, and which is good depends on the words and
# times that are looked for: a plan for all of them takes a hundred times as long for some.
_PLAN_EACH = _NAME_TENANT + b", set_config('plan_cache_mode', 'force_custom_plan', true)"


async def open_postgres(store: str, clock: Clock) -> PostgresDatabase:
    """Open the store that the URL `store` names; its database and schema must be there.

    Raises StoreUnavailable when the server cannot be reached, or may lose what it committed.
    """
    server = await inspect(store)
    lenders = _Lenders(
        Lender(store, "mail", _MAIL_WRITERS),
        Lender(store, "writers", _WRITERS),
        Lender(store, "contents", _BESIDE, least=0),
        Lender(store, "readers", _READERS + _LOOKING),
    )
    await lenders.open()
    return PostgresDatabase(store, lenders, clock, locks_of(server))


async def open_postgres_lookups(store: str) -> PostgresLookups:
    """Open the store for look-ups; what is out of reach now is tried again at each of them."""
    readers = Lender(store, "lookups", _LOOKING)
    await readers.open()
    return PostgresLookups(store, readers)

"""The engine interface: one use of the store is one transaction.

- Code that reads and writes takes a `Database`; mail needs `Lookups` and `Store` beside it.
- `read` gives a snapshot that cannot change anything; `write` gives the one writer's transaction,
  durable when it returns: an exception from the work rolls all of it back.
- The work is a coroutine function over `Tx`. It may wait on nothing but the transaction it was
  given: no network, no sleep, no lock. The embedded engine enforces that, because it runs the whole
  work in one go.
- SQL is plain text with `:name` parameters and means the same on every engine.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

# The driver's border: what a column holds is known to the SQL beside it, not to the type checker.
Row = Mapping[str, Any]
Params = Mapping[str, object]

SEALED = "the store is sealed: it was given to postroom copy, and takes no changes"

T = TypeVar("T")
Work = Callable[["Tx"], Coroutine[Any, Any, T]]
Durable = Coroutine[Any, Any, None]
# For whom the store is used: tenant and credential.
Share = tuple[bytes, bytes]


class StoreFault(NamedTuple):
    """Why a store serves nobody; one that is `lasting` needs it to be opened anew."""

    reason: str
    lasting: bool


class Tx(Protocol):
    """One transaction."""

    @property
    def dialect(self) -> Mapping[str, str]:
        """The words in which engines differ, as names for `str.format_map` of a schema."""
        ...

    async def execute(self, sql: str, params: Params | None = None) -> int:
        """Run one statement; the number of rows it changed."""
        ...

    async def execute_many(self, sql: str, rows: Sequence[Params]) -> None:
        """Run one statement once for each of `rows`.

        Where the store is across a network it goes with the next statement that has an answer, or
        with the commit, and its errors come there.
        """
        ...

    async def execute_all(self, statements: Mapping[str, Sequence[Params]]) -> None:
        """Run statements in their order, each as `execute_many` does."""
        ...

    async def execute_each(self, statements: Sequence[tuple[str, Params]]) -> list[int]:
        """Run statements in their order; the number of rows that each changed. One round trip."""
        ...

    async def fetch_one(self, sql: str, params: Params | None = None) -> Row | None:
        """The first row of the answer, or None."""
        ...

    async def fetch_all(self, sql: str, params: Params | None = None) -> list[Row]:
        """All rows of the answer."""
        ...

    async def fetch_each(self, queries: Sequence[tuple[str, Params]]) -> list[list[Row]]:
        """All rows of each of these queries, none of which needs another's. One round trip."""
        ...

    def new_id(self) -> bytes:
        """16 bytes, above every id this store ever gave; only in a write transaction."""
        ...


class QuickReads(Protocol):
    """A store that is open for looking up a few rows. Raises StoreUnavailable when it cannot."""

    async def read_quick(self, work: Work[T]) -> T:
        """Like `Database.read`, for a few rows by key: where that is quick, it runs at once.

        The embedded engine serves it on the event loop's own thread; a look-up costs less there
        than handing it to another. Nothing that scans belongs here.
        """
        ...

    async def close(self) -> None:
        """Wait for what is running, then let go of the store."""
        ...


class Lookups(QuickReads, Protocol):
    """The store for a process that only looks up, and caches routes."""

    def route_generation(self) -> int | None:
        """A number that stays the same while nothing is written that could change a route.

        Routes may be cached for as long. None when it is unknown: then nothing may be cached.
        """
        ...


class Reads(QuickReads, Protocol):
    """A store that is open for reading. Raises StoreUnavailable when it cannot serve."""

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a snapshot and return what it returns."""
        ...


class Database(Reads, Protocol):
    """An open store. Raises StoreUnavailable or StoreFull when it cannot serve."""

    async def write(self, work: Work[T]) -> T:
        """Run `work` in the writer's transaction; on return it is on stable storage."""
        ...


class CountedCommits(Database, Protocol):
    """A store that can be asked whether anything was committed."""

    def commit_number(self) -> int | None:
        """A number that stays the same while nothing is committed, by whatever process.

        What a read found that began after it was asked for may be told again for as long. None when
        it is unknown, and within a transaction: then everything is read anew.
        """
        ...


class BesideWrites(Database, Protocol):
    """A store that also takes rows which nobody reads until a later transaction names them."""

    async def write_beside(self, work: Work[T]) -> T:
        """Like `write`, but where the engine can, without waiting for other writers.

        It gives no ids and changes no routes.
        """
        ...


class PartitionWrites(Database, Protocol):
    """A store whose partitions (`storage.cursors`) can be written beside each other."""

    def partition_of(self, tenant_id: bytes) -> bytes:
        """The partition with the rows of this tenant: its writers follow one another."""
        ...

    async def write_in(self, part: bytes, work: Work[T], *, quick: bool = False) -> T:
        """Like `write`, for work on rows of this partition alone that changes no route.

        Where the engine can, it waits for no writer of another partition. Routes are addresses,
        domains, inboxes, lists, members, users and tenants. The work runs a statement before it
        takes its first id. With `quick` the work is a few statements by key: the embedded engine
        does it on the event loop's own thread.
        """
        ...


class AcrossWrites(Database, Protocol):
    """A store that is told where work on rows of many partitions changes no route."""

    async def write_across(self, work: Work[T], *, quick: bool = False) -> T:
        """Like `write`, for work that changes no route: nobody has to look routes up anew.

        See `PartitionWrites.write_in` for `quick`.
        """
        ...


class SharedDatabase(PartitionWrites, AcrossWrites, CountedCommits, Protocol):
    """A store that many callers use at the same time."""

    def for_caller(self, share: Share, *, in_partition: bool = False) -> CountedCommits:
        """Return the same store for one caller, who waits in turn with the others, fairly.

        By tenant first, within one by credential. Work for no caller is the process's own, and
        counts as a tenant. With `in_partition` all writes are as those of `write_in`, for the
        tenant of the share.
        """
        ...


class Store(SharedDatabase, BesideWrites, Lookups, Protocol):
    """All that an engine can do."""

    async def commit(
        self, work: Work[T], *, changes_routes: bool = True, part: bytes | None = None
    ) -> tuple[T, Durable]:
        """Like `write`, with `part` in all like `write_in`, but returns at the commit.

        With the result comes the wait until it is on stable storage. The next transaction may run
        meanwhile. Nothing may be acknowledged before that wait is over; it raises StoreUnavailable
        when the storage failed. For short work only: the embedded engine does it on the event
        loop's own thread. Without `changes_routes` the work promises to change no address, inbox,
        list, member, domain, user or tenant, and the route generation stays.
        """
        ...

    def hear_others(self, told: Callable[[], object]) -> None:
        """Have `told` called soon after another process has committed, where the engine can.

        It is a hint, until `close`: it may come for nothing, and it may be lost. So whoever waits
        for something reads the store at intervals, too.
        """
        ...

    def fault(self) -> StoreFault | None:
        """The present fault of the storage, as far as the engine knows."""
        ...

    async def abandon(self) -> None:
        """Let go of a store with a lasting fault, in place of `close`.

        Saves what can be saved, and leaves the rest as it is for the next start: the process ends
        behind this without closing anything.
        """
        ...

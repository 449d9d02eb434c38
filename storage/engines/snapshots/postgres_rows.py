"""A PostgreSQL store that is filled with rows by COPY, around its seal: see `RowTarget`.

- A transaction survives the end of the process when it is committed, and that of the server once
  `settle` has made a commit that waits for the log; until then it costs the last ones.
- Values go in the binary form of COPY, in the types of the columns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from psycopg import sql

from storage.database import T, Work
from storage.engines.postgres_connections import Connection, connected, control
from storage.engines.servers.transaction import PostgresTx
from storage.engines.snapshots.postgres_snapshot import tables_in_order
from storage.engines.snapshots.tables import Add, Table, Values
from storage.errors import Conflict

_SET_UP = """
    SET idle_in_transaction_session_timeout = 0;
    SET synchronous_commit = off;
    SET maintenance_work_mem = '128MB'
"""
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(current_schema(), 20)) AS is_ours"


class PostgresRows:
    """A store that is filled. Made by `open_postgres_rows`; used by one task at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def all_tables(self) -> Sequence[Table]:
        return await tables_in_order(self._connection)

    async def read(self, work: Work[T]) -> T:
        return await self.write(work)

    async def read_quick(self, work: Work[T]) -> T:
        return await self.write(work)

    async def write(self, work: Work[T]) -> T:
        async with self._connection.transaction():
            return await work(PostgresTx(self._connection))

    async def write_beside(self, work: Work[T]) -> T:
        return await self.write(work)

    async def close(self) -> None:
        """Nothing: `open_postgres_rows` closes it."""

    @asynccontextmanager
    async def adding(self, table: Table) -> AsyncIterator[Add]:
        """See `RowTarget`."""
        query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
        )
        async with (
            self._connection.transaction(),
            self._connection.cursor().copy(query) as copy,
        ):
            copy.set_types(table.types)

            async def add(rows: Sequence[Values]) -> None:
                for row in rows:
                    await copy.write_row(row)

            yield add

    async def settle(self) -> None:
        """See `RowTarget`."""
        await control(self._connection, "SET synchronous_commit = on")
        await control(self._connection, "ANALYZE")


@asynccontextmanager
async def open_postgres_rows(store: str) -> AsyncIterator[PostgresRows]:
    """Open the store at this URL to fill it.

    Raises Conflict when another process fills it, StoreUnavailable, StoreFull.
    """
    async with connected(store) as (connection, _):
        await control(connection, _SET_UP)
        row = await (await control(connection, _LOCK)).fetchone()
        if row is None or not row["is_ours"]:
            raise Conflict("copy_running", "another copy is made into this store")
        yield PostgresRows(connection)

"""The tables of a PostgreSQL store as COPY text: out of one snapshot, and back into empty ones.

- All tables are read in one REPEATABLE READ transaction, each in the order of its primary key.
- Loading is one transaction: all rows of all tables, or none.
- No program of PostgreSQL is needed, so client and server may be of different versions.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence

import psycopg
from psycopg import AsyncRawServerCursor, sql
from psycopg.rows import tuple_row

from storage.database import Row, T, Work
from storage.engines.postgres_connections import Connection, connected
from storage.engines.servers.sql_states import translated
from storage.engines.servers.transaction import PostgresTx
from storage.engines.snapshots.tables import PAGE, Table, Values
from storage.errors import StoreDamaged, StoreUnavailable
from storage.tenant_wall import lower_walls, raise_walls


class Dump:
    """One snapshot of the store. Made by `open_dump`."""

    def __init__(self, connection: Connection, tables: Sequence[Table]) -> None:
        self._connection = connection
        self.tables = tables

    async def all_tables(self) -> Sequence[Table]:
        """See `RowSource`."""
        return await tables_in_order(self._connection)

    async def read(self, work: Work[T]) -> T:
        """Run `work` on the snapshot."""
        return await work(PostgresTx(self._connection))

    async def read_quick(self, work: Work[T]) -> T:
        """The same."""
        return await self.read(work)

    async def close(self) -> None:
        """Nothing: `open_dump` closes it."""

    async def pages(
        self, table: Table, columns: Sequence[str], after: Sequence[object]
    ) -> AsyncGenerator[list[Values], None]:
        """See `RowSource`."""
        key = _names(table.key)
        behind: sql.Composable = sql.SQL("")
        if after:
            places = sql.SQL(", ".join(f"${number}" for number in range(1, len(after) + 1)))
            behind = sql.SQL("WHERE ({}) > ({})").format(key, places)
        query = sql.SQL("SELECT {} FROM {} {} ORDER BY {}").format(
            _names(columns), sql.Identifier(table.name), behind, key
        )
        async with AsyncRawServerCursor[Values](
            self._connection, "copied", row_factory=tuple_row
        ) as cursor:
            await cursor.execute(query, after or None, binary=True)
            while rows := await cursor.fetchmany(PAGE):
                yield rows

    async def rows(self, table: Table) -> AsyncIterator[bytes]:
        """The rows of a table as lines of COPY text, in the order of its key."""
        query = sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT").format(
            _names(table.columns), sql.Identifier(table.name), _names(table.key or table.columns)
        )
        async with self._connection.cursor().copy(query) as copy:
            async for line in copy:
                yield bytes(line)

    async def fetch_all(self, text: str) -> list[Row]:
        """The rows of a query without parameters, out of the same snapshot."""
        cursor = await self._connection.execute(text.encode())
        return list(await cursor.fetchall())


@contextlib.asynccontextmanager
async def open_dump(store: str) -> AsyncIterator[Dump]:
    """Open a snapshot of the store at this URL. Raises StoreUnavailable."""
    async with connected(store) as (connection, _):
        # Whoever reads it may be busy with something else for as long as that takes.
        await connection.execute("SET idle_in_transaction_session_timeout = 0")
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield Dump(connection, await _tables(connection))


async def load(store: str, tables: Mapping[Table, Iterable[bytes]]) -> None:
    """Replace the rows of these tables by those given, as COPY text. Raises StoreUnavailable."""
    async with connected(store) as (connection, _), connection.transaction():
        tx = PostgresTx(connection)
        await lower_walls(tx)
        order = await _parents_first(connection, [*tables])
        await connection.execute(
            sql.SQL("TRUNCATE {}").format(_names(tuple(table.name for table in order)))
        )
        for table in order:
            query = sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(table.name), _names(table.columns)
            )
            async with connection.cursor().copy(query) as copy:
                for block in tables[table]:
                    await copy.write(block)
        await raise_walls(tx)


async def table_faults(store: str) -> list[str]:
    """Read every row and, with amcheck, every index; one line for each fault.

    Reading makes the server compare its page checksums where it keeps them. Raises
    StoreUnavailable: a server that goes away, or a right that is missing, is no damage.
    """
    faults: list[str] = []
    async with connected(store) as (connection, _):
        await connection.set_autocommit(True)
        for table in await _tables(connection):
            query = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table.name))
            try:
                async with connection.cursor().copy(query) as copy:
                    async for _block in copy:
                        pass
            except psycopg.DatabaseError as error:
                faults.append(f"table {table.name}: {_damage(error)}")
        for name in await _checked_indexes(connection):
            try:
                await connection.execute("SELECT bt_index_check($1::regclass, true)", (name,))
            except psycopg.DatabaseError as error:
                faults.append(f"index {name}: {_damage(error)}")
    return faults


async def has_tables(store: str) -> bool:
    """Whether the schema of the store has any table. Raises StoreUnavailable."""
    async with connected(store) as (connection, _):
        return bool(await _tables(connection))


async def tables_in_order(connection: Connection) -> list[Table]:
    """The tables of the store, parents before their children."""
    return await _parents_first(connection, await _tables(connection))


async def _tables(connection: Connection) -> list[Table]:
    rows = await (await connection.execute(_TABLES)).fetchall()
    return [
        Table(row["name"], tuple(row["columns"]), tuple(row["key"] or ()), tuple(row["types"]))
        for row in rows
    ]


async def _parents_first(connection: Connection, tables: list[Table]) -> list[Table]:
    """The tables in an order in which each comes behind those that it references."""
    rows = await (await connection.execute(_PARENTS)).fetchall()
    parents = {(row["child"], row["parent"]) for row in rows if row["child"] != row["parent"]}
    left, order = {table.name: table for table in tables}, list[Table]()
    while left:
        free = [name for name in left if not any((name, other) in parents for other in left)]
        order += [left.pop(name) for name in free or [next(iter(left))]]
    return order


async def _checked_indexes(connection: Connection) -> list[str]:
    """The B-tree indexes of the store, where amcheck is installed, and this role may run it."""
    rows = await (await connection.execute(_INDEXES)).fetchall()
    return [row["name"] for row in rows]


def _names(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _damage(error: psycopg.Error) -> str:
    """Tell the damage that an error of the server shows. Raises StoreUnavailable when it is none.

    A page or a file that the server cannot read is an error of the system to it.
    """
    kind = translated(error)
    system = (error.sqlstate or "").startswith("58")
    if isinstance(kind, StoreUnavailable) and not isinstance(kind, StoreDamaged) and not system:
        raise kind from error
    return " ".join(str(error).split())


_TABLES = """
    SELECT c.relname AS name,
           array_agg(a.attname::text ORDER BY a.attnum) AS columns,
           array_agg(format_type(a.atttypid, NULL) ORDER BY a.attnum) AS types,
           (SELECT array_agg(k.attname::text ORDER BY p.place)
            FROM pg_index i
            CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS p (attnum, place)
            JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = p.attnum
            WHERE i.indrelid = c.oid AND i.indisprimary) AS key
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
    GROUP BY c.oid, c.relname ORDER BY c.relname
"""

_PARENTS = """
    SELECT c.relname AS child, p.relname AS parent
    FROM pg_constraint f
    JOIN pg_class c ON c.oid = f.conrelid
    JOIN pg_class p ON p.oid = f.confrelid
    WHERE f.contype = 'f' AND f.connamespace = current_schema()::regnamespace
"""

_INDEXES = """
    SELECT i.indexrelid::regclass::text AS name
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am a ON a.oid = c.relam AND a.amname = 'btree'
    WHERE c.relnamespace = current_schema()::regnamespace
      AND EXISTS (
          SELECT 1 FROM pg_extension e
          JOIN pg_depend d ON d.refobjid = e.oid AND d.refclassid = 'pg_extension'::regclass
          JOIN pg_proc p ON p.oid = d.objid AND d.classid = 'pg_proc'::regclass
          WHERE e.extname = 'amcheck' AND p.proname = 'bt_index_check'
            AND has_function_privilege(p.oid, 'EXECUTE'))
    ORDER BY 1
"""

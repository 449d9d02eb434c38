"""Row-level security on PostgreSQL: a query without its condition still sees one tenant alone."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from storage.clock import DAY, system_clock
from storage.database import Store, Tx
from storage.engines.opening import open_database
from storage.ids import lowest_at
from storage.migrations import migrate, migrate_to
from storage.tenant_wall import for_all_tenants
from tests.support.cases import cases
from tests.support.engines import Databases, Engines

# Tables without a wall, and why: a new table is behind the wall, or here with its reason.
OF_THE_STORE = "has no row of a tenant"
BY_MESSAGE = "is found by the id of a message, which is behind the wall; holds no text"
BY_CONTENT = "is found by a row of contents, which is behind the wall"
WITHOUT = {
    "migrations": OF_THE_STORE,
    "store_state": OF_THE_STORE,
    "route_leases": OF_THE_STORE,
    "reparse": OF_THE_STORE,
    "retention_worker": OF_THE_STORE,
    "cursors": OF_THE_STORE,
    "content_pieces": BY_CONTENT,
    "object_checksums": BY_CONTENT,
    "search_documents": "its operator is not leakproof: behind a wall its index is of no use",
    "copies": "counts read thousands of rows, and a wall by their inbox asks for each",
    "copy_routes": BY_MESSAGE,
    "routes": BY_MESSAGE,
    "repeated_routes": BY_MESSAGE,
    "deleted_copies": BY_MESSAGE,
    "trashed": BY_MESSAGE,
    "parse_attempts": BY_MESSAGE,
    "message_openings": BY_MESSAGE,
    "note_messages": BY_MESSAGE,
    "note_mentions": "is found by a note, which is behind the wall; holds no text",
    "letter_recipients": BY_MESSAGE,
    "receipts": BY_MESSAGE,
    "list_members": "is found by a list, which is behind the wall; has ids alone",
    "contact_addresses": "is found by a contact, which is behind the wall",
}
BY_PARENT = {"contents", "bodies", "attachments"}
OURS, THEIRS = lowest_at(1), lowest_at(2)


class Held(NamedTuple):
    """A store whose tables behind the wall have a row of each of two tenants."""

    store: Store
    url: str
    tables: list[str]


@pytest.fixture
async def held(
    both_engines: dict[str, Engines], databases: Databases, tmp_path: Path
) -> AsyncIterator[Held]:
    with both_engines["postgresql"](tmp_path) as engine:
        store = await engine.open()
        with databases.administer(engine.store) as operator:
            tables = _walled(operator)
            operator.execute("SET session_replication_role = replica")
            for table in tables:
                for tenant_id in (OURS, THEIRS):
                    _add_row(operator, table, tenant_id)
        yield Held(store, engine.store, tables)
        await store.close()


def _walled(operator: psycopg.Connection) -> list[str]:
    found = operator.execute(
        """
        SELECT c.relname FROM pg_class c
        JOIN pg_policy p ON p.polrelid = c.oid AND p.polname = 'tenant_wall' AND p.polcmd = '*'
        WHERE c.relnamespace = current_schema()::regnamespace
          AND c.relrowsecurity AND c.relforcerowsecurity ORDER BY c.relname
        """
    )
    return [name for (name,) in found]


def _add_row(operator: psycopg.Connection, table: str, tenant_id: bytes) -> None:
    """Add a row with nonsense in each column that needs something; ids are those of the tenant."""
    columns = operator.execute(
        """
        SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0
          AND (attnotnull AND NOT atthasdef OR attname = 'inbox_id' OR attname = 'body')
        """,
        [table],
    ).fetchall()
    nonsense = {"bytea": tenant_id, "text": tenant_id.hex()}
    query = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns),
        sql.SQL(", ").join(sql.Placeholder() for _ in columns),
    )
    operator.execute(query, [nonsense.get(kind, 1) for _, kind in columns])


def _key(table: str) -> str:
    """The column in which the rows of the fixture have their tenant."""
    return "message_id" if table in BY_PARENT else "tenant_id"


async def test_a_hand_written_query_sees_and_changes_no_row_of_another_tenant(held: Held) -> None:
    async def hand_written(tx: Tx, table: str) -> None:
        key, theirs = _key(table), {"theirs": THEIRS}
        change = f"UPDATE {table} SET {key} = {key}"
        found = await tx.fetch_all(f"SELECT {key} AS key FROM {table}")
        assert {bytes(row["key"]) for row in found} == {OURS}
        assert not await tx.fetch_all(f"SELECT 1 FROM {table} WHERE {key} = :theirs", theirs)
        assert not await tx.execute(f"{change} WHERE {key} = :theirs", theirs)
        assert not await tx.execute(f"DELETE FROM {table} WHERE {key} = :theirs", theirs)
        assert await tx.execute(change) == 1

    caller = held.store.for_caller((OURS, b"credential"), in_partition=True)
    with cases() as case:
        for table in held.tables:
            with case(table):
                await caller.write(partial(hand_written, table=table))


async def test_a_row_of_another_tenant_cannot_be_written_and_that_is_no_fault_of_the_machine(
    held: Held,
) -> None:
    async def refused(statement: str) -> None:
        with pytest.raises(InsufficientPrivilege):  # not StoreUnavailable: 503 would hide the bug
            await held.store.write_in(OURS, lambda tx: tx.execute(statement, {"theirs": THEIRS}))

    with cases() as case:
        for table in held.tables:
            key, value = _key(table), "jsonb_build_object('{}', CAST(:theirs AS BYTEA))"
            with case(table):
                await refused(f"UPDATE {table} SET {key} = :theirs")
                await refused(
                    f"INSERT INTO {table} SELECT"
                    f" (jsonb_populate_record({table}, {value.format(key)})).* FROM {table}"
                )


async def test_a_caller_sees_one_tenant_and_the_process_all_of_them(held: Held) -> None:
    async def seen(tx: Tx) -> list[set[bytes]]:
        asked = [f"SELECT {_key(table)} AS key FROM {table}" for table in held.tables]
        return [{bytes(row["key"]) for row in await tx.fetch_all(one)} for one in asked]

    async def seen_by_turns(tx: Tx) -> list[list[set[bytes]]]:
        before = await seen(tx)
        async with for_all_tenants(tx, back_to=OURS):
            meanwhile = await seen(tx)
        return [before, meanwhile, await seen(tx)]

    one, both = ([ids] * len(held.tables) for ids in ({OURS}, {OURS, THEIRS}))
    caller = held.store.for_caller((OURS, b"credential"))
    assert await caller.read(seen) == await caller.read_quick(seen) == one
    assert await held.store.read(seen) == await held.store.read_quick(seen) == both
    assert await held.store.write_in(OURS, seen_by_turns) == [one, both, one]
    assert await held.store.write(seen) == await caller.write(seen) == both
    assert await held.store.write_beside(seen) == [set()] * len(held.tables)


async def test_each_table_is_behind_the_wall_or_has_a_reason_not_to_be(
    held: Held,
) -> None:
    with psycopg.connect(held.url, autocommit=True) as unnamed:
        for table in held.tables:
            assert not unnamed.execute(f"SELECT 1 FROM {table}".encode()).fetchall()
        found = unnamed.execute(
            """
            SELECT relname, EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid
                                    AND a.attname = 'tenant_id')
            FROM pg_class c
            WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
            """
        )
        has_tenant: dict[str, bool] = dict(found.fetchall())
    assert {*held.tables} == {name for name, has in has_tenant.items() if has} | BY_PARENT
    assert {*held.tables} | {*WITHOUT} == {*has_tenant}


async def test_a_gateway_of_an_older_release_sees_all_rows_for_a_week_after_the_upgrade(
    databases: Databases,
) -> None:
    url = databases.make_empty()

    async def seen(tx: Tx) -> int:
        return len(await tx.fetch_all("SELECT 1 FROM tenants"))

    def seen_by_older() -> int:
        with psycopg.connect(url, autocommit=True) as unnamed:
            return len(unnamed.execute("SELECT 1 FROM tenants").fetchall())

    store = await open_database(url, Path(), system_clock)
    try:
        await migrate_to(store, 30, now=0)
        with databases.administer(url) as operator:
            _add_row(operator, "tenants", THEIRS)
        await migrate(store, now=0)
        assert (seen_by_older(), await store.write_in(OURS, seen)) == (1, 0)
        await migrate(store, now=7 * DAY - 1)
        assert seen_by_older() == 1
        await migrate(store, now=7 * DAY)
        assert (seen_by_older(), await store.write_in(THEIRS, seen)) == (0, 1)
    finally:
        await store.close()
        databases.drop(url)

"""Row-level security: the second wall between tenants, behind the conditions of our queries.

- A transaction names its tenant when it begins, in the message that begins it, or says that it is
  for all of them. One that does neither sees no row of a tenant.
- The owner of the tables is our own role, so the wall is forced on it. A superuser and a role with
  BYPASSRLS pass through it nevertheless.
- COPY FROM is refused behind such a wall: whoever fills a whole store takes the force away
  meanwhile (`lower_walls`).

- A gateway of a release before the walls names no tenant. While it may run beside a newer one it
  sees all rows (`open_for_older`): to see none would be to refuse mail for good.

The setting is read by a sub-select where rows are read: once a statement, and not for each row,
which made counts over tens of thousands of rows half as dear again. Where one row is written it is
read for that row: there a sub-select costs more. The second half looks to the planner as if it were
true for most rows, so it chooses the plan that it would without a wall. But behind a wall only
conditions of leakproof functions use an index: comparisons of bytes, text and numbers are
leakproof, COALESCE and LIKE are not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

from storage.database import Tx

SETTING = "postroom.tenant"
"""The setting in which a transaction names its tenant."""

_ALL = "*"
_OLDER = "older_release"

# An asterisk is no id: as bytes it is one octet. What was never set is NULL, or empty later on.
_TENANT = f"CAST(current_setting('{SETTING}', true) AS bytea)"
_IS_ONE = f"(strpos(COALESCE(current_setting('{SETTING}', true), ''), '{_ALL}') = 0)"


class Condition(NamedTuple):
    """Which rows of a table a transaction sees, and which it may write."""

    seen: str
    written: str


HAS_TENANT = Condition(
    seen=f"tenant_id = (SELECT {_TENANT}) OR (SELECT {_IS_ONE}) IS NOT TRUE",
    written=f"tenant_id = {_TENANT} OR {_IS_ONE} IS NOT TRUE",
)
"""The condition of a table whose rows name their tenant."""


def name_tenant(tenant_id: bytes | None) -> str:
    """The statement with which a transaction names its tenant; None stands for all of them."""
    return f"SET LOCAL {SETTING} = '{wall_value(tenant_id)}'"


def name_all_for_session() -> str:
    """The statement with which a connection of the whole store says so for all it will do."""
    return f"SET {SETTING} = '{_ALL}'"


def wall_value(tenant_id: bytes | None) -> str:
    """The value of the setting `postroom.tenant`; None stands for all tenants."""
    return _ALL if tenant_id is None else f"\\x{tenant_id.hex()}"


@asynccontextmanager
async def for_all_tenants(tx: Tx, *, back_to: bytes) -> AsyncIterator[None]:
    """Let a transaction of the tenant `back_to` see all of them meanwhile.

    For a question whose answer another tenant may have: is this address taken, is it ours.
    """
    has_walls = tx.dialect["engine"] == "postgres"
    if has_walls:
        await tx.execute(name_tenant(None))
    yield
    if has_walls:  # behind an exception the transaction ends
        await tx.execute(name_tenant(back_to))


def has_parent(table: str, parent: str, key: str) -> Condition:
    """The condition of a table whose rows are those of another, which is behind the wall itself.

    A row is written behind that of its parent, and deleted before it.
    """
    has_one = f"EXISTS (SELECT 1 FROM {parent} p WHERE p.{key} = {table}.{key})"
    return Condition(
        seen=f"(SELECT {_IS_ONE}) IS NOT TRUE OR {has_one}",
        written=f"{_IS_ONE} IS NOT TRUE OR {has_one}",
    )


async def build_wall(tx: Tx, table: str, condition: Condition) -> None:
    """Put a table behind the wall: its rows are there where the condition holds."""
    for statement in (
        f"DROP POLICY IF EXISTS tenant_wall ON {table}",
        f"""
        CREATE POLICY tenant_wall ON {table}
        USING ({condition.seen}) WITH CHECK ({condition.written})
        """,
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
    ):
        await tx.execute(statement)


async def open_for_older(tx: Tx) -> None:
    """Let sessions that know nothing of the walls see all rows, until `close_to_older`."""
    for table in await walled_tables(tx):
        await tx.execute(
            f"CREATE POLICY {_OLDER} ON {table} USING (current_setting('{SETTING}', true) IS NULL)"
        )


async def close_to_older(tx: Tx, *, table: str) -> None:
    """End that for one table; no effect where it was ended, or never begun.

    Each table in a transaction of its own: two that are locked together could block a reader.
    """
    await tx.execute(f"DROP POLICY IF EXISTS {_OLDER} ON {table}")


async def are_open_for_older(tx: Tx) -> bool:
    """Whether sessions that know nothing of the walls see all rows."""
    if tx.dialect["engine"] != "postgres":
        return False
    found = await tx.fetch_one(
        f"""
        SELECT 1 FROM pg_policies
        WHERE schemaname = current_schema() AND policyname = '{_OLDER}' LIMIT 1
        """
    )
    return found is not None


async def passes_walls(tx: Tx) -> bool:
    """Whether the role of the store is one that no wall binds."""
    if tx.dialect["engine"] != "postgres":
        return False
    row = await tx.fetch_one(
        "SELECT rolsuper OR rolbypassrls AS passes FROM pg_roles WHERE rolname = current_user"
    )
    return row is not None and bool(row["passes"])


async def lower_walls(tx: Tx) -> None:
    """Let the owner through, until `raise_walls`. No effect on an engine without walls."""
    await _alter(tx, "NO FORCE")


async def raise_walls(tx: Tx) -> None:
    """Bind the owner again."""
    await _alter(tx, "FORCE")


async def _alter(tx: Tx, how: str) -> None:
    if tx.dialect["engine"] != "postgres":
        return
    for table in await walled_tables(tx):
        await tx.execute(f"ALTER TABLE {table} {how} ROW LEVEL SECURITY")


async def walled_tables(tx: Tx) -> list[str]:
    """The tables behind the wall."""
    return [row["name"] for row in await tx.fetch_all(_WALLED)]


async def lock_together(tx: Tx, tables: Iterable[str]) -> None:
    """Lock these tables, for a change of all of them while others use them in any order.

    Whoever waits for one lock with another in hand can block others, and be blocked. So all are let
    go after a moment, before the server looks for such a knot, and asked for again.
    """
    await tx.execute(_LOCK_TOGETHER.format(", ".join(tables)))


_LOCK_TOGETHER = """
    DO $$ BEGIN
        FOR attempt IN 1 .. 50 LOOP
            BEGIN
                PERFORM set_config('lock_timeout', '200ms', true);
                LOCK TABLE {};
                RETURN;
            EXCEPTION WHEN lock_not_available THEN
                PERFORM pg_sleep(0.05);
            END;
        END LOOP;
        RAISE lock_not_available USING MESSAGE = 'the tables are in use';
    END $$
"""
_WALLED = """
    SELECT c.relname AS name FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relrowsecurity
    ORDER BY c.relname
"""

"""A tenant that is deleted leaves nothing, and takes nothing of another's; on both engines."""

import pytest

from storage.accounts.tenants import list_tenants
from storage.content.message_bytes import ContentDirectory
from storage.database import Store, Tx
from storage.maintenance import tenant_removal
from storage.maintenance.integrity import audit
from storage.maintenance.tenant_removal import close_tenant, holdings, purge_tenant
from tests.storage.migrations.test_released_stores import answers, left_behind, migrated, release
from tests.support.engines import Engine

__all__ = ["answers", "left_behind", "migrated", "release"]

NOW = 1_900_000_000_000_000
COLUMNS = {
    "sqlite": """
        SELECT m.name AS name, c.name AS held FROM sqlite_master m, pragma_table_info(m.name) c
        WHERE m.type = 'table'
    """,
    "postgres": """
        SELECT table_name AS name, column_name AS held FROM information_schema.columns
        WHERE table_schema = current_schema()
    """,
}
# Where an id is noted that may be gone: they are nobody's rows, and expire.
OF_NOBODY = {"filing", "receipts"}


async def left_over(tx: Tx) -> list[str]:
    """Name each table that holds rows of a tenant, message, inbox or note that is not there."""
    found = []
    for row in await tx.fetch_all(COLUMNS[tx.dialect["engine"]]):
        table, column = row["name"], row["held"]
        home = {"tenant_id": "tenants", "message_id": "messages", "inbox_id": "inboxes"}.get(column)
        if home is None or table in OF_NOBODY:
            continue
        orphan = await tx.fetch_one(
            f"""
            SELECT 1 FROM {table}
            WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT {column} FROM {home})
            """
        )
        if orphan is not None:
            found.append(f"{table}.{column}")
    return found


async def test_a_deleted_tenant_leaves_nothing_and_the_other_everything(
    left_behind: Engine, migrated: Store
) -> None:
    contents = ContentDirectory(left_behind.data)
    contents.prepare()
    first, other = await migrated.read(list_tenants)
    held = await migrated.read(lambda tx: holdings(tx, tenant_id=first.tenant_id))
    assert min(held.values()) > 0

    await migrated.write(lambda tx: close_tenant(tx, tenant_id=first.tenant_id, now=NOW))
    files, whole, rounds = list[str](), False, 0
    while not whole:
        purged = await migrated.write(
            lambda tx: purge_tenant(tx, tenant_id=first.tenant_id, now=NOW)
        )
        files += purged.files
        whole, rounds = purged.whole, rounds + 1

    assert await migrated.read(list_tenants) == [other]
    assert await migrated.read(left_over) == []
    assert len(files) == 1
    report = await audit(migrated, contents, deep=True)
    assert (report.findings, report.messages, report.copies_present) == ((), 1, 1)
    assert rounds > held["inboxes"]


async def test_many_rows_go_some_in_each_transaction(
    migrated: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_removal, "_AT_ONCE", 2)
    first, other = await migrated.read(list_tenants)
    await migrated.write(lambda tx: close_tenant(tx, tenant_id=first.tenant_id, now=NOW))
    rounds = 1
    while not (
        await migrated.write(lambda tx: purge_tenant(tx, tenant_id=first.tenant_id, now=NOW))
    ).whole:
        rounds += 1

    assert rounds > 20
    assert await migrated.read(list_tenants) == [other]
    assert await migrated.read(left_over) == []

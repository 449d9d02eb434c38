"""Deleting a tenant: it is closed to everybody first, then its data is deleted.

- `close_tenant` ends sessions, tokens, users and lists; its domains take no mail, its inboxes count
  as deleted with their days of grace over. Nothing brings that back.
- `purge_tenant` deletes some of the rest; it is called until nothing is left. After an interruption
  the tenant is deleted once more, and it goes on.
- A new table with rows of a tenant needs no entry here: every table with a column `tenant_id` is
  emptied of them, and jobs forget how far they read. One with many rows a tenant should be in
  `_MANY`.
"""

from __future__ import annotations

from storage.database import Tx
from storage.directory.inboxes import list_inboxes
from storage.directory.lists import all_lists, delete_list
from storage.maintenance.inbox_removal import GRACE, Purged, delete_inbox, purge_some

_AT_ONCE = 1000
_MANY = {
    "deliveries": "delivery_id",
    "events": "event_id",
    "activity": "activity_id",
    "notes": "note_id",
    "thread_history": "entry_id",
    "thread_references": "reference",
    "threads": "thread_id",
    "messages_by_sender": "message_id",
    "idempotency_keys": "key",
    "audit_log": "entry_id",
}
# In the order in which they refer to each other.
_FINAL = (
    *("sessions", "sign_in_links", "tokens", "addresses"),
    *("lists", "inboxes", "domains", "users", "tenants"),
)
_TABLES = {
    "sqlite": """
        SELECT m.name AS name FROM sqlite_master m, pragma_table_info(m.name) c
        WHERE m.type = 'table' AND c.name = 'tenant_id'
    """,
    "postgres": """
        SELECT table_name AS name FROM information_schema.columns
        WHERE table_schema = current_schema() AND column_name = 'tenant_id'
    """,
}


async def holdings(tx: Tx, *, tenant_id: bytes) -> dict[str, int]:
    """How many domains, users, inboxes (deleted ones too) and lists the tenant has."""
    found = {}
    for table in ("domains", "users", "inboxes", "lists"):
        row = await tx.fetch_one(
            f"SELECT COUNT(*) AS number FROM {table} WHERE tenant_id = :tenant_id",
            {"tenant_id": tenant_id},
        )
        assert row is not None
        found[table] = int(row["number"])
    return found


async def close_tenant(tx: Tx, *, tenant_id: bytes, now: int) -> None:
    """Let nobody in and take no mail from now on."""
    # One by one, as when an admin deletes them: all that hangs on a list or an inbox ends with it.
    for each in await all_lists(tx, tenant_id=tenant_id):
        await delete_list(tx, tenant_id=tenant_id, list_id=each.list_id, now=now)
    for inbox in await list_inboxes(tx, tenant_id=tenant_id):
        await delete_inbox(tx, tenant_id=tenant_id, inbox_id=inbox.inbox_id, now=now)
    of_tenant = "WHERE tenant_id = :tenant_id"
    for statement in (
        f"UPDATE inboxes SET deleted_at = :over, owner_user_id = NULL {of_tenant}",
        f"UPDATE domains SET status = 'revoked', verified_at = NULL {of_tenant}",
        f"DELETE FROM sessions {of_tenant}",
        f"DELETE FROM sign_in_links {of_tenant}",
        f"DELETE FROM users {of_tenant}",
    ):
        await tx.execute(statement, {"tenant_id": tenant_id, "over": now - GRACE})


async def purge_tenant(tx: Tx, *, tenant_id: bytes, now: int) -> Purged:
    """Remove some of what a closed tenant has; `whole` when that was the last of it."""
    row = await tx.fetch_one(
        "SELECT inbox_id FROM inboxes WHERE tenant_id = :tenant_id ORDER BY inbox_id LIMIT 1",
        {"tenant_id": tenant_id},
    )
    if row is not None:
        purged = await purge_some(tx, tenant_id=tenant_id, inbox_id=bytes(row["inbox_id"]), now=now)
        return Purged(purged.copies, purged.files, False)
    for table, column in _MANY.items():
        if await _drop_some(tx, tenant_id, table, column) >= _AT_ONCE:
            return Purged(0, (), False)
    tables = {str(row["name"]) for row in await tx.fetch_all(_TABLES[tx.dialect["engine"]])}
    for table in (*sorted(tables.difference(_FINAL)), *_FINAL):
        await tx.execute(
            f"DELETE FROM {table} WHERE tenant_id = :tenant_id", {"tenant_id": tenant_id}
        )
    await tx.execute("DELETE FROM cursors WHERE part = :tenant_id", {"tenant_id": tenant_id})
    return Purged(0, (), True)


async def _drop_some(tx: Tx, tenant_id: bytes, table: str, column: str) -> int:
    key = {"tenant_id": tenant_id}
    some = f"""
        SELECT {column} FROM {table} WHERE tenant_id = :tenant_id ORDER BY {column} LIMIT {_AT_ONCE}
    """
    if table == "notes":
        for child in ("note_mentions", "note_messages"):
            await tx.execute(f"DELETE FROM {child} WHERE note_id IN ({some})", key)
    return await tx.execute(
        f"DELETE FROM {table} WHERE tenant_id = :tenant_id AND {column} IN ({some})", key
    )

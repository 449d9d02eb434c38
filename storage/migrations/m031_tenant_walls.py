"""Row-level security on PostgreSQL: a transaction sees the rows of the tenant that it names."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema
from storage.tenant_wall import HAS_TENANT, build_wall, has_parent, lock_together, open_for_older


async def m031_tenant_walls(tx: Tx) -> None:
    """Put the rows that name their tenant behind a wall, and the text of messages; not on SQLite.

    A later step that makes such a table does the same for it. Gateways of older releases may serve
    a store that has tenants.
    """
    if tx.dialect["engine"] != "postgres":
        return
    tables = [row["name"] for row in await tx.fetch_all(_WITH_TENANT)]
    await lock_together(tx, [*tables, *_BY_MESSAGE])
    for table in tables:
        await build_wall(tx, table, HAS_TENANT)
    for table in _BY_MESSAGE:
        await build_wall(tx, table, has_parent(table, "messages", "message_id"))
    await run_schema(tx, _THREADS)
    if await tx.fetch_one("SELECT 1 FROM tenants LIMIT 1") is not None:
        await open_for_older(tx)


_BY_MESSAGE = ("contents", "bodies", "attachments")
_WITH_TENANT = """
    SELECT c.relname AS name FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
    ORDER BY c.relname
"""
# The tenant is asked of each row: in the index, a thread is still read without its messages.
_THREADS = """
DROP INDEX messages_by_thread;
CREATE INDEX messages_by_thread ON messages (thread_id, message_id) INCLUDE (tenant_id)
"""

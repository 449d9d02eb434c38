"""Indexes of what waits: open threads without those that are done, and the mail of a list."""

from __future__ import annotations

from storage.database import Tx
from storage.migrations.schema import run_schema


async def m027_open_threads(tx: Tx) -> None:
    """Part the index of a tenant's threads: closed ones have one of their own already."""
    await run_schema(tx, _INDEXES)


_INDEXES = """
DROP INDEX threads_by_tenant;
CREATE INDEX threads_open ON threads (tenant_id, thread_id) WHERE status = 'open';
CREATE INDEX threads_open_assigned ON threads (assignee_inbox_id, thread_id)
    WHERE status = 'open' AND assignee_inbox_id IS NOT NULL;
CREATE INDEX routes_of_list ON routes (list_id, message_id) WHERE list_id IS NOT NULL
"""

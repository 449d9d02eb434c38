"""The messages that wait for the parser, by tenant: a search looks at its own only."""

from __future__ import annotations

from storage.database import Tx


async def m016_pending_of_tenant(tx: Tx) -> None:
    """Index them; the index holds what waits, and no more."""
    await tx.execute(
        "CREATE INDEX messages_pending_of_tenant ON messages (tenant_id, message_id)"
        " WHERE parse_status = 'pending'"
    )

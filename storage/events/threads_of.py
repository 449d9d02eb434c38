"""The threads of messages that an event names."""

from __future__ import annotations

from collections.abc import Collection

from storage.database import Tx
from storage.sql import chunks, in_list

_AT_ONCE = 500


async def threads_of(tx: Tx, *, tenant_id: bytes, message_ids: Collection[bytes]) -> set[bytes]:
    """Return the threads of those of these messages that are still there."""
    found: set[bytes] = set()
    for some in chunks(sorted(message_ids), _AT_ONCE):
        chosen, names = in_list(some)
        rows = await tx.fetch_all(
            f"""
            SELECT DISTINCT thread_id FROM messages
            WHERE tenant_id = :tenant_id AND message_id IN ({chosen})
            """,
            {"tenant_id": tenant_id, **names},
        )
        found |= {bytes(row["thread_id"]) for row in rows}
    return found

"""Whether a store can serve: a release that this one works with, and a server that takes writes.

A store that can only be read is not ready: it takes no mail.
"""

from __future__ import annotations

from storage.database import Reads, Tx
from storage.errors import StoreUnavailable
from storage.migrations import require_current


async def require_ready(database: Reads) -> None:
    """Raises StoreUnavailable with the reason when the store cannot serve."""
    await require_current(database)
    if await database.read(_is_read_only):
        raise StoreUnavailable("the store can only be read now")


async def _is_read_only(tx: Tx) -> bool:
    row = await tx.fetch_one(
        "SELECT CASE WHEN {is_read_only} THEN 1 ELSE 0 END AS found".format_map(tx.dialect)
    )
    return row is not None and bool(row["found"])

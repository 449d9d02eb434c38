"""A tenant's name is used once, so that an operator can type it."""

from __future__ import annotations

import logging

from config.logs import event
from storage.database import Tx

logger = logging.getLogger(__name__)


async def m014_tenant_names(tx: Tx) -> None:
    """Call each later tenant of a name `NAME (2)`, `NAME (3)` and so on; tell it in the log."""
    rows = await tx.fetch_all("SELECT tenant_id, name FROM tenants ORDER BY tenant_id")
    taken = {row["name"] for row in rows}
    seen: set[str] = set()
    for row in rows:
        name = row["name"]
        if name in seen:
            free = (f"{name} ({n})" for n in range(2, len(rows) + 2))
            new = next(each for each in free if each not in taken)
            taken.add(new)
            await tx.execute(
                "UPDATE tenants SET name = :new WHERE tenant_id = :tenant_id",
                {"new": new, "tenant_id": row["tenant_id"]},
            )
            event(logger, "tenant_renamed", level=logging.WARNING, former=name, name=new)
        seen.add(name)
    await tx.execute("CREATE UNIQUE INDEX tenants_by_name ON tenants (name)")

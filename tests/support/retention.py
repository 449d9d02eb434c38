"""Retention of one kind, as the job would do it at a time."""

from storage.database import Database
from storage.maintenance.retention import KINDS, find_due


async def forgotten(database: Database, name: str, *, now: int) -> int:
    """Remove what is over at `now` of the kind of this name; how much."""
    (kind,) = [kind for kind in KINDS if kind.name == name]
    rows = await database.read(lambda tx: find_due(tx, kind, now=now))
    if not rows:
        return 0
    removed = await database.write(lambda tx: kind.some(tx, rows, kind.at(now)))
    return removed.count

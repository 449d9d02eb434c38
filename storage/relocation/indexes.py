"""The indexes of a store that is filled: put away before, made anew of all rows after.

- Their statements stand in a table of the store meanwhile: nothing is lost with the process.
- Those that are part of a constraint stay: a primary key tells how far its table is filled.
"""

from __future__ import annotations

from collections.abc import Callable

from storage.database import Row, Tx
from storage.engines.snapshots.tables import RowTarget

TABLE = "copied_indexes"
_DEFINED = {
    "sqlite": """
        SELECT name, sql AS statement FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL
    """,
    "postgres": """
        SELECT c.relname AS name, pg_get_indexdef(i.indexrelid) AS statement
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relnamespace = current_schema()::regnamespace
          AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)
    """,
}


async def put_away_indexes(tx: Tx) -> None:
    """Drop all indexes that can be made anew, and keep their statements."""
    await tx.execute(
        f"CREATE TABLE {TABLE} (name {{text}} PRIMARY KEY, statement {{text}} NOT NULL)".format_map(
            tx.dialect
        )
    )
    rows = [dict(row) for row in await tx.fetch_all(_DEFINED[tx.dialect["engine"]])]
    await tx.execute_many(f"INSERT INTO {TABLE} (name, statement) VALUES (:name, :statement)", rows)
    for row in rows:
        await tx.execute(f"DROP INDEX {row['name']}")


async def make_indexes(target: RowTarget, progress: Callable[[int, int], None]) -> None:
    """Make the indexes that were put away and are not there yet, each in a transaction."""

    async def left(tx: Tx) -> list[Row]:
        return await tx.fetch_all(f"SELECT name, statement FROM {TABLE} ORDER BY name")

    rows = await target.read(left)
    for number, row in enumerate(rows):
        progress(number, len(rows))

        async def make(tx: Tx, row: Row = row) -> None:
            await tx.execute(row["statement"])
            await tx.execute(f"DELETE FROM {TABLE} WHERE name = :name", {"name": row["name"]})

        await target.write(make)

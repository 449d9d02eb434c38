"""Cursors: how far a job has read the messages or the events, in the order of their ids.

- Ids become visible in their order within a *partition*. SQLite has one writer, and one partition:
  `WHOLE`. On PostgreSQL writers of different tenants overlap, and each tenant is a partition.
- So a reader that has read a partition up to an id has missed nothing below it; of another
  partition that id says nothing.
- A store that was copied from PostgreSQL to SQLite still has the positions of tenants. They say up
  to where a tenant's rows were read already, behind the position of the whole (`read_before`).
- A position is moved from where the reader found it. Of two processes with the same messages, the
  second finds that it was moved, and does nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from storage.database import Tx
from storage.sql import chunks, in_list

WHOLE = b""
"""The one partition of a store with one writer."""

BEGINNING = b""
"""The position before all ids."""

_AT_ONCE = 500


class Place(NamedTuple):
    """How far a partition was read."""

    part: bytes
    position: bytes


def partition_of(tx: Tx, tenant_id: bytes) -> bytes:
    """The partition with the rows of this tenant."""
    return tenant_id if _by_tenant(tx) else WHOLE


def in_one(tx: Tx) -> bool:
    """Whether the store is one partition."""
    return not _by_tenant(tx)


def in_partition(tx: Tx, column: str) -> str:
    """A condition for rows of the partition `:part`; `column` has their tenant."""
    return f"{column} = :part" if _by_tenant(tx) else "1 = 1"


def _by_tenant(tx: Tx) -> bool:
    return tx.dialect["engine"] == "postgres"


async def position(tx: Tx, *, name: str, part: bytes) -> bytes:
    """The id up to which `name` has read the partition; `BEGINNING` before the first."""
    row = await tx.fetch_one(POSITION, {"name": name, "part": part})
    return bytes(row["position"]) if row else BEGINNING


POSITION = "SELECT position FROM cursors WHERE name = :name AND part = :part"
"""The query of `position`, to be asked together with others."""


async def positions(tx: Tx, *, name: str, parts: Collection[bytes]) -> dict[bytes, bytes]:
    """The positions of those of these partitions that have one."""
    found: dict[bytes, bytes] = {}
    for some in chunks(sorted(parts), _AT_ONCE):
        chosen, names = in_list(some)
        rows = await tx.fetch_all(
            f"SELECT part, position FROM cursors WHERE name = :name AND part IN ({chosen})",
            {**names, "name": name},
        )
        found |= {bytes(row["part"]): bytes(row["position"]) for row in rows}
    return found


async def move(tx: Tx, *, name: str, part: bytes, expected: bytes, to: bytes) -> bool:
    """Move the position from `expected`; False when it is there no more."""
    key = {"name": name, "part": part, "to": to}
    if expected == BEGINNING:
        moved = await tx.execute(_BEGIN, key)
    else:
        moved = await tx.execute(_MOVE, {**key, "expected": expected})
    return moved == 1


async def advance(tx: Tx, *, name: str, part: bytes, to: bytes) -> None:
    """Move the position, by the writer of the partition that has read it in its transaction."""
    await tx.execute_many(_ADVANCE, [{"name": name, "part": part, "to": to}])


_ADVANCE = """
    INSERT INTO cursors (name, part, position) VALUES (:name, :part, :to)
    ON CONFLICT (name, part) DO UPDATE SET position = excluded.position
"""
_BEGIN = """
    INSERT INTO cursors (name, part, position) VALUES (:name, :part, :to)
    ON CONFLICT (name, part) DO NOTHING
"""
_MOVE = """
    UPDATE cursors SET position = :to
    WHERE name = :name AND part = :part AND position = :expected
"""


async def with_new_messages(tx: Tx, *, name: str, limit: int) -> list[Place]:
    """The partitions with messages behind the position of `name`; the longest waiting first."""
    if not _by_tenant(tx):
        after = await position(tx, name=name, part=WHOLE)
        newer = await tx.fetch_one(_ANY_NEWER, {"after": after})
        return [Place(WHOLE, after)] if newer else []
    rows = await tx.fetch_all(_TENANTS_WITH_NEWER, {"name": name, "limit": limit})
    return [Place(bytes(row["part"]), bytes(row["position"])) for row in rows]


_ANY_NEWER = "SELECT message_id FROM messages WHERE message_id > :after LIMIT 1"
# One look into an index for each tenant. Not by COALESCE: behind a wall (`storage.tenant_wall`)
# PostgreSQL looks nothing up by one.
_TENANTS_WITH_NEWER = """
    SELECT t.tenant_id AS part, COALESCE(c.position, CAST('' AS BYTEA)) AS position
    FROM tenants t
    LEFT JOIN cursors c ON c.name = :name AND c.part = t.tenant_id
    CROSS JOIN LATERAL (
        SELECT m.message_id FROM messages m
        WHERE m.tenant_id = t.tenant_id
          AND m.message_id > CASE WHEN c.position IS NULL THEN '' ELSE c.position END
        ORDER BY m.message_id LIMIT 1) newer
    ORDER BY newer.message_id LIMIT :limit
"""


def messages_behind(tx: Tx, name: str, *, most: int) -> str:
    """A query with a row for each message behind the positions of `name`."""
    if not _by_tenant(tx):
        return f"""
            SELECT 1 FROM messages WHERE message_id > COALESCE(
                (SELECT c.position FROM cursors c
                 WHERE c.name = '{name}' AND length(c.part) = 0), :first)
        """
    return f"""
        SELECT 1 FROM tenants t
        LEFT JOIN cursors c ON c.name = '{name}' AND c.part = t.tenant_id
        CROSS JOIN LATERAL (
            SELECT 1 FROM messages m
            WHERE m.tenant_id = t.tenant_id
              AND m.message_id >
                  CASE WHEN c.position IS NULL THEN CAST(:first AS BYTEA) ELSE c.position END
            LIMIT {most}) newer
    """


def spans(after: Mapping[bytes, bytes]) -> dict[str, object]:
    """The parameters of a query that joins `BEHIND`: partitions, and the id behind which each."""
    return {"parts": [*after], "positions": [*after.values()]}


# Only PostgreSQL has arrays.
BEHIND = "unnest(CAST(:parts AS BYTEA[]), CAST(:positions AS BYTEA[])) AS w(part, position)"


async def read_before(tx: Tx, *, name: str, after: bytes) -> dict[bytes, bytes]:
    """Up to where the rows of tenants behind `after` were read, before the store was copied."""
    if _by_tenant(tx):
        return {}
    rows = await tx.fetch_all(
        "SELECT part, position FROM cursors WHERE name = :name AND position > :after",
        {"name": name, "after": after},
    )
    return {bytes(row["part"]): bytes(row["position"]) for row in rows if row["part"] != WHOLE}


async def reached(tx: Tx, *, name: str, tenant_id: bytes) -> bytes:
    """The id up to which `name` has read the rows of a tenant."""
    found = await position(tx, name=name, part=partition_of(tx, tenant_id))
    if _by_tenant(tx):
        return found
    before = await read_before(tx, name=name, after=found)
    return max(found, before.get(tenant_id, BEGINNING))


async def adopt(tx: Tx) -> None:
    """Make the positions, and the floor of ids, of a store that was copied those of this engine."""
    for statement in _ADOPT[tx.dialect["engine"]]:
        await tx.execute(statement, {"whole": WHOLE})


# A position of the whole holds for each tenant. The whole was read as far as all tenants were; one
# without a position may have messages that nobody read.
_ADOPT = {
    "postgres": (
        """
        INSERT INTO cursors (name, part, position, until)
        SELECT c.name, t.tenant_id, c.position, c.until FROM cursors c CROSS JOIN tenants t
        WHERE c.part = :whole ON CONFLICT (name, part) DO NOTHING
        """,
        "DELETE FROM cursors WHERE part = :whole",
    ),
    "sqlite": (
        """
        INSERT INTO cursors (name, part, position, until)
        SELECT c.name, :whole, MIN(c.position), MAX(c.until) FROM cursors c
        GROUP BY c.name
        HAVING c.name = 'checks_behind' OR NOT EXISTS (
            SELECT 1 FROM tenants t WHERE NOT EXISTS (
                SELECT 1 FROM cursors d WHERE d.name = c.name AND d.part = t.tenant_id))
        ON CONFLICT (name, part) DO NOTHING
        """,
        "DELETE FROM cursors WHERE name = 'checks_behind' AND part <> :whole",
        """
        UPDATE store_state
        SET value = MAX(value, COALESCE((SELECT MAX(f.value) FROM tenant_floors f), 0))
        WHERE name = 'last_id'
        """,
        "DELETE FROM tenant_floors",
    ),
}

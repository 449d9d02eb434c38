"""The graph of a team: its inboxes, the addresses outside that write to them, and how strong.

An inbox that keeps its relationships to itself is not in it, for nobody. An address of the tenant's
own is no address outside.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.contacts.relationships import score_of
from storage.database import Tx


@dataclass(frozen=True, slots=True)
class Edge:
    """One inbox's relationship with one address."""

    inbox_id: bytes
    inbox_address: str
    inbox_name: str
    address: str
    canonical: str
    name: str
    score: float
    message_count: int
    last_seen: int


async def strongest_edges(
    tx: Tx, *, tenant_id: bytes, least: float, limit: int, now: int
) -> list[Edge]:
    """At most `limit` edges of at least the strength `least`, the strongest first."""
    inboxes = await tx.fetch_all(
        """
        SELECT inbox_id, address, display_name FROM inboxes
        WHERE tenant_id = :tenant_id AND deleted_at IS NULL AND share_relationships = 1
        ORDER BY inbox_id
        """,
        {"tenant_id": tenant_id},
    )
    found: list[Edge] = []
    # One query for each: the index by inbox and score then gives the best without sorting them all.
    for inbox in inboxes:
        rows = await tx.fetch_all(
            """
            SELECT r.address, r.canonical, r.name, r.score, r.message_count, r.last_seen
            FROM relationships r
            WHERE r.tenant_id = :tenant_id AND r.inbox_id = :inbox_id AND r.score >= :least
              AND NOT EXISTS (SELECT 1 FROM addresses a
                              WHERE a.canonical = r.canonical AND a.tenant_id = :tenant_id)
            ORDER BY r.score DESC, r.canonical DESC LIMIT :limit
            """,
            {
                "tenant_id": tenant_id,
                "inbox_id": inbox["inbox_id"],
                "least": score_of(least, now=now),
                "limit": limit,
            },
        )
        found += [
            Edge(
                bytes(inbox["inbox_id"]),
                inbox["address"],
                inbox["display_name"],
                row["address"],
                row["canonical"],
                row["name"],
                row["score"],
                int(row["message_count"]),
                row["last_seen"],
            )
            for row in rows
        ]
    found.sort(key=lambda edge: (-edge.score, edge.canonical, edge.inbox_id))
    return found[:limit]

"""Gauges of the store for its operator: backlogs and sizes.

Backlogs are counted up to `MOST`, by an index. Counting all messages reads all of them, so a caller
that polls should not do it every time.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage import cursors
from storage.authentication import check_queue
from storage.contacts import relationships
from storage.database import Tx

MOST = 100_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """The backlog; each count is at most `MOST`.

    `parsing` messages wait for the parser, `checking` for the check of their sender, `counting` for
    relationships; `delivering` are pending webhook deliveries, `reparsing` messages are to be
    parsed once more, `sending` letters are to leave.
    """

    parsing: int
    counting: int
    delivering: int
    reparsing: int
    checking: int
    sending: int


async def waiting(tx: Tx) -> Waiting:
    """Count the backlog, by kind."""
    return Waiting(
        await _count(tx, "SELECT 1 FROM messages WHERE parse_status = 'pending'"),
        await _count(
            tx,
            cursors.messages_behind(tx, relationships.CURSOR, most=MOST),
        ),
        await _count(tx, "SELECT 1 FROM deliveries WHERE status = 'pending'"),
        await _count(
            tx,
            """
            SELECT 1 FROM reparse r JOIN messages m
                ON m.message_id > r.after AND m.message_id <= r.until
            """,
        ),
        await _count(
            tx, f"{_CLAIMED} UNION ALL {cursors.messages_behind(tx, check_queue.CURSOR, most=MOST)}"
        ),
        await _count(tx, "SELECT 1 FROM letters WHERE due_at IS NOT NULL"),
    )


# With those that a temporary error lets wait.
_CLAIMED = "SELECT 1 FROM message_checks WHERE held_until IS NOT NULL"


async def _count(tx: Tx, rows: str) -> int:
    row = await tx.fetch_one(
        f"SELECT COUNT(*) AS rows_found FROM ({rows} LIMIT {MOST}) found", {"first": bytes(16)}
    )
    return int(row["rows_found"]) if row else 0


async def messages_stored(tx: Tx) -> int:
    """Count all messages."""
    row = await tx.fetch_one("SELECT COUNT(*) AS messages FROM messages")
    return int(row["messages"]) if row else 0


async def last_backup(tx: Tx) -> int | None:
    """Return when the last good backup began, in microseconds since 1970; None before the first."""
    row = await tx.fetch_one("SELECT value FROM store_state WHERE name = 'last_backup'")
    return int(row["value"]) if row else None

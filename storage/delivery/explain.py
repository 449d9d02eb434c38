"""Delivery reports: why each inbox got its copy or did not, as recorded at the commit.

- A way names the recipient as the sender wrote it, the address of the inbox or list it led to, and
  the rule: `address` (exactly), `subaddress` (the part before the +), `postmaster`, `bounce`.
- The members of a list at that time are the inboxes that have, or had, a copy by it. A deleted copy
  stays recorded while another inbox has one.
- A recipient that had its copies already, from an earlier delivery of the same bytes whose reply
  was never confirmed, got none by this message.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from storage.database import Row, Tx
from storage.errors import NotFound


@dataclass(frozen=True, slots=True)
class Way:
    """The route of one recipient of the envelope."""

    recipient: str
    address: str
    list_id: bytes | None
    rule: str


@dataclass(frozen=True, slots=True)
class Part:
    """The part of one inbox. `address` is None once the inbox is deleted permanently."""

    inbox_id: bytes
    address: str | None
    is_deleted: bool
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The delivery report of a message. `repeated` are the ways that made no second copy."""

    message_id: bytes
    received_at: int
    parts: tuple[Part, ...]
    repeated: tuple[Way, ...]


async def explain(tx: Tx, *, tenant_id: bytes, message_id: bytes) -> Explanation:
    """Raises NotFound."""
    key = {"tenant_id": tenant_id, "message_id": message_id}
    message = await tx.fetch_one(
        """
        SELECT received_at FROM messages
        WHERE message_id = :message_id AND tenant_id = :tenant_id
        """,
        key,
    )
    if message is None:
        raise NotFound("no such message")
    # These queries go by the message alone: its tenant was compared above.
    repeated = await tx.fetch_all(
        """
        SELECT recipient, address, list_id, rule FROM repeated_routes
        WHERE message_id = :message_id ORDER BY position
        """,
        key,
    )
    return Explanation(
        message_id,
        message["received_at"],
        tuple(_parts(await tx.fetch_all(_PARTS, key))),
        tuple(_way(row) for row in repeated),
    )


def _parts(rows: Iterable[Row]) -> Iterable[Part]:
    """Group rows by inbox; the rows of one inbox follow each other."""
    heads: dict[bytes, Row] = {}
    ways: dict[bytes, list[Way]] = {}
    for row in rows:
        inbox_id = bytes(row["inbox_id"])
        heads.setdefault(inbox_id, row)
        ways.setdefault(inbox_id, []).append(_way(row))
    for inbox_id, row in heads.items():
        gone = bool(row["is_deleted"])
        yield Part(inbox_id, row["inbox_address"], gone, tuple(ways[inbox_id]))


def _way(row: Row) -> Way:
    list_id = row["list_id"]
    return Way(
        row["recipient"], row["address"], None if list_id is None else bytes(list_id), row["rule"]
    )


# UNION without ALL: of a copy with several routes the first stands in two of the tables.
_PARTS = """
    SELECT w.inbox_id, w.is_deleted, i.address AS inbox_address, r.recipient, r.address, r.list_id,
           r.rule
    FROM (
        SELECT inbox_id, route AS position, 0 AS is_deleted FROM copies
        WHERE message_id = :message_id
        UNION
        SELECT inbox_id, position, 0 FROM copy_routes WHERE message_id = :message_id
        UNION
        SELECT inbox_id, position, 1 FROM deleted_copies WHERE message_id = :message_id
    ) w
    JOIN routes r ON r.message_id = :message_id AND r.position = w.position
    LEFT JOIN inboxes i ON i.inbox_id = w.inbox_id
    ORDER BY w.inbox_id, w.position
"""


async def keep_deleted(tx: Tx, *, inbox_id: bytes, message_id: bytes) -> None:
    """Record that there was a copy, before it is deleted."""
    await tx.execute(
        """
        INSERT INTO deleted_copies (message_id, inbox_id, position)
        SELECT message_id, inbox_id, route FROM copies
        WHERE message_id = :message_id AND inbox_id = :inbox_id
        UNION
        SELECT message_id, inbox_id, position FROM copy_routes
        WHERE message_id = :message_id AND inbox_id = :inbox_id
        """,
        {"message_id": message_id, "inbox_id": inbox_id},
    )


async def forget_explanation(tx: Tx, *, message_id: bytes) -> None:
    """Drop the records of a message that is deleted."""
    for table in ("deleted_copies", "repeated_routes"):
        await tx.execute(
            f"DELETE FROM {table} WHERE message_id = :message_id", {"message_id": message_id}
        )


async def tenant_of(tx: Tx, *, message_id: bytes) -> bytes:
    """Return the tenant of a message, for the operator. Raises NotFound."""
    row = await tx.fetch_one(
        "SELECT tenant_id FROM messages WHERE message_id = :message_id", {"message_id": message_id}
    )
    if row is None:
        raise NotFound("no such message")
    return bytes(row["tenant_id"])

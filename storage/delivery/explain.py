"""Why each inbox got its copy of a message, or did not: what was put on record at the commit.

- A way names the recipient as the sender wrote it, the address of the inbox or list it led to, and
  by which rule: `address` (as it stands), `subaddress` (the part before the +), `postmaster`.
- Who was on a list then is who has, or had, a copy by it. A deleted copy stays on record as long as
  somebody else's is there.
- Recipients who had their copies already, from an earlier delivery of the same bytes that was never
  confirmed, got none by this message.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from storage.database import Row, Tx
from storage.errors import NotFound


@dataclass(frozen=True, slots=True)
class Way:
    """One recipient of the envelope, and where it led."""

    recipient: str
    address: str
    list_id: bytes | None
    rule: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one inbox got. `address` is None once the inbox is gone for good."""

    inbox_id: bytes
    address: str | None
    is_deleted: bool
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of a message. `repeated` are the ways by which nobody got another copy."""

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
    """The rows of one inbox follow each other."""
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
    """Put on record that there was a copy, before it goes."""
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
    """Drop what is on record of a message that goes."""
    for table in ("deleted_copies", "repeated_routes"):
        await tx.execute(
            f"DELETE FROM {table} WHERE message_id = :message_id", {"message_id": message_id}
        )


async def tenant_of(tx: Tx, *, message_id: bytes) -> bytes:
    """Whose message this is, for the operator. Raises NotFound."""
    row = await tx.fetch_one(
        "SELECT tenant_id FROM messages WHERE message_id = :message_id", {"message_id": message_id}
    )
    if row is None:
        raise NotFound("no such message")
    return bytes(row["tenant_id"])

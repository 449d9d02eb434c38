"""The parse queue: messages that wait for the parser, and the leases of those that parse.

- A message with `parse_status` 'pending' is in the queue. A parsing process holds a lease on it: a
  row in `parse_attempts` until a time. When the holder is gone, another process takes it.
- A message is tried five times. Then it is `unparsed`, its row holds the reason, and it is found by
  the fields of the header scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage import cursors
from storage.content.message_bytes import Content, content_of
from storage.database import Row, Tx
from storage.index.full_text import index, scanned_text, scopes_of
from storage.index.words import document, pack

TRIES = 5


@dataclass(frozen=True, slots=True)
class ParseClaim:
    """A message to parse. `tries` counts this attempt too; `bounce_of` is a letter it is about."""

    message_id: bytes
    tries: int
    content: Content
    bounce_of: bytes | None = None


async def next_partition(tx: Tx, *, now: int) -> bytes | None:
    """The partition (`storage.cursors`) of the oldest message to claim; None without one."""
    oldest = f"SELECT m.tenant_id {_DUE} ORDER BY m.message_id LIMIT 1"
    row = await tx.fetch_one(oldest, {"now": now})
    return None if row is None else cursors.partition_of(tx, bytes(row["tenant_id"]))


async def claim(tx: Tx, *, part: bytes, limit: int, hold: int, now: int) -> dict[bytes, int]:
    """Claim up to `limit` waiting messages of a partition, the oldest first, until `now` + `hold`.

    Returns their ids and the number of attempts of each, this one included.
    """
    statement = _CLAIM.format(cursors.in_partition(tx, "m.tenant_id"))
    rows = await tx.fetch_all(
        statement, {"part": part, "limit": limit, "until": now + hold, "now": now}
    )
    return {bytes(row["message_id"]): int(row["tries"]) for row in rows}


_DUE = f"""
    FROM messages m
    LEFT JOIN parse_attempts a ON a.message_id = m.message_id
    WHERE m.parse_status = 'pending'
      AND (a.message_id IS NULL OR (a.held_until <= :now AND a.tries < {TRIES}))
"""
# Of two processes that claim a message together, the second finds the lease and gets nothing.
_CLAIM = f"""
    INSERT INTO parse_attempts (message_id, tries, held_until)
    SELECT m.message_id, 1, :until {_DUE} AND {{}}
    ORDER BY m.message_id LIMIT :limit
    ON CONFLICT (message_id) DO UPDATE
    SET tries = parse_attempts.tries + 1, held_until = excluded.held_until
    WHERE parse_attempts.held_until <= :now
    RETURNING message_id, tries
"""


async def load(tx: Tx, claimed: Mapping[bytes, int]) -> list[ParseClaim]:
    """Load the claimed messages with their content, the oldest first; skip deleted ones."""
    if not claimed:
        return []
    names = {f"m{place}": message_id for place, message_id in enumerate(claimed)}
    found = await tx.fetch_all(
        f"""
        SELECT m.message_id, m.bounce_of, c.sha256, c.size, c.body, c.file
        FROM messages m JOIN contents c ON c.message_id = m.message_id
        WHERE m.message_id IN ({", ".join(f":{name}" for name in names)}) ORDER BY m.message_id
        """,
        names,
    )
    return [_claim(row, claimed) for row in found]


def _claim(row: Row, claimed: Mapping[bytes, int]) -> ParseClaim:
    message_id = bytes(row["message_id"])
    letter_id = None if row["bounce_of"] is None else bytes(row["bounce_of"])
    return ParseClaim(message_id, claimed[message_id], content_of(row), letter_id)


async def release(tx: Tx, claims: Sequence[ParseClaim], *, now: int) -> None:
    """Give back messages that were not parsed; that was no attempt."""
    # Only our own lease: `tries` differs once another process has claimed the message.
    await tx.execute_many(
        """
        UPDATE parse_attempts SET tries = tries - 1, held_until = :now
        WHERE message_id = :message_id AND tries = :tries
          AND EXISTS (SELECT 1 FROM messages m
                      WHERE m.message_id = :message_id AND m.parse_status = 'pending')
        """,
        [
            {"message_id": claimed.message_id, "tries": claimed.tries, "now": now}
            for claimed in claims
        ],
    )


async def fail(tx: Tx, claimed: ParseClaim, *, reason: str, retry_at: int) -> bool:
    """Record a failed attempt; True when it was the last one and the message is `unparsed` now."""
    key = {"message_id": claimed.message_id}
    # A message that no parser survives must not be tried for ever.
    if claimed.tries < TRIES:
        await tx.execute(
            """
            UPDATE parse_attempts SET held_until = :retry_at, reason = :reason
            WHERE message_id = :message_id AND tries = :tries
            """,
            {**key, "tries": claimed.tries, "retry_at": retry_at, "reason": reason},
        )
        return False
    parked = await tx.execute(
        """
        UPDATE messages SET parse_status = 'unparsed'
        WHERE message_id = :message_id AND parse_status = 'pending'
        """,
        key,
    )
    if not parked:
        return False
    await tx.execute(
        "UPDATE parse_attempts SET reason = :reason WHERE message_id = :message_id",
        {**key, "reason": reason},
    )
    await _index_scan(tx, claimed)
    return True


async def _index_scan(tx: Tx, claimed: ParseClaim) -> None:
    row = await tx.fetch_one(
        """
        SELECT from_name, from_email, recipients, subject FROM messages
        WHERE message_id = :message_id
        """,
        {"message_id": claimed.message_id},
    )
    if row is None:
        return
    scopes = await scopes_of(tx, message_id=claimed.message_id, has_attachments=False)
    found = pack(document(**scanned_text(row), body=()))
    await index(tx, [(claimed.message_id, scopes, found)])

"""The messages that wait for the parser, and who works on them.

- A message with `parse_status` 'pending' is its own place in the queue. Who works on it holds it
  by a row in `parse_attempts` until a time; when the holder is gone, somebody else takes it.
- A message is tried five times. Then it is `unparsed`, its row keeps the reason, and it is found by
  what the header scan gave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.content.message_bytes import Content
from storage.database import Row, Tx
from storage.index.full_text import index, scanned_text, scopes_of
from storage.index.words import document, pack

TRIES = 5


@dataclass(frozen=True, slots=True)
class ParseClaim:
    """A message to parse. `tries` counts this one."""

    message_id: bytes
    tries: int
    content: Content


async def claim(tx: Tx, *, limit: int, hold: int, now: int) -> dict[bytes, int]:
    """Take up to `limit` waiting messages, the oldest first, until `now` + `hold`.

    Gives their ids and how often each was tried, with this time.
    """
    rows = await tx.fetch_all(_CLAIM, {"limit": limit, "until": now + hold, "now": now})
    return {bytes(row["message_id"]): int(row["tries"]) for row in rows}


# Of two processes that ask at once, the second finds the row held and gets nothing for it.
_CLAIM = f"""
    INSERT INTO parse_attempts (message_id, tries, held_until)
    SELECT m.message_id, 1, :until FROM messages m
    LEFT JOIN parse_attempts a ON a.message_id = m.message_id
    WHERE m.parse_status = 'pending'
      AND (a.message_id IS NULL OR (a.held_until <= :now AND a.tries < {TRIES}))
    ORDER BY m.message_id LIMIT :limit
    ON CONFLICT (message_id) DO UPDATE
    SET tries = parse_attempts.tries + 1, held_until = excluded.held_until
    WHERE parse_attempts.held_until <= :now
    RETURNING message_id, tries
"""


async def load(tx: Tx, claimed: Mapping[bytes, int]) -> list[ParseClaim]:
    """What was claimed, with its content, the oldest first; what is gone since is left out."""
    if not claimed:
        return []
    names = {f"m{place}": message_id for place, message_id in enumerate(claimed)}
    found = await tx.fetch_all(
        f"""
        SELECT m.message_id, c.sha256, c.size, c.body, c.file
        FROM messages m JOIN contents c ON c.message_id = m.message_id
        WHERE m.message_id IN ({", ".join(f":{name}" for name in names)}) ORDER BY m.message_id
        """,
        names,
    )
    return [_claim(row, claimed) for row in found]


def _claim(row: Row, claimed: Mapping[bytes, int]) -> ParseClaim:
    message_id = bytes(row["message_id"])
    body = None if row["body"] is None else bytes(row["body"])
    content = Content(bytes(row["sha256"]), row["size"], body, row["file"])
    return ParseClaim(message_id, claimed[message_id], content)


async def release(tx: Tx, claims: Sequence[ParseClaim], *, now: int) -> None:
    """Give back what was not parsed; that was no try."""
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
    """Note a try that did not succeed; True when it was the last one and the message is parked."""
    key = {"message_id": claimed.message_id}
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

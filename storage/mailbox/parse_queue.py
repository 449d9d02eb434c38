"""The parse queue: messages that wait for the parser, and the leases of those that parse.

- A message with `parse_status` 'pending' is in the queue. A parsing process holds a lease on it: a
  row in `parse_attempts` until a time. When the holder is gone, another process takes it.
- Whoever claims says what it wants: new messages, or those that somebody had claimed before.
- A message that fails at its fifth try or later is `unparsed`, its row holds the reason, and it is
  found by the fields of the header scan. The lease of a holder that was killed counts as a try, but
  ends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from storage import cursors
from storage.content.message_bytes import Content, content_of
from storage.database import Row, Tx
from storage.index.full_text import index, scanned_text, scopes_of
from storage.index.words import document, pack
from storage.sql import in_list, padded

TRIES = 5


class Wanted(NamedTuple):
    """Messages to claim: of `only` these tenants, or of all `but` these.

    New ones, or with `again` those that somebody has claimed before.
    """

    again: bool = False
    only: tuple[bytes, ...] = ()
    but: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ParseClaim:
    """A message to parse. `tries` counts this attempt too; `bounce_of` is a letter it is about."""

    message_id: bytes
    tenant_id: bytes
    tries: int
    content: Content
    bounce_of: bytes | None = None


async def first_waiting(
    tx: Tx, wanted: Sequence[Wanted], *, now: int
) -> tuple[Wanted, bytes] | None:
    """The first of these of which there are messages to claim, and the tenant of its oldest."""
    found = await tx.fetch_each([_oldest(one, now) for one in wanted])
    for one, rows in zip(wanted, found, strict=True):
        if rows:
            return one, bytes(rows[0]["tenant_id"])
    return None


async def claim(
    tx: Tx, wanted: Wanted, *, part: bytes, limit: int, hold: int, now: int
) -> dict[bytes, int]:
    """Claim up to `limit` messages of a partition, the oldest first, until `now` + `hold`.

    Returns their ids and the number of attempts of each, this one included.
    """
    due, names = _due(wanted, now)
    statement = _CLAIM.format(f"{due} AND {cursors.in_partition(tx, 'm.tenant_id')}")
    rows = await tx.fetch_all(
        statement, {**names, "part": part, "limit": limit, "until": now + hold}
    )
    return {bytes(row["message_id"]): int(row["tries"]) for row in rows}


def _oldest(wanted: Wanted, now: int) -> tuple[str, dict[str, object]]:
    due, names = _due(wanted, now)
    return f"SELECT m.tenant_id {due} ORDER BY m.message_id LIMIT 1", names


def _due(wanted: Wanted, now: int) -> tuple[str, dict[str, object]]:
    """Where the wanted messages are found, and the parameters of that."""
    due, names = _AGAIN if wanted.again else _NEW, dict[str, object]()
    if wanted.only or wanted.but:
        chosen, names = in_list(padded(wanted.only or wanted.but))
        due += f" AND m.tenant_id {'' if wanted.only else 'NOT '}IN ({chosen})"
    return due, {**names, "now": now}


_NEW = """
    FROM messages m
    LEFT JOIN parse_attempts a ON a.message_id = m.message_id
    WHERE m.parse_status = 'pending' AND a.message_id IS NULL
"""
# However often it was tried: of five holders that were killed none has said that it fails.
_AGAIN = """
    FROM parse_attempts a
    JOIN messages m ON m.message_id = a.message_id
    WHERE m.parse_status = 'pending' AND a.held_until <= :now
"""
# Of two processes that claim a message together, the second finds the lease and gets nothing.
_CLAIM = """
    INSERT INTO parse_attempts (message_id, tries, held_until)
    SELECT m.message_id, 1, :until {}
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
        SELECT m.message_id, m.tenant_id, m.bounce_of, c.sha256, c.size, c.body, c.file
        FROM messages m JOIN contents c ON c.message_id = m.message_id
        WHERE m.message_id IN ({", ".join(f":{name}" for name in names)}) ORDER BY m.message_id
        """,
        names,
    )
    return [_claim(row, claimed) for row in found]


def _claim(row: Row, claimed: Mapping[bytes, int]) -> ParseClaim:
    message_id, tenant_id = bytes(row["message_id"]), bytes(row["tenant_id"])
    letter_id = None if row["bounce_of"] is None else bytes(row["bounce_of"])
    return ParseClaim(message_id, tenant_id, claimed[message_id], content_of(row), letter_id)


async def release(tx: Tx, claims: Sequence[ParseClaim], *, now: int) -> None:
    """Give back messages that were not parsed; that was no attempt, and a new one is new again."""
    new = [_ours(one) for one in claims if one.tries == 1]
    await tx.execute_many(f"DELETE FROM parse_attempts WHERE {_OUR_LEASE}", new)
    await postpone(tx, [one for one in claims if one.tries > 1], until=now)


async def postpone(tx: Tx, claims: Sequence[ParseClaim], *, until: int) -> None:
    """Give back messages that cannot be parsed now; that was no attempt."""
    await tx.execute_many(
        f"""
        UPDATE parse_attempts SET tries = tries - 1, held_until = :until
        WHERE {_OUR_LEASE}
        """,
        [{**_ours(one), "until": until} for one in claims],
    )


def _ours(claimed: ParseClaim) -> dict[str, object]:
    return {"message_id": claimed.message_id, "tries": claimed.tries}


# `tries` differs once another process has claimed the message.
_OUR_LEASE = """
    message_id = :message_id AND tries = :tries
        AND EXISTS (SELECT 1 FROM messages m
                    WHERE m.message_id = :message_id AND m.parse_status = 'pending')
"""


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

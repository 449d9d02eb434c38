"""The check queue: messages whose sender is to be checked, and the leases of those that check.

- New messages are claimed in the order of their arrival within a partition (`storage.cursors`): a
  position says up to which message each has a row. A delivery writes nothing for it.
- A claim is of one partition, in the transaction of its writer.
- A claimed message has a lease. When its holder is gone, another process claims it again; so it is
  checked after a crash at any moment, and by one gateway of several.
- A check that met a temporary error is due again after 1, 10 and 60 minutes, then no more.
- A message that nobody has checked within seven days is `unknown`, too old to be checked: keys and
  records of that day may be gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from storage import cursors
from storage.clock import DAY, MINUTE, SECOND
from storage.content.message_bytes import Content, content_of
from storage.database import Row, Tx
from storage.ids import lowest_at
from storage.sql import in_list

CURSOR = "checks"
HELD = 45 * SECOND
RETRIES = (1 * MINUTE, 10 * MINUTE, 60 * MINUTE)
CHECKED_WITHIN = 7 * DAY
TOO_OLD_BATCH = 500

# An end of a lease further ahead than this is of a clock that was set back since.
_FURTHEST = 2 * 60 * MINUTE


@dataclass(frozen=True, slots=True)
class CheckClaim:
    """A message to check: its content, and the connection that brought it. `tries` counts this one.

    `behind_relay` and `named_by` are None for a message from before they were recorded. `override`
    is why a failed message was taken all the same, when that was decided before it was stored.
    """

    message_id: bytes
    tenant_id: bytes
    tries: int
    content: Content
    client_ip: str
    helo: str
    reverse_path: str
    behind_relay: bool | None
    named_by: str | None
    override: str | None


class Waiting(NamedTuple):
    """The partitions with messages to claim, and the one with some too old to be checked."""

    due: tuple[bytes, ...]
    behind: bytes | None


async def find_waiting(tx: Tx, *, now: int, limit: int) -> Waiting:
    """Look what there is to do; at most `limit` partitions are named twice."""
    places = await cursors.with_new_messages(tx, name=CURSOR, limit=limit)
    due = [place.part for place in places]
    if cursors.WHOLE not in due:
        key = {"now": now, "furthest": now + _FURTHEST, "limit": limit}
        rows = await tx.fetch_all(f"{_DUE.format('1 = 1')} LIMIT :limit", key)
        due += [cursors.partition_of(tx, bytes(row["tenant_id"])) for row in rows]
    behind = await tx.fetch_one(_ANY_BEHIND)
    return Waiting(tuple(dict.fromkeys(due)), bytes(behind["part"]) if behind else None)


_DUE = """
    SELECT message_id, tenant_id FROM message_checks
    WHERE held_until IS NOT NULL AND (held_until <= :now OR held_until > :furthest) AND {}
    ORDER BY held_until
"""


async def claim(tx: Tx, *, part: bytes, limit: int, now: int) -> dict[bytes, int]:
    """Claim up to `limit` messages until `now` + `HELD`, new ones first but for a quarter.

    Returns their ids and the number of tries of each, this one included. New messages that are too
    old are left behind, for `pass_over_old`.
    """
    query, key = _due_query(tx, part, limit=limit, now=now)
    at, due = await tx.fetch_each(
        [(cursors.POSITION, {"name": CURSOR, "part": part}), (f"{query} LIMIT :limit", key)]
    )
    position = bytes(at[0]["position"]) if at else cursors.BEGINNING
    oldest = lowest_at(now - CHECKED_WITHIN)
    if position < oldest:
        left = {"name": _BEHIND, "part": part, "after": position, "until": oldest}
        await tx.execute_many(_LEAVE_BEHIND, [left])
        await cursors.advance(tx, name=CURSOR, part=part, to=oldest)
    # A quarter for retries: a flood of new mail must not keep them waiting.
    new = max(1, limit - limit // 4)
    claimed = await _claim_new(tx, part, after=max(position, oldest), limit=new, now=now)
    return claimed | await _claim_due(tx, due[: limit - len(claimed)], now=now)


async def _claim_new(
    tx: Tx, part: bytes, *, after: bytes, limit: int, now: int
) -> dict[bytes, int]:
    rows = await tx.fetch_all(
        f"""
        SELECT message_id, tenant_id, protocol FROM messages
        WHERE {cursors.in_partition(tx, "tenant_id")} AND message_id > :after
        ORDER BY message_id LIMIT :limit
        """,
        {"part": part, "after": after, "limit": limit},
    )
    # A letter of our own came by no connection.
    done = await cursors.read_before(tx, name=CURSOR, after=after)
    theirs = [
        row
        for row in rows
        if row["protocol"] != "outbound"
        and row["message_id"] > done.get(bytes(row["tenant_id"]), b"")
    ]
    await tx.execute_many(
        _LEASE,
        [
            {
                "message_id": row["message_id"],
                "tenant_id": row["tenant_id"],
                "until": now + HELD,
            }
            for row in theirs
        ],
    )
    if rows:
        await cursors.advance(tx, name=CURSOR, part=part, to=bytes(rows[-1]["message_id"]))
    return {bytes(row["message_id"]): 1 for row in theirs}


_LEASE = """
    INSERT INTO message_checks (message_id, tenant_id, tries, held_until)
    VALUES (:message_id, :tenant_id, 1, :until)
    ON CONFLICT (message_id) DO UPDATE SET tries = 1, held_until = excluded.held_until
"""


def _due_query(tx: Tx, part: bytes, *, limit: int, now: int) -> tuple[str, dict[str, object]]:
    key = {"part": part, "now": now, "furthest": now + _FURTHEST, "limit": limit}
    return _DUE.format(cursors.in_partition(tx, "tenant_id")), key


async def _claim_due(tx: Tx, rows: Sequence[Row], *, now: int) -> dict[bytes, int]:
    if not rows:
        return {}
    chosen, names = in_list([bytes(row["message_id"]) for row in rows])
    claimed = await tx.fetch_all(
        f"""
        UPDATE message_checks SET tries = tries + 1, held_until = :until
        WHERE message_id IN ({chosen}) RETURNING message_id, tries
        """,
        {**names, "until": now + HELD},
    )
    return {bytes(row["message_id"]): int(row["tries"]) for row in claimed}


async def load(tx: Tx, claimed: Mapping[bytes, int]) -> list[CheckClaim]:
    """Load the claimed messages, the oldest first; skip deleted ones."""
    if not claimed:
        return []
    chosen, names = in_list([*claimed])
    rows = await tx.fetch_all(
        f"""
        SELECT m.message_id, m.tenant_id, m.client_ip, m.helo, m.reverse_path, m.behind_relay,
               m.named_by, m.dmarc_override, c.sha256, c.size, c.body, c.file
        FROM messages m JOIN contents c ON c.message_id = m.message_id
        WHERE m.message_id IN ({chosen}) ORDER BY m.message_id
        """,
        names,
    )
    return [_claim_of(row, claimed) for row in rows]


async def load_one(tx: Tx, *, tenant_id: bytes, message_id: bytes) -> CheckClaim | None:
    """Load a message as a check would, without a lease."""
    found = await load(tx, {message_id: 0})
    return found[0] if found and found[0].tenant_id == tenant_id else None


def _claim_of(row: Row, claimed: Mapping[bytes, int]) -> CheckClaim:
    message_id = bytes(row["message_id"])
    return CheckClaim(
        message_id,
        bytes(row["tenant_id"]),
        claimed[message_id],
        content_of(row),
        row["client_ip"],
        row["helo"],
        row["reverse_path"],
        None if row["behind_relay"] is None else bool(row["behind_relay"]),
        row["named_by"],
        row["dmarc_override"],
    )


async def release(tx: Tx, claims: Sequence[CheckClaim], *, now: int) -> None:
    """Give back messages that were not checked; that was no try."""
    await tx.execute_many(
        """
        UPDATE message_checks SET tries = tries - 1, held_until = :now
        WHERE message_id = :message_id AND tries = :tries AND held_until IS NOT NULL
        """,
        [{"message_id": one.message_id, "tries": one.tries, "now": now} for one in claims],
    )


async def pass_over_old(tx: Tx, *, part: bytes, now: int) -> None:
    """Make some of the messages `unknown` that were left behind, the oldest first."""
    key: dict[str, object] = {"name": _BEHIND, "part": part}
    behind = await tx.fetch_one(
        "SELECT position, until FROM cursors WHERE name = :name AND part = :part", key
    )
    if behind is None:
        return
    rows = await tx.fetch_all(
        f"""
        SELECT message_id, tenant_id FROM messages
        WHERE {cursors.in_partition(tx, "tenant_id")} AND message_id > :after
          AND message_id < :until
        ORDER BY message_id LIMIT :limit
        """,
        {
            "part": part,
            "after": bytes(behind["position"]),
            "until": bytes(behind["until"]),
            "limit": TOO_OLD_BATCH,
        },
    )
    await tx.execute_many(
        _TOO_OLD,
        [
            {"message_id": row["message_id"], "tenant_id": row["tenant_id"], "now": now}
            for row in rows
        ],
    )
    if len(rows) < TOO_OLD_BATCH:
        await tx.execute("DELETE FROM cursors WHERE name = :name AND part = :part", key)
        return
    await tx.execute(
        "UPDATE cursors SET position = :last WHERE name = :name AND part = :part",
        {**key, "last": rows[-1]["message_id"]},
    )


# A second position of a partition: from where to where messages were left behind.
_BEHIND = "checks_behind"
_ANY_BEHIND = f"SELECT part FROM cursors WHERE name = '{_BEHIND}' ORDER BY part LIMIT 1"
_LEAVE_BEHIND = """
    INSERT INTO cursors (name, part, position, until) VALUES (:name, :part, :after, :until)
    ON CONFLICT (name, part) DO UPDATE SET until = excluded.until
"""
# Without a record: `storage.authentication.results` tells the reason.
_TOO_OLD = """
    INSERT INTO message_checks (message_id, tenant_id, tries, verdict, checked_at)
    VALUES (:message_id, :tenant_id, 0, 'unknown', :now)
    ON CONFLICT (message_id) DO NOTHING
"""

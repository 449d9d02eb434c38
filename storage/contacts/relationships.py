"""Relationships: the outside addresses that write to an inbox, how often and how recently.

- A message counts for each inbox that got a copy. `count_some` counts messages committed since the
  last call, by rising ids within a partition (`storage.cursors`); its position is stored in the
  same transaction as the counts, so nothing is lost and nothing counted twice. A copy that is
  deleted before it was counted is counted at deletion.
- Automatic mail (`Auto-Submitted`, lists, null reverse-path) does not count.
- Each message weighs 2 ** (its time / 90 days); their sum is the score. Dividing it by the weight
  of the present gives today's rest of it, so a score is only ever added to, and the order by score
  is the order by strength at any time. Strength is s / (s + 5) of that. See docs/relationships.md.
- The From address is the sender's claim. `authenticated` is true once a verified message came from
  it to this inbox, false while only failed ones did, and None as long as neither is known. A failed
  message does not count (`storage.contacts.recount`).
- A share raises the values to those of its giver and no further: the same mail may have reached
  both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage import cursors
from storage.address import canonical_or_none
from storage.clock import DAY, HOUR
from storage.contacts.contacts import Source, in_texts
from storage.database import Row, Tx
from storage.errors import NotFound

HALF_LIFE = 90 * DAY
HALF_STRENGTH = 5.0
BATCH = 250
CURSOR = "relationships"
# Of how many partitions messages are counted in one go.
_PARTITIONS = 50
# More than this is waiting only behind a large import of mail.
SEED_BATCHES = 20

# Where the weight of a message would no longer be a number: the year 2222.
_MOST_HALF_LIVES = 1000.0


@dataclass(frozen=True, slots=True)
class Relationship:
    """The relationship of one inbox with an address. `source` names the giver of shared values."""

    inbox_id: bytes
    address: str
    canonical: str
    name: str
    first_seen: int | None
    last_seen: int | None
    message_count: int
    score: float
    source: Source | None
    authenticated: bool | None


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """A teammate's inbox that knows an address."""

    inbox_id: bytes
    address: str
    score: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a list by strength a page ended."""

    score: float
    canonical: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Messages of one sender within an hour."""

    tenant_id: bytes
    canonical: str
    hour: int


def weight(instant: int) -> float:
    """Return the weight of a message of this time in a score; by the hour in which it came."""
    # The same weight for an hour: then its messages of one sender are counted by one statement.
    hour = instant // HOUR * HOUR
    return float(2.0 ** min(hour / HALF_LIFE, _MOST_HALF_LIVES))


def strength(score: float, *, now: int) -> float:
    """From 0 to 1: grows with every message, and fades by itself."""
    left = score / float(2.0 ** min(now / HALF_LIFE, _MOST_HALF_LIVES))
    return round(left / (left + HALF_STRENGTH), 4)


def score_of(least: float, *, now: int) -> float:
    """The score at which strength is `least` now, which is from 0 to 1."""
    if least >= 1:
        return float("inf")
    left = least * HALF_STRENGTH / (1 - least)
    return left * float(2.0 ** min(now / HALF_LIFE, _MOST_HALF_LIVES))


async def find_relationship(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, canonical: str
) -> Relationship:
    """Raises NotFound."""
    row = await tx.fetch_one(
        _RELATIONSHIP + " AND r.inbox_id = :inbox_id AND r.canonical = :canonical",
        {"tenant_id": tenant_id, "inbox_id": inbox_id, "canonical": canonical},
    )
    if row is None:
        raise NotFound("no such relationship")
    return _relationship(row)


def nothing_yet(inbox_id: bytes, canonical: str) -> Relationship:
    """The relationship with an address that never wrote to this inbox."""
    return Relationship(inbox_id, canonical, canonical, "", None, None, 0, 0.0, None, None)


async def list_relationships(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, after: Place | None, limit: int
) -> list[Relationship]:
    """The strongest first, all behind `after`."""
    behind = (
        "AND (r.score < :score OR (r.score = :score AND r.canonical < :canonical))" if after else ""
    )
    rows = await tx.fetch_all(
        f"""
        {_RELATIONSHIP} AND r.inbox_id = :inbox_id {behind}
        ORDER BY r.score DESC, r.canonical DESC LIMIT :limit
        """,
        {
            "tenant_id": tenant_id,
            "inbox_id": inbox_id,
            "limit": limit,
            "score": after.score if after else 0.0,
            "canonical": after.canonical if after else "",
        },
    )
    return [_relationship(row) for row in rows]


async def known_by(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes | None, canonicals: Sequence[str]
) -> dict[str, list[Acquaintance]]:
    """For each address: who else than `inbox_id` knows it and lets that be seen, the best first."""
    if not canonicals:
        return {}
    chosen, names = in_texts(canonicals)
    rows = await tx.fetch_all(
        f"""
        SELECT r.canonical, r.inbox_id, r.score, i.address
        FROM relationships r JOIN inboxes i ON i.inbox_id = r.inbox_id
        WHERE r.tenant_id = :tenant_id AND r.canonical IN ({chosen}) AND r.inbox_id <> :inbox_id
          AND i.share_relationships = 1 AND i.deleted_at IS NULL
        ORDER BY r.score DESC, r.inbox_id
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id or b"", **names},
    )
    found: dict[str, list[Acquaintance]] = {}
    for row in rows:
        known = Acquaintance(bytes(row["inbox_id"]), row["address"], row["score"])
        found.setdefault(row["canonical"], []).append(known)
    return found


async def seed_relationship(
    tx: Tx,
    *,
    tenant_id: bytes,
    from_inbox_id: bytes,
    to_inbox_id: bytes,
    canonicals: Sequence[str],
    now: int,
) -> None:
    """Lift what the receiver has of these addresses to what the giver has.

    Nothing happens when the giver keeps its relationships to itself.
    """
    key = {"tenant_id": tenant_id, "giver": from_inbox_id, "receiver": to_inbox_id, "now": now}
    for canonical in canonicals:
        await tx.execute(_SEED, {**key, "canonical": canonical})


# In `DO UPDATE` the right side sees the row as it was.
_SEED = """
    INSERT INTO relationships
        (tenant_id, canonical, inbox_id, address, name, first_seen, last_seen, message_count,
         score, seed_count, seed_inbox_id, seeded_at, authenticated)
    SELECT r.tenant_id, r.canonical, :receiver, r.address, r.name, r.first_seen, r.last_seen,
           r.message_count, r.score, r.message_count, r.inbox_id, :now, r.authenticated
    FROM relationships r JOIN inboxes i ON i.inbox_id = r.inbox_id
    WHERE r.tenant_id = :tenant_id AND r.canonical = :canonical AND r.inbox_id = :giver
      AND i.share_relationships = 1
    ON CONFLICT (tenant_id, canonical, inbox_id) DO UPDATE SET
        first_seen = CASE WHEN excluded.first_seen < relationships.first_seen
                          THEN excluded.first_seen ELSE relationships.first_seen END,
        last_seen = CASE WHEN excluded.last_seen > relationships.last_seen
                         THEN excluded.last_seen ELSE relationships.last_seen END,
        seed_count = relationships.seed_count
            + CASE WHEN excluded.message_count > relationships.message_count
                   THEN excluded.message_count - relationships.message_count ELSE 0 END,
        message_count = CASE WHEN excluded.message_count > relationships.message_count
                             THEN excluded.message_count ELSE relationships.message_count END,
        score = CASE WHEN excluded.score > relationships.score
                     THEN excluded.score ELSE relationships.score END,
        seed_inbox_id = excluded.seed_inbox_id,
        seeded_at = excluded.seeded_at
"""


@dataclass(frozen=True, slots=True)
class Uncounted:
    """Messages of a partition that were committed since `after`, the oldest first.

    `count` says how many were read, with those that were counted before the store was copied.
    """

    part: bytes
    after: bytes
    last: bytes
    messages: tuple[tuple[bytes, str, str, int, bytes, bool], ...]
    count: int


async def uncounted(tx: Tx, *, limit: int = BATCH) -> list[Uncounted]:
    """The next messages to count, by partition; at most so many together."""
    found: list[Uncounted] = []
    for place in await cursors.with_new_messages(tx, name=CURSOR, limit=_PARTITIONS):
        left = limit - sum(some.count for some in found)
        some = await _uncounted_of(tx, place, left) if left > 0 else None
        if some is not None:
            found.append(some)
    return found


async def _uncounted_of(tx: Tx, place: cursors.Place, limit: int) -> Uncounted | None:
    rows = await tx.fetch_all(
        f"""
        SELECT message_id, tenant_id, from_email, from_name, received_at, automatic, reverse_path
        FROM messages WHERE {cursors.in_partition(tx, "tenant_id")} AND message_id > :after
        ORDER BY message_id LIMIT :limit
        """,
        {"part": place.part, "after": place.position, "limit": limit},
    )
    if not rows:
        return None
    done = await cursors.read_before(tx, name=CURSOR, after=place.position)
    news = (row for row in rows if row["message_id"] > done.get(bytes(row["tenant_id"]), b""))
    sent = tuple(map(_sent, news))
    return Uncounted(place.part, place.position, bytes(rows[-1]["message_id"]), sent, len(rows))


def _sent(row: Row) -> tuple[bytes, str, str, int, bytes, bool]:
    return (
        bytes(row["tenant_id"]),
        row["from_email"],
        row["from_name"],
        row["received_at"],
        bytes(row["message_id"]),
        is_personal(row),
    )


def is_personal(row: Row) -> bool:
    """Whether somebody wrote it, as far as the message itself says."""
    return not row["automatic"] and row["reverse_path"] != ""


async def count_some(tx: Tx, some: Uncounted) -> bool:
    """Count these messages; False, and nothing done, when somebody else has in the meantime."""
    moved = await cursors.move(tx, name=CURSOR, part=some.part, expected=some.after, to=some.last)
    if not moved:
        return False
    senders: list[dict[str, object]] = []
    groups: dict[Heard, tuple[str, str, list[bytes]]] = {}
    verdicts = await _verdicts(tx, some)
    verified: list[tuple[bytes, str, bytes]] = []
    for tenant_id, email, name, received_at, message_id, is_personal in some.messages:
        canonical = canonical_or_none(email)
        if canonical is None or verdicts.get(message_id) == "failed":
            continue
        if message_id in verdicts:
            verified.append((tenant_id, canonical, message_id))
        senders.append({"tenant_id": tenant_id, "canonical": canonical, "message_id": message_id})
        if is_personal:
            heard = Heard(tenant_id, canonical, received_at // HOUR)
            groups.setdefault(heard, (email, name, []))[2].append(message_id)
    await tx.execute_many(_BY_SENDER, senders)
    for heard, (email, name, message_ids) in groups.items():
        await count_messages(tx, heard, email, name, message_ids)
    await tx.execute_many(
        _VERIFIED,
        [
            {"tenant_id": tenant_id, "canonical": canonical, "message_id": message_id}
            for tenant_id, canonical, message_id in verified
        ],
    )
    return True


async def _verdicts(tx: Tx, some: Uncounted) -> dict[bytes, str]:
    """The messages of these whose sender was checked already, with a clear result."""
    if not some.messages:
        return {}
    first = some.messages[0][4]
    rows = await tx.fetch_all(
        f"""
        SELECT message_id, verdict FROM message_checks
        WHERE message_id >= :first AND message_id <= :last
          AND {cursors.in_partition(tx, "tenant_id")} AND verdict IN ('verified', 'failed')
        """,
        {"first": first, "last": some.last, "part": some.part},
    )
    return {bytes(row["message_id"]): row["verdict"] for row in rows}


async def note_verified(tx: Tx, *, tenant_id: bytes, canonical: str, message_id: bytes) -> None:
    """Note, for the inboxes with a copy, that a verified message came from the address."""
    row = {"tenant_id": tenant_id, "canonical": canonical, "message_id": message_id}
    await tx.execute_many(_VERIFIED, [row])


_VERIFIED = """
    UPDATE relationships SET authenticated = 1
    WHERE tenant_id = :tenant_id AND canonical = :canonical AND inbox_id IN (
        SELECT c.inbox_id FROM copies c WHERE c.message_id = :message_id)
"""


async def count_before_seeding(tx: Tx, *, tenant_id: bytes) -> None:
    """Count what the worker has not counted yet, at most `SEED_BATCHES` batches.

    A seed is taken from the giver's figures as they are: mail counted later would never reach the
    receiver. Writes follow one another, so the worker then finds its position moved on.
    """
    part = cursors.partition_of(tx, tenant_id)
    for _ in range(SEED_BATCHES):
        position = await cursors.position(tx, name=CURSOR, part=part)
        some = await _uncounted_of(tx, cursors.Place(part, position), BATCH)
        if some is None:
            return
        await count_some(tx, some)


_BY_SENDER = """
    INSERT INTO messages_by_sender (tenant_id, canonical, message_id)
    VALUES (:tenant_id, :canonical, :message_id)
    ON CONFLICT (tenant_id, canonical, message_id) DO NOTHING
"""


async def count_messages(
    tx: Tx,
    heard: Heard,
    email: str,
    name: str,
    message_ids: Sequence[bytes],
    *,
    inbox_id: bytes | None = None,
) -> None:
    """Count messages of one sender for who has copies of them, or for one inbox alone."""
    names = {f"m{number}": one for number, one in enumerate(message_ids)}
    only = "" if inbox_id is None else "AND c.inbox_id = :inbox_id"
    row = {
        "tenant_id": heard.tenant_id,
        "canonical": heard.canonical,
        "address": email,
        "name": name,
        "weight": weight(heard.hour * HOUR),
        **({} if inbox_id is None else {"inbox_id": inbox_id}),
        **names,
    }
    statement = _COUNT.format(", ".join(f":{one}" for one in names), only)
    await tx.execute_many(statement, [row])


_COUNT = """
    INSERT INTO relationships
        (tenant_id, canonical, inbox_id, address, name, first_seen, last_seen, message_count, score)
    SELECT :tenant_id, :canonical, c.inbox_id, :address, :name, MIN(m.received_at),
           MAX(m.received_at), COUNT(*), COUNT(*) * CAST(:weight AS DOUBLE PRECISION)
    FROM messages m JOIN copies c ON c.message_id = m.message_id
    WHERE m.message_id IN ({}) {} GROUP BY c.inbox_id
    ON CONFLICT (tenant_id, canonical, inbox_id) DO UPDATE SET
        name = CASE WHEN excluded.name <> '' THEN excluded.name ELSE relationships.name END,
        first_seen = CASE WHEN excluded.first_seen < relationships.first_seen
                          THEN excluded.first_seen ELSE relationships.first_seen END,
        last_seen = CASE WHEN excluded.last_seen > relationships.last_seen
                         THEN excluded.last_seen ELSE relationships.last_seen END,
        message_count = relationships.message_count + excluded.message_count,
        score = relationships.score + excluded.score
"""


async def counted_until(tx: Tx, *, tenant_id: bytes) -> bytes:
    """The id up to which messages of the tenant were counted; empty before the first."""
    return await cursors.reached(tx, name=CURSOR, tenant_id=tenant_id)


_RELATIONSHIP = """
    SELECT r.inbox_id, r.address, r.canonical, r.name, r.first_seen, r.last_seen, r.message_count,
           r.score, r.seed_inbox_id, r.seeded_at, r.authenticated
    FROM relationships r WHERE r.tenant_id = :tenant_id
"""


def _relationship(row: Row) -> Relationship:
    source = None
    if row["seed_inbox_id"] is not None:
        source = Source(bytes(row["seed_inbox_id"]), row["seeded_at"])
    return Relationship(
        bytes(row["inbox_id"]),
        row["address"],
        row["canonical"],
        row["name"],
        row["first_seen"],
        row["last_seen"],
        int(row["message_count"]),
        row["score"],
        source,
        None if row["authenticated"] is None else bool(row["authenticated"]),
    )

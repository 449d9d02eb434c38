"""Relationships, when a message turns out to be from somebody else or from nobody, or goes.

- Counts of copies that are still there are moved from the old sender to the new one. A copy that
  was deleted has counted for the old one, and stays so.
- A relationship of which nothing is left is deleted. First and last seen of one that goes on stay.
- A message that turns out to be forged is taken out: it counts for nobody, and name and last seen
  are those of the newest one that is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.address import canonical_or_none
from storage.clock import HOUR
from storage.contacts.relationships import (
    Heard,
    count_messages,
    counted_until,
    is_personal,
    note_verified,
    weight,
)
from storage.database import Row, Tx


@dataclass(frozen=True, slots=True)
class Sender:
    """From whom a message is; `is_personal` when it makes somebody acquainted."""

    email: str
    name: str
    is_personal: bool


async def correct_sender(
    tx: Tx, *, tenant_id: bytes, message_id: bytes, received_at: int, old: Sender, new: Sender
) -> None:
    """Count the message for `new` in place of `old`, if it was counted at all."""
    if old == new or message_id > await counted_until(tx, tenant_id=tenant_id):
        return
    if await _has_failed(tx, message_id):  # it counts for nobody
        return
    before, after = canonical_or_none(old.email), canonical_or_none(new.email)
    key: dict[str, object] = {"tenant_id": tenant_id, "message_id": message_id}
    if before == after and old.is_personal and new.is_personal:
        names = {"canonical": after, "old": old.name, "new": new.name}
        await tx.execute(_RENAME, {**key, **names})
        return
    if before is not None:
        if old.is_personal:
            taken = {"canonical": before, "weight": weight(received_at)}
            await tx.execute(_TAKE_BACK, {**key, **taken})
            await tx.execute(_NOTHING_LEFT, {**key, "canonical": before})
        await tx.execute(_NO_LONGER_BY, {**key, "canonical": before})
    if after is not None:
        await tx.execute(_BY, {**key, "canonical": after})
        if new.is_personal:
            heard = Heard(tenant_id, after, received_at // HOUR)
            await count_messages(tx, heard, new.email, new.name, [message_id])


async def _has_failed(tx: Tx, message_id: bytes) -> bool:
    row = await tx.fetch_one(
        "SELECT verdict FROM message_checks WHERE message_id = :message_id",
        {"message_id": message_id},
    )
    return row is not None and row["verdict"] == "failed"


async def count_verdicts(tx: Tx, news: Sequence[tuple[Row, str]]) -> None:
    """Let new verdicts on messages count, for those that were counted already.

    One that was not is counted with its verdict later. The rows have the tenant, the id, the sender
    and the time of the message.
    """
    until: dict[bytes, bytes] = {}
    for row, verdict in news:
        tenant_id, message_id = bytes(row["tenant_id"]), bytes(row["message_id"])
        canonical = canonical_or_none(row["from_email"])
        if verdict not in {"verified", "failed"} or canonical is None:
            continue
        if tenant_id not in until:
            until[tenant_id] = await counted_until(tx, tenant_id=tenant_id)
        if message_id > until[tenant_id]:
            continue
        if verdict == "failed":
            await _take_out(tx, row, canonical)
        else:
            await note_verified(tx, tenant_id=tenant_id, canonical=canonical, message_id=message_id)


async def _take_out(tx: Tx, row: Row, canonical: str) -> None:
    of_sender: dict[str, object] = {
        "tenant_id": row["tenant_id"],
        "message_id": row["message_id"],
        "canonical": canonical,
    }
    await tx.execute_many(_NO_LONGER_BY, [of_sender])
    if is_personal(row):
        time = {"received_at": row["received_at"], "weight": weight(row["received_at"])}
        for statement in (_TAKE_BACK, _NOTHING_LEFT, _AS_LEFT):
            await tx.execute_many(statement, [of_sender | time])
    await tx.execute_many(_FORGED, [of_sender])


_COPIED = "inbox_id IN (SELECT c.inbox_id FROM copies c WHERE c.message_id = :message_id)"
# Only where the old name still shows: a later message may have brought another.
_RENAME = f"""
    UPDATE relationships SET name = :new
    WHERE tenant_id = :tenant_id AND canonical = :canonical AND name = :old AND {_COPIED}
"""
# Not below zero: what is taken from a sum of floats may be a little more than was added.
_TAKE_BACK = f"""
    UPDATE relationships
    SET message_count = message_count - 1,
        score = CASE WHEN score > CAST(:weight AS DOUBLE PRECISION)
                     THEN score - CAST(:weight AS DOUBLE PRECISION) ELSE 0 END
    WHERE tenant_id = :tenant_id AND canonical = :canonical AND {_COPIED}
"""
_NOTHING_LEFT = f"""
    DELETE FROM relationships
    WHERE tenant_id = :tenant_id AND canonical = :canonical AND message_count <= 0 AND {_COPIED}
"""
_NO_LONGER_BY = """
    DELETE FROM messages_by_sender
    WHERE tenant_id = :tenant_id AND canonical = :canonical AND message_id = :message_id
"""
_BY = """
    INSERT INTO messages_by_sender (tenant_id, canonical, message_id)
    VALUES (:tenant_id, :canonical, :message_id)
    ON CONFLICT (tenant_id, canonical, message_id) DO NOTHING
"""
# The newest message of the sender that is left in the inbox of the relationship.
_NEWEST_LEFT = """(
    SELECT m.{0} FROM messages_by_sender s
    JOIN copies c ON c.message_id = s.message_id AND c.inbox_id = relationships.inbox_id
    JOIN messages m ON m.message_id = s.message_id
    WHERE s.tenant_id = :tenant_id AND s.canonical = :canonical
      AND m.automatic = 0 AND m.reverse_path <> ''
    ORDER BY s.message_id DESC LIMIT 1)"""
_AS_LEFT = f"""
    UPDATE relationships
    SET last_seen = COALESCE({_NEWEST_LEFT.format("received_at")}, first_seen),
        name = COALESCE({_NEWEST_LEFT.format("from_name")}, name)
    WHERE tenant_id = :tenant_id AND canonical = :canonical AND last_seen <= :received_at
      AND {_COPIED}
"""
_FORGED = f"""
    UPDATE relationships SET authenticated = 0
    WHERE tenant_id = :tenant_id AND canonical = :canonical AND authenticated IS NULL AND {_COPIED}
"""


async def count_before_it_goes(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, message_id: bytes
) -> None:
    """Count a copy that is about to be deleted for good, if it has not been."""
    if message_id <= await counted_until(tx, tenant_id=tenant_id):
        return
    row = await tx.fetch_one(
        """
        SELECT from_email, from_name, received_at, automatic, reverse_path FROM messages m
        WHERE tenant_id = :tenant_id AND message_id = :message_id AND NOT EXISTS (
            SELECT 1 FROM message_checks k
            WHERE k.message_id = m.message_id AND k.verdict = 'failed')
        """,
        {"tenant_id": tenant_id, "message_id": message_id},
    )
    canonical = canonical_or_none(row["from_email"]) if row else None
    if row is None or canonical is None or not is_personal(row):
        return
    heard = Heard(tenant_id, canonical, row["received_at"] // HOUR)
    email, name = row["from_email"], row["from_name"]
    await count_messages(tx, heard, email, name, [message_id], inbox_id=inbox_id)


async def forget_sender(tx: Tx, *, message_id: bytes) -> None:
    """Drop a message from those of its sender; to be called before it goes."""
    row = await tx.fetch_one(
        "SELECT tenant_id, from_email FROM messages WHERE message_id = :message_id",
        {"message_id": message_id},
    )
    canonical = canonical_or_none(row["from_email"]) if row else None
    if row is not None and canonical is not None:
        await tx.execute(
            """
            DELETE FROM messages_by_sender
            WHERE tenant_id = :tenant_id AND canonical = :canonical AND message_id = :message_id
            """,
            {"tenant_id": row["tenant_id"], "canonical": canonical, "message_id": message_id},
        )

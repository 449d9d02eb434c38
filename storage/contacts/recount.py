"""Relationships, when a message turns out to be from somebody else, or from nobody.

- Counts of copies that are still there are moved from the old sender to the new one. A copy that
  was deleted has counted for the old one, and stays so.
- A relationship of which nothing is left is deleted. First and last seen of one that goes on stay.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.address import canonical_or_none
from storage.clock import HOUR
from storage.contacts.relationships import Heard, count_messages, counted_until, weight
from storage.database import Tx


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
    if old == new or message_id > await counted_until(tx):
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


_COPIED = "inbox_id IN (SELECT c.inbox_id FROM copies c WHERE c.message_id = :message_id)"
_RENAME = f"""
    UPDATE relationships SET name = :new
    WHERE tenant_id = :tenant_id AND canonical = :canonical AND name = :old AND {_COPIED}
"""
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

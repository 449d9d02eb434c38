"""A letter of ours that comes back by SMTP, such as by a Cc to its own list.

- It is known by its Message-ID, which names the stored letter, and by its author. Any other message
  asks the store nothing.
- An inbox that holds the letter gets no second copy; the others get one of what came.
- A smarthost that replaces the Message-ID makes it another message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from storage.address import canonical_or_none
from storage.database import Tx
from storage.delivery.arrivals import Arrival
from storage.directory.resolve import Resolution
from storage.ids import from_text

_OURS = re.compile(r"(msg_[0-9a-hjkmnp-tv-z]{26})\.[0-9a-f]{12}@[^@]+")


async def own_letter(tx: Tx, arrival: Arrival) -> bytes | None:
    """Return the letter that this message is; None for any other message."""
    name = arrival.header_message_id
    if name is None or not name.startswith("msg_"):  # nearly every message
        return None
    found = _OURS.fullmatch(name)
    message_id = from_text("msg", found[1]) if found else None
    if message_id is None:
        return None
    row = await tx.fetch_one(
        """
        SELECT header_message_id, from_email FROM messages
        WHERE message_id = :message_id AND tenant_id = :tenant_id AND protocol = 'outbound'
        """,
        {"message_id": message_id, "tenant_id": arrival.tenant_id},
    )
    if row is None or row["header_message_id"] != arrival.header_message_id:
        return None
    # Anybody who got the letter knows its id: another author's message is not the letter.
    is_same = canonical_or_none(row["from_email"]) == canonical_or_none(arrival.from_email)
    return message_id if is_same else None


async def all_hold(tx: Tx, letter_id: bytes, routes: Iterable[Resolution]) -> bool:
    """Whether every inbox behind these routes holds the letter."""
    for route in routes:
        statement = _MEMBER_WITHOUT if route.list_id is not None else _INBOX_WITHOUT
        key = {"letter": letter_id, "list_id": route.list_id, "inbox_id": route.inbox_id}
        if await tx.fetch_one(statement, key) is not None:
            return False
    return True


HOLDS = "SELECT 1 FROM copies h WHERE h.inbox_id = {} AND h.message_id = :letter"
_MEMBER_WITHOUT = f"""
    SELECT 1 FROM list_members m
    WHERE m.list_id = :list_id AND NOT EXISTS ({HOLDS.format("m.inbox_id")}) LIMIT 1
"""
_INBOX_WITHOUT = f"""
    SELECT 1 FROM inboxes i
    WHERE i.inbox_id = :inbox_id AND NOT EXISTS ({HOLDS.format("i.inbox_id")})
"""

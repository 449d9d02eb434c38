"""Messages that are parsed once more, because the parser reads mail better than when they came.

- The row of `reparse` says how far it is and where it ends; it is moved in the transaction that
  keeps the results, so work is resumed where it stopped and nothing is done twice. Of several
  processes on one store, the one that moves it keeps its results.
- Corrected are text, names, addresses, attachments, words and relationships; threads are joined,
  never split. No event is made. An attachment keeps its id where it is the same part.
- A message that cannot be parsed now stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from storage.contacts.recount import Sender, correct_sender
from storage.content.message_bytes import content_of
from storage.database import Row, Tx
from storage.delivery.thread_relink import relink_thread
from storage.index.full_text import forget
from storage.mailbox import parsed
from storage.mailbox.parse_queue import ParseClaim
from storage.message_format.mime_parts import Parsed


class HeaderFields(NamedTuple):
    """The header fields of a message, as a delivery stores them."""

    header_message_id: str | None
    references: tuple[str, ...]
    from_name: str
    from_email: str
    subject: str
    mailboxes: bytes
    automatic: bool


@dataclass(frozen=True, slots=True)
class ReparseBatch:
    """The next messages after `after`, the oldest first; `last` is the newest of them."""

    after: bytes
    last: bytes
    claims: tuple[ParseClaim, ...]


@dataclass(frozen=True, slots=True)
class Reparsed:
    """The present results for a message."""

    message_id: bytes
    header: HeaderFields
    result: Parsed


async def start_again(tx: Tx) -> int:
    """Have all messages that are there parsed once more; how many."""
    await tx.execute("DELETE FROM reparse", {})
    await tx.execute(_ALL, {"begin": b""})
    row = await tx.fetch_one("SELECT COUNT(*) AS messages FROM messages")
    return int(row["messages"]) if row else 0


_ALL = """
    INSERT INTO reparse (worker, after, until)
    SELECT 0, :begin, m.message_id FROM messages m ORDER BY m.message_id DESC LIMIT 1
"""


async def next_batch(tx: Tx, *, limit: int) -> ReparseBatch | None:
    """The next messages to parse once more; None when all are."""
    place = await tx.fetch_one("SELECT after, until FROM reparse WHERE worker = 0")
    if place is None:
        return None
    rows = await tx.fetch_all(
        """
        SELECT m.message_id, m.tenant_id, c.sha256, c.size, c.body, c.file
        FROM messages m JOIN contents c ON c.message_id = m.message_id
        WHERE m.message_id > :after AND m.message_id <= :until ORDER BY m.message_id LIMIT :limit
        """,
        {"after": bytes(place["after"]), "until": bytes(place["until"]), "limit": limit},
    )
    if not rows:
        return None
    claims = tuple(_claim(row) for row in rows)
    return ReparseBatch(bytes(place["after"]), claims[-1].message_id, claims)


def _claim(row: Row) -> ParseClaim:
    return ParseClaim(bytes(row["message_id"]), bytes(row["tenant_id"]), 1, content_of(row))


async def keep(tx: Tx, batch: ReparseBatch, found: Sequence[Reparsed], *, now: int) -> bool:
    """Keep what was found; False, and nothing done, when somebody else has in the meantime."""
    # With the results: after a crash no message was passed over, and none is done twice.
    moved = await tx.execute(
        "UPDATE reparse SET after = :last WHERE worker = 0 AND after = :after",
        {"last": batch.last, "after": batch.after},
    )
    if not moved:
        return False
    for one in found:
        await _correct(tx, one, now)
    return True


async def _correct(tx: Tx, one: Reparsed, now: int) -> None:
    old = await tx.fetch_one(
        """
        SELECT tenant_id, thread_id, received_at, from_name, from_email, automatic, reverse_path
        FROM messages WHERE message_id = :message_id
        """,
        {"message_id": one.message_id},
    )
    if old is None:
        return
    header, tenant_id = one.header, bytes(old["tenant_id"])
    fields = {name: value for name, value in header._asdict().items() if name != "references"}
    fields["automatic"] = int(header.automatic)
    await tx.execute(_UPDATE, {"message_id": one.message_id, **fields})
    # The index only adds: with the former words in it the message would be found by both.
    await forget(tx, message_id=one.message_id)
    await parsed.record_again(tx, one.message_id, one.result)
    is_bounce = old["reverse_path"] == ""
    await correct_sender(
        tx,
        tenant_id=tenant_id,
        message_id=one.message_id,
        received_at=old["received_at"],
        old=Sender(old["from_email"], old["from_name"], not (old["automatic"] or is_bounce)),
        new=Sender(header.from_email, header.from_name, not (header.automatic or is_bounce)),
    )
    await relink_thread(
        tx,
        tenant_id=tenant_id,
        thread_id=bytes(old["thread_id"]),
        references=header.references,
        header_message_id=header.header_message_id,
        now=now,
    )


_UPDATE = """
    UPDATE messages
    SET header_message_id = :header_message_id, from_name = :from_name, from_email = :from_email,
        subject = :subject, recipients = :mailboxes, automatic = :automatic
    WHERE message_id = :message_id
"""

"""Permanent deletion of copies; the content is deleted with the last copy."""

from __future__ import annotations

from storage.contacts.recount import count_before_it_goes, forget_sender
from storage.database import Tx
from storage.delivery.explain import forget_explanation, keep_deleted
from storage.errors import Conflict
from storage.mailbox import parsed
from storage.mailbox.copies import find_copy, update_copy
from storage.mailbox.grants import forget_message, preserve_grants_of_copy

_OF_MESSAGE = (
    *("contents", "routes", "message_checks", "letter_recipients", "letters"),
    "messages",
)


async def discard_copy(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, message_id: bytes, now: int
) -> str | None:
    """Move the copy to trash; delete it permanently when it is there already.

    Returns the content file that nothing names any more, for removal after the commit. Raises
    NotFound, and Conflict `letter_unfinished`.
    """
    copy = await find_copy(tx, tenant_id=tenant_id, inbox_id=inbox_id, message_id=message_id)
    if copy.folder != "trash":
        await update_copy(
            tx,
            tenant_id=tenant_id,
            inbox_id=inbox_id,
            message_id=message_id,
            now=now,
            folder="trash",
        )
        return None
    await _require_finished(tx, tenant_id=tenant_id, message_id=message_id)
    return await delete_copy(tx, tenant_id=tenant_id, inbox_id=inbox_id, message_id=message_id)


async def _require_finished(tx: Tx, *, tenant_id: bytes, message_id: bytes) -> None:
    """Raises Conflict `letter_unfinished`: with its content a letter could not leave any more."""
    row = await tx.fetch_one(
        """
        SELECT 1 FROM letters
        WHERE message_id = :message_id AND tenant_id = :tenant_id
          AND (due_at IS NOT NULL OR lease_until IS NOT NULL)
        """,
        {"message_id": message_id, "tenant_id": tenant_id},
    )
    if row is not None:
        raise Conflict("letter_unfinished", "This letter has not left yet; cancel it first.")


async def delete_copy(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, message_id: bytes
) -> str | None:
    """Delete the copy permanently; no error when there is none.

    Returns the content file that nothing names any more, for removal after the commit.
    """
    key = {"tenant_id": tenant_id, "inbox_id": inbox_id, "message_id": message_id}
    # Counted in this transaction: `postroom audit` takes a copy that is gone uncounted for lost.
    counted = await tx.execute(
        """
        UPDATE messages SET copies_gone = copies_gone + 1
        WHERE message_id = :message_id AND tenant_id = :tenant_id
          AND EXISTS (SELECT 1 FROM copies c
                      WHERE c.inbox_id = :inbox_id AND c.message_id = :message_id)
        """,
        key,
    )
    if not counted:
        return None
    # Relationships, grants and reports are derived from the copy: record them while it exists.
    await count_before_it_goes(tx, tenant_id=tenant_id, inbox_id=inbox_id, message_id=message_id)
    await preserve_grants_of_copy(tx, tenant_id=tenant_id, inbox_id=inbox_id, message_id=message_id)
    await keep_deleted(tx, inbox_id=inbox_id, message_id=message_id)
    for table in ("copies", "copy_routes", "trashed"):
        await tx.execute(
            f"DELETE FROM {table} WHERE inbox_id = :inbox_id AND message_id = :message_id", key
        )
    return await _drop_message_without_copies(tx, message_id)


async def _drop_message_without_copies(tx: Tx, message_id: bytes) -> str | None:
    key = {"message_id": message_id}
    row = await tx.fetch_one(
        """
        SELECT c.file, m.copies_owed - m.copies_gone AS copies_left
        FROM messages m JOIN contents c ON c.message_id = m.message_id
        WHERE m.message_id = :message_id
        """,
        key,
    )
    # The content is shared by all copies of the message.
    if row is None or row["copies_left"] > 0:
        return None
    await parsed.drop(tx, message_id=message_id)
    await forget_sender(tx, message_id=message_id)
    for table in _OF_MESSAGE:
        await tx.execute(f"DELETE FROM {table} WHERE message_id = :message_id", key)
    await forget_message(tx, message_id=message_id)
    await forget_explanation(tx, message_id=message_id)
    return str(row["file"]) if row["file"] else None

"""Relinking: the thread of a stored message, by the references that are read from it now.

- Its references are remembered for its thread, as at delivery; where one is known in another
  thread, the two are joined (`storage.delivery.thread_merge`). No thread is ever split.
- Messages come in the order of their ids, so of a Message-ID used twice the first counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from storage.database import Tx
from storage.delivery.thread_join import reference_key, that_count
from storage.delivery.thread_merge import current_thread, merge_threads
from storage.sql import in_list


async def relink_thread(
    tx: Tx,
    *,
    tenant_id: bytes,
    thread_id: bytes,
    references: Sequence[str],
    header_message_id: str | None,
    now: int,
) -> None:
    """Remember what the message names, and join its thread to another it leads to."""
    thread_id = await current_thread(tx, tenant_id=tenant_id, thread_id=thread_id)
    own = reference_key(header_message_id) if header_message_id else None
    keys = [*dict.fromkeys(map(reference_key, that_count(references)))]
    keys += [own] if own and own not in keys else []
    if not keys:
        return
    chosen, names = in_list(keys)
    rows = await tx.fetch_all(_KNOWN.format(chosen), {"tenant_id": tenant_id, **names})
    known = {bytes(row["reference"]): row for row in rows}
    other: bytes | None = None
    for key in keys:
        row, place = known.get(key), {"tenant_id": tenant_id, "reference": key}
        if row is None:
            is_message = int(key == own)
            await tx.execute(_ADD, {**place, "thread_id": thread_id, "is_message": is_message})
            continue
        found = bytes(row["joined_to"] or row["thread_id"])
        if key == own and not row["is_message"]:
            await tx.execute(_IS_MESSAGE, place)
        elif key == own:
            continue  # the id of a message that came before
        if found != thread_id and other is None:
            other = found
    if other is not None:
        older, younger = sorted((thread_id, other))
        since = tx.new_id()
        await merge_threads(
            tx, tenant_id=tenant_id, older=older, younger=younger, since=since, now=now
        )


_KNOWN = """
    SELECT r.reference, r.thread_id, r.is_message, t.joined_to
    FROM thread_references r LEFT JOIN threads t ON t.thread_id = r.thread_id
    WHERE r.tenant_id = :tenant_id AND r.reference IN ({})
"""
_ADD = """
    INSERT INTO thread_references (tenant_id, reference, thread_id, is_message)
    VALUES (:tenant_id, :reference, :thread_id, :is_message)
    ON CONFLICT (tenant_id, reference) DO NOTHING
"""
_IS_MESSAGE = """
    UPDATE thread_references SET is_message = 1
    WHERE tenant_id = :tenant_id AND reference = :reference
"""

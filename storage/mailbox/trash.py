"""Trash dates: when a copy came into the trash, from its first move there until it leaves.

After 30 days the copy is deleted permanently (`storage.maintenance.retention`); reading or flagging
it meanwhile changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from storage.clock import DAY
from storage.database import Tx

KEPT = 30 * DAY


async def note_moves(
    tx: Tx, *, inbox_id: bytes, chosen: str, names: Mapping[str, object], trash: int, now: int
) -> None:
    """Record which of these copies are in the folder `trash` now, after they were moved.

    `chosen` are the message ids as parameters, named in `names`.
    """
    key = {"inbox_id": inbox_id, "now": now, "trash": trash, **names}
    for sql in (_LEAVE, _ENTER):
        await tx.execute(sql.format(chosen), key)


_LEAVE = """
    DELETE FROM trashed WHERE inbox_id = :inbox_id AND message_id IN (
        SELECT c.message_id FROM copies c
        WHERE c.inbox_id = :inbox_id AND c.message_id IN ({}) AND c.folder <> :trash)
"""
# ON CONFLICT: to move a copy to the trash once more must not give it 30 more days.
_ENTER = """
    INSERT INTO trashed (message_id, inbox_id, trashed_at)
    SELECT c.message_id, c.inbox_id, :now FROM copies c
    WHERE c.inbox_id = :inbox_id AND c.message_id IN ({}) AND c.folder = :trash
    ON CONFLICT (message_id, inbox_id) DO NOTHING
"""

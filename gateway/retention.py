"""What is kept for a time only, and the job that removes it when the time is over.

Everything goes in small transactions; a fault is logged and tried again at the next round.
"""

from __future__ import annotations

import asyncio
import logging
import time

from config.logs import event
from storage.clock import Clock
from storage.content import ContentDirectory
from storage.database import Database, Tx
from storage.delivery import forget_receipts
from storage.errors import StoreUnavailable
from storage.idempotency import forget_keys
from storage.ids import to_text
from storage.notes import remove_expired_notes
from storage.removal import DeletedInbox, Purged, next_to_purge, purge_some

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 3600.0


async def run(database: Database, contents: ContentDirectory, clock: Clock) -> None:
    """One round at once and one every hour, until cancelled."""
    while True:
        try:
            await one_round(database, contents, now=clock())
        except StoreUnavailable as error:
            event(logger, "retention_put_off", level=logging.WARNING, cause=str(error))
        await asyncio.sleep(_EVERY_SECONDS)


async def one_round(database: Database, contents: ContentDirectory, *, now: int) -> None:
    """Remove what is over at `now` (microseconds). Raises StoreUnavailable."""
    removed = {
        "spools": await asyncio.to_thread(contents.remove_abandoned, now=time.time()),
        "receipts": await database.write(lambda tx: forget_receipts(tx, now=now)),
        "idempotency_keys": await database.write(lambda tx: forget_keys(tx, now=now)),
        "copies": await _purge_inboxes(database, contents, now),
        "notes": await _remove_notes(database, now),
    }
    if any(removed.values()):
        event(logger, "retention", **removed)


async def _purge_inboxes(database: Database, contents: ContentDirectory, now: int) -> int:
    """Remove the inboxes whose days of grace are over; how many copies went with them."""
    copies = 0
    while inbox := await database.read(lambda tx: next_to_purge(tx, now=now)):
        copies += await _purge(database, contents, inbox, now)
        event(logger, "inbox_purged", inbox=to_text("inb", inbox.inbox_id))
    return copies


async def _purge(
    database: Database, contents: ContentDirectory, inbox: DeletedInbox, now: int
) -> int:
    async def some(tx: Tx) -> Purged:
        return await purge_some(tx, tenant_id=inbox.tenant_id, inbox_id=inbox.inbox_id, now=now)

    copies, whole = 0, False
    while not whole:
        purged = await database.write(some)
        for file in purged.files:
            await contents.remove(file)
        copies, whole = copies + purged.copies, purged.whole
    return copies


async def _remove_notes(database: Database, now: int) -> int:
    """Remove the notes that nobody sees any more for their age; how many."""
    notes = 0
    while some := await database.write(lambda tx: remove_expired_notes(tx, now=now)):
        notes += some
    return notes

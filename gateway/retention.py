"""What is kept for a time only, and the job that removes it when the time is over.

Everything goes in small transactions; a fault is logged and tried again at the next round.
"""

from __future__ import annotations

import asyncio
import logging
import time

from config.logs import event
from storage import shares
from storage.activity import forget_activity
from storage.clock import Clock
from storage.content import ContentDirectory
from storage.database import Database, Tx, Work
from storage.errors import StoreUnavailable
from storage.idempotency import forget_keys
from storage.ids import to_text
from storage.merges import forget_merges
from storage.notes import remove_expired_notes
from storage.receipts import forget_receipts
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
        except Exception:  # a fault of ours must not end the job
            logger.exception("retention_failed")
        await asyncio.sleep(_EVERY_SECONDS)


async def one_round(database: Database, contents: ContentDirectory, *, now: int) -> None:
    """Remove what is over at `now` (microseconds). Raises StoreUnavailable."""
    removed = {
        "spools": await asyncio.to_thread(contents.remove_abandoned, now=time.time()),
        "receipts": await database.write(lambda tx: forget_receipts(tx, now=now)),
        "idempotency_keys": await database.write(lambda tx: forget_keys(tx, now=now)),
        "copies": await _purge_inboxes(database, contents, now),
        "notes": await _all(database, lambda tx: remove_expired_notes(tx, now=now)),
        "shares_lapsed": await _all(database, lambda tx: shares.lapse_some(tx, now=now)),
        "shares": await database.write(lambda tx: shares.forget_shares(tx, now=now)),
        "merges": await database.write(lambda tx: forget_merges(tx, now=now)),
        "activity": await _all(database, lambda tx: forget_activity(tx, now=now)),
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


async def _all(database: Database, some: Work[int]) -> int:
    """Do `some` until there is nothing left to do; how much it was."""
    done = 0
    while more := await database.write(some):
        done += more
    return done

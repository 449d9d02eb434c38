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
from storage.database import Database
from storage.delivery import forget_receipts
from storage.errors import StoreUnavailable

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
    }
    if any(removed.values()):
        event(logger, "retention", **removed)

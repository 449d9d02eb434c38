"""Whether the storage under the store still keeps what it was given.

- A fault that may pass (the data directory was moved away) is told once, and its end as well; the
  store answers "unavailable" by itself meanwhile.
- A lasting one (a sync that failed, a log that was removed) is told as an error and ends the
  process: only a new start reads what the disk really holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from config.logs import event
from storage.content.message_bytes import ContentDirectory
from storage.database import Store, StoreFault

logger = logging.getLogger(__name__)

_INTERVAL = 0.5


async def watch_storage(
    database: Store,
    contents: ContentDirectory,
    failed: Callable[[], None],
    *,
    interval: float = _INTERVAL,
) -> None:
    """Ask every `interval` seconds, until cancelled; `failed` is called at a lasting fault."""
    before: StoreFault | None = None
    while True:
        fault = database.fault() or contents.fault()
        if fault != before:
            _tell(fault)
            before = fault
            if fault is not None and fault.lasting:
                failed()
        await asyncio.sleep(interval)


def _tell(fault: StoreFault | None) -> None:
    if fault is None:
        event(logger, "storage_back", level=logging.WARNING)
    elif fault.lasting:
        event(logger, "storage_failed", level=logging.ERROR, cause=fault.reason)
    else:
        event(logger, "storage_away", level=logging.ERROR, cause=fault.reason)

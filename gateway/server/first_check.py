"""The start of the checks of senders: with the first message that is to be checked.

- With the checks come the libraries for keys and for the DNS, which take a quarter of a second and
  some memory. A server without mail does without; a thread loads them, so mail does not wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from importlib import import_module

from admin_api.dns.cache import DnsCache
from config.settings import Settings
from storage.authentication.check_queue import find_waiting
from storage.clock import system_clock
from storage.content.message_bytes import ContentDirectory
from storage.database import PartitionWrites
from storage.errors import StoreUnavailable
from storage.wakeup import WakeUp, woken_within

_LOOK_AGAIN_SECONDS = 30.0


async def check_senders(
    settings: Settings,
    database: PartitionWrites,
    contents: ContentDirectory,
    *,
    commits: WakeUp,
    cache: DnsCache,
    counts: Counter[str],
) -> None:
    """Check present and future messages, until cancelled; `counts` gets the verdicts."""
    woken = commits.wait_next()
    while not await _is_due(database):
        await woken_within(woken, _LOOK_AGAIN_SECONDS)
        woken = commits.wait_next()
    checking = await asyncio.to_thread(import_module, "gateway.server.checking")
    await asyncio.to_thread(checking.load)
    await checking.check_senders(
        settings, database, contents, commits=commits, cache=cache, counts=counts
    )


async def _is_due(database: PartitionWrites) -> bool:
    with contextlib.suppress(StoreUnavailable):
        waiting = await database.read(lambda tx: find_waiting(tx, now=system_clock(), limit=1))
        return bool(waiting.due) or waiting.behind is not None
    return False

"""Wake-ups between the processes of one store: NOTIFY behind each commit, and who listens to it.

- They are hints, and the tables are the truth: a process that waits for something also reads at
  intervals. So a listener whose connection is lost misses nothing for good; when it has a new one,
  it tells once of what may have been committed in between.
- The channel is one of the store: its name comes from the key of the store's lock.
- A process does not hear its own commits.
- It tries to connect after 1 s, 2 s and then each 4 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg

from storage.engines.postgres_connections import connected, ending_within
from storage.errors import StoreUnavailable

_AGAIN_SECONDS = 1.0
_AGAIN_AT_MOST = 4.0


def channel_of(lock: int) -> str:
    """The channel of the store with this lock, as a plain identifier."""
    return f"postroom_{lock & (1 << 64) - 1:016x}"


async def listen(store: str, channel: str, told: Callable[[int], object]) -> None:
    """Call `told` with the server's process of whoever committed, until cancelled.

    0 stands for nobody in particular: commits may have been missed.
    """
    pause = _AGAIN_SECONDS
    while True:
        try:
            async with connected(store) as (connection, _):
                await connection.execute(f"LISTEN {channel}".encode())
                pause = _AGAIN_SECONDS
                told(0)
                with ending_within(connection, None):
                    async for heard in connection.notifies():
                        told(heard.pid)
        except (StoreUnavailable, psycopg.Error):
            pass  # whoever needs the store tells of that
        await asyncio.sleep(pause)
        pause = min(2 * pause, _AGAIN_AT_MOST)

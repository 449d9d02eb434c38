"""Wake-ups between the processes of one store: NOTIFY behind each commit, and who listens to it.

- They are hints, and the tables are the truth: a process that waits for something also reads at
  intervals. So a listener whose connection is lost misses nothing for good; when it has a new one,
  it tells once of what may have been committed in between.
- The channel is one of the store: its name comes from the key of the store's lock.
- A process does not hear its own commits.
- It tries to connect after 1 s, 2 s and then each 4 s.
- We wait for the socket ourselves: the driver would wake up ten times a second to do so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg

from storage.engines.postgres_connections import Connection, connected, ending_within
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
                    while True:
                        for one in await heard(connection):
                            told(one.pid)
        except (StoreUnavailable, psycopg.Error):
            pass  # whoever needs the store tells of that
        await asyncio.sleep(pause)
        pause = min(2 * pause, _AGAIN_AT_MOST)


async def heard(connection: Connection, within: float | None = None) -> list[psycopg.Notify]:
    """The notifications that a connection has, or what comes within so many seconds (None: ever).

    No statement may be under way. Raises psycopg.Error when the connection is lost.
    """
    # Some may have been read with the answer of a statement: the socket does not tell of them.
    if not (found := await _read(connection)):
        await _something_comes(connection, within)
        found = await _read(connection)
    return found


async def _read(connection: Connection) -> list[psycopg.Notify]:
    return [one async for one in connection.notifies(timeout=0)]


async def _something_comes(connection: Connection, within: float | None) -> None:
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    descriptor = connection.fileno()
    loop.add_reader(descriptor, _set, readable)
    try:
        await asyncio.wait([readable], timeout=within)
    finally:
        loop.remove_reader(descriptor)


def _set(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)

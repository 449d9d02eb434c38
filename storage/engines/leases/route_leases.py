"""Leases: processes that remember routes of a store on PostgreSQL, and whoever changes one.

- A holder has a row with the route generation up to which it has dropped what it remembered. It
  renews it four times a second, and when it hears of a change; a lease holds for a second by the
  holder's own clock, from before it was asked for.
- A change makes a new generation in its transaction. It is answered once every row has it, or when
  a second has passed since its COMMIT: a lease of before is over then, whoever has it, and its row
  is removed. So the next RCPT at any gateway is right.
- A lease counts once its row is as safe as any commit: a server that crashes, or a standby that is
  promoted, must not forget who may remember something. Its renewals need not be.
- A renewal waits for a change that is being committed, and reads its generation; a change waits for
  a renewal under way. So none is missed.
- A holder that lost its connection has no lease, and asks the store. One that nobody asked for a
  while gives its lease up.
"""

from __future__ import annotations

import asyncio
import os
import time

import psycopg

from storage.database import Row
from storage.engines.postgres_connections import Connection, connected, control, ending_within
from storage.engines.postgres_locks import locks_of
from storage.engines.servers.notify import channel_of, heard
from storage.errors import StoreUnavailable

LEASE = 1.0
_RENEW_SECONDS = 0.25
_END_SECONDS = 1.0
_KEPT_SECONDS = 5.0
_AGAIN_SECONDS = 0.5
_LOOK_SECONDS = 0.004


class RouteLease:
    """The lease of a process. `generation` is asked with each look into what it remembers."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._holder = os.urandom(16)
        self._generation = 0
        self._until = float("-inf")
        self._asked = float("-inf")
        self._holding: asyncio.Task[None] | None = None

    def generation(self) -> int | None:
        """The route generation, while there is a lease; the first who asks has one begin."""
        self._asked = time.monotonic()
        if self._holding is None or self._holding.done():
            self._holding = asyncio.create_task(self._hold())
        return self._generation if self._asked < self._until else None

    async def close(self) -> None:
        """Give the lease up: with its row no change waits for it."""
        self._asked = self._until = float("-inf")
        if self._holding is not None:
            await asyncio.wait([self._holding], timeout=_END_SECONDS)
            self._holding.cancel()
            await asyncio.wait([self._holding])

    def _is_wanted(self) -> bool:
        return time.monotonic() < self._asked + _KEPT_SECONDS

    async def _hold(self) -> None:
        while self._is_wanted():
            try:
                async with connected(self._store) as (connection, server):
                    with ending_within(connection, None):
                        try:
                            await self._renew_on(connection, server)
                        finally:
                            self._until = float("-inf")
                        await connection.execute(_END, [self._holder])
            except (StoreUnavailable, psycopg.Error):
                await asyncio.sleep(_AGAIN_SECONDS)  # whoever needs the store tells of that

    async def _renew_on(self, connection: Connection, server: Row) -> None:
        routes = routes_of(channel_of(locks_of(server).store))
        await control(connection, f"SET synchronous_commit = off; LISTEN {routes}")
        while self._is_wanted():
            began = time.monotonic()
            answer = await connection.execute(_RENEW, [self._holder])
            row = await answer.fetchone()
            if row is None:  # before the first migration
                raise StoreUnavailable("there are no routes yet")
            if row["is_new"]:
                await self._make_safe(connection, server["own_synchronous_commit"])
            self._generation, self._until = int(row["generation"]), began + LEASE
            if await heard(connection, _RENEW_SECONDS):
                self._until = float("-inf")  # what is remembered may be wrong from here on

    async def _make_safe(self, connection: Connection, flushes: str) -> None:
        """Put the row on stable storage, with what was committed before."""
        await control(
            connection,
            f"BEGIN; SET LOCAL synchronous_commit = {flushes}; UPDATE route_leases"
            f" SET generation = generation WHERE holder = '\\x{self._holder.hex()}'; COMMIT",
        )


# The row of the generation is locked: a renewal and a change follow one another.
_RENEW = b"""
    INSERT INTO route_leases (holder, generation)
    SELECT $1, s.value FROM store_state s WHERE s.name = 'routes' FOR SHARE
    ON CONFLICT (holder) DO UPDATE SET generation = excluded.generation
    RETURNING generation, xmax = 0 AS is_new
"""
_END = b"DELETE FROM route_leases WHERE holder = $1"

CHANGE = "UPDATE store_state SET value = value + 1 WHERE name = 'routes'"
"""The statement that makes a new generation, in the transaction of the change."""

LATE = """
    SELECT s.value AS generation,
           (SELECT count(*) FROM route_leases l WHERE l.generation < s.value) AS late
    FROM store_state s WHERE s.name = 'routes'"""
"""The query for the generation, and how many have not dropped what was before it."""


def routes_of(channel: str) -> str:
    """The channel on which the holders of leases hear of changes."""
    return f"{channel}_routes"


async def until_dropped(connection: Connection, answer: Row | None, committed: float) -> None:
    """Wait until nobody remembers a route of before the change committed at `committed`.

    `answer` is that of `LATE`, right behind the COMMIT; None when it did not come. A server that
    says no more is not waited for longer than a lease holds, twice.
    """
    try:
        with ending_within(connection, committed + 2 * LEASE - time.monotonic()):
            row = answer or await (await control(connection, LATE)).fetchone()
            generation = int(row["generation"]) if row is not None else 0
            while row is not None and row["late"] and time.monotonic() < committed + LEASE:
                await asyncio.sleep(_LOOK_SECONDS)
                row = await (await control(connection, LATE)).fetchone()
            if row is not None and row["late"]:
                stale = f"DELETE FROM route_leases WHERE generation < {generation}"
                await control(connection, stale)
    except psycopg.Error:  # the change is made, and who has dropped what is not known
        await asyncio.sleep(max(0.0, committed + LEASE - time.monotonic()))

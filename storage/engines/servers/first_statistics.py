"""The planner's first statistics of a table that PostgreSQL has never analyzed.

- Without any, the planner takes a table for three rows of each tenant, however long it is; the plan
  stays with its connection. A look-up of a few keys then reads all that the tenant has.
- The server's autovacuum looks once a minute, or not at all where an operator switched it off. A
  store that was restored, or upgraded with `pg_upgrade`, has no statistics at first either.
- So, some seconds after a commit, we look for such tables, and have them analyzed. Afterwards they
  are the server's again.
- One that was analyzed while its rows were still being written has statistics that say it is empty.
  So a table counts again once it has ten times the rows that its statistics say.
- A table counts from some hundred rows on: the statistics of a shorter one would say as little.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import psycopg

from storage.engines.postgres_connections import Connection, ending_within
from storage.errors import StoreUnavailable

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0
_ANSWER_WITHIN = 60.0
_LEAST_OCTETS = 64 * 1024
_GROWTH = 10

Lend = Callable[[], AbstractAsyncContextManager[Connection]]


class FirstStatistics:
    """Sees to the tables of one store; `lend` lends a connection to its schema."""

    def __init__(self, lend: Lend) -> None:
        self._lend = lend
        self.look_seconds = _LOOK_SECONDS
        self.looking: asyncio.Task[None] | None = None
        self._rows_when_asked: dict[str, int] = {}

    def look_soon(self) -> None:
        """Look for tables without statistics some seconds from now."""
        if self.looking is None or self.looking.done():
            self.looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Look no more."""
        if self.looking is not None:
            self.looking.cancel()
            await asyncio.wait([self.looking])

    async def _look(self) -> None:
        await asyncio.sleep(self.look_seconds)
        try:
            async with self._lend() as connection:
                with ending_within(connection, _ANSWER_WITHIN):
                    await self._analyze_new(connection)
        except (psycopg.Error, StoreUnavailable) as error:  # plans stay slow until the next look
            logger.warning("no statistics for new tables: %s", error)

    async def _analyze_new(self, connection: Connection) -> None:
        for row in await (await connection.execute(_WITHOUT)).fetchall():
            name, rows = str(row["name"]), int(row["rows"])
            # A table of another owner is passed over with a warning, each time.
            if rows > _GROWTH * self._rows_when_asked.get(name, -1):
                self._rows_when_asked[name] = rows
                await connection.execute(f"ANALYZE (SKIP_LOCKED) {name}".encode())


_WITHOUT = f"""
    SELECT quote_ident(relname) AS name, pg_stat_get_live_tuples(oid) AS rows FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident(current_schema())) AND relkind = 'r'
        AND pg_relation_size(oid) >= {_LEAST_OCTETS}
        AND (reltuples < 0 OR pg_stat_get_live_tuples(oid) > {_GROWTH} * reltuples)
""".encode()

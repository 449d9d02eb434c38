"""A transaction on a PostgreSQL connection, in as few round trips as its statements allow.

- Statements without an answer (`execute_many`, `execute_all`) wait for the next that has one, or
  for the COMMIT, and go with it. So their errors come there; nothing is stored then.
- With `begins` it has not begun yet: that goes with the first statement.
- The number of waiting statements is bounded: more are sent at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from storage.database import Params, Row
from storage.engines.postgres_connections import Connection, answering
from storage.engines.servers.many_rows import steps_of
from storage.engines.servers.round_trips import Answer, Step, send_together
from storage.engines.servers.statements import numbered
from storage.ids import IdSource

_MOST_WAITING = 100  # statements; each has at most some megabytes

# Text compares by its octets, as in SQLite: by a locale's rules order and uniqueness would change
# with the machine's C library.
_DIALECT = {
    "engine": "postgres",
    "id": "BYTEA",
    "int64": "BIGINT",
    "bytes": "BYTEA",
    "text": 'TEXT COLLATE "C"',
    "clustered": "",
    "is_read_only": """current_setting('default_transaction_read_only') = 'on'
        OR pg_is_in_recovery()""",
}


class Begins(NamedTuple):
    """How a transaction begins: its steps, and who gets the answer of the last.

    A lock may be waited for `lock_wait` seconds.
    """

    steps: Sequence[Step]
    begun: Callable[[Row | None], Awaitable[None]] | None = None
    lock_wait: float = 0.0


class PostgresTx:
    """A transaction; its statements go one after the other.

    With `holds_back`, whoever made it sends what `waiting` has with the COMMIT. Without, nothing
    waits.
    """

    __slots__ = ("_begins", "_connection", "_cursor", "_ids", "_waiting", "gave_ids", "holds_back")

    def __init__(
        self,
        connection: Connection,
        ids: IdSource | None = None,
        *,
        begins: Begins | None = None,
        holds_back: bool = False,
    ) -> None:
        self._connection = connection
        self._cursor = connection.cursor(binary=True)
        self._ids = ids
        self._begins = begins
        self._waiting: list[Step] = []
        self.gave_ids = False
        self.holds_back = holds_back

    @property
    def dialect(self) -> Mapping[str, str]:
        return _DIALECT

    @property
    def has_begun(self) -> bool:
        """Whether anything was sent, so that there is something to commit."""
        return self._begins is None

    async def execute(self, sql: str, params: Params | None = None) -> int:
        return (await self._run(sql, params)).rowcount

    async def execute_many(self, sql: str, rows: Sequence[Params]) -> None:
        self._waiting += steps_of(sql, rows)
        if not self.holds_back or len(self._waiting) > _MOST_WAITING:
            await self.send_waiting()

    async def execute_each(self, statements: Sequence[tuple[str, Params]]) -> list[int]:
        return [one.rowcount for one in await self._ask(statements)]

    async def execute_all(self, statements: Mapping[str, Sequence[Params]]) -> None:
        for sql, rows in statements.items():
            self._waiting += steps_of(sql, rows)
        if not self.holds_back or len(self._waiting) > _MOST_WAITING:
            await self.send_waiting()

    async def fetch_one(self, sql: str, params: Params | None = None) -> Row | None:
        return await (await self._run(sql, params)).fetchone()

    async def fetch_all(self, sql: str, params: Params | None = None) -> list[Row]:
        return list(await (await self._run(sql, params)).fetchall())

    async def fetch_each(self, queries: Sequence[tuple[str, Params]]) -> list[list[Row]]:
        return [list(await one.fetchall()) for one in await self._ask(queries)]

    def new_id(self) -> bytes:
        if self._ids is None:
            raise RuntimeError("a read transaction makes no ids")
        if self._begins is not None:
            raise RuntimeError("no id before the first statement: the floor is not known yet")
        self.gave_ids = True
        return self._ids.next()

    async def send_waiting(self) -> None:
        """Send what waits, and nothing else."""
        if self._waiting:
            await self._send([])

    def take_waiting(self) -> list[Step]:
        """Return what waits; the caller sends it."""
        waiting, self._waiting = self._waiting, []
        return waiting

    async def _run(self, sql: str, params: Params | None) -> Answer:
        if self._waiting or self._begins is not None:
            return (await self._ask([(sql, params or {})]))[0]
        if not params:
            return await self._cursor.execute(sql.encode())
        statement = numbered(sql)
        return await self._cursor.execute(statement.text, statement.values(params))

    async def _ask(self, statements: Sequence[tuple[str, Params]]) -> Sequence[Answer]:
        if not statements:
            return []
        asked = [(numbered(sql), params) for sql, params in statements]
        return await self._send([Step(one.text, one.values(given)) for one, given in asked])

    async def _send(self, steps: Sequence[Step]) -> Sequence[Answer]:
        """Send the steps behind what waits; their answers."""
        begins, self._begins = self._begins, None
        before = [*(begins.steps if begins else ()), *self.take_waiting()]
        answers: list[Answer] = []
        if begins is None:
            await send_together(self._connection, [*before, *steps], answers)
        else:
            with answering(self._connection, begins.lock_wait):
                await send_together(self._connection, [*before, *steps], answers)
            if begins.begun is not None:
                await begins.begun(await answers[len(begins.steps) - 1].fetchone())
        return answers[len(before) :]

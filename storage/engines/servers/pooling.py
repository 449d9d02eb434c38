"""A pooler in front of the server: one server session for each of our connections, or none of it.

Our sessions have settings (`synchronous_commit`, `search_path`, `lock_timeout`), prepared
statements and LISTEN. A pooler that gives a connection another server session with each
transaction would lose all of that, in silence; so it is refused at the start.

- Without a pooler the server's process is the one that its greeting named: nothing is asked.
- Else two connections are compared. The first has ended a transaction, the second holds one: a
  pooler that lends server sessions by transaction gives the second that of the first, or
  the first another one afterwards.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from storage.errors import StoreUnavailable

SHARED = (
    "a pooler in front of PostgreSQL lends its server connections by transaction;"
    " Postroom needs one for each session (pool_mode = session)"
)

_Connection = AsyncConnection[DictRow]


async def require_own_session(
    one: _Connection, process: int, other: AbstractAsyncContextManager[_Connection]
) -> None:
    """Raises StoreUnavailable when `one`, now served by `process`, does not keep its session."""
    if process == one.info.backend_pid:
        return
    async with other as second:
        await second.execute("BEGIN")
        if process == await _process_of(second) or process != await _process_of(one):
            raise StoreUnavailable(SHARED)
        await second.execute("ROLLBACK")


async def _process_of(connection: _Connection) -> int:
    row = await (await connection.execute("SELECT pg_backend_pid() AS process")).fetchone()
    assert row is not None
    return int(row["process"])

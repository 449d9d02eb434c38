"""The cost of a piece of work, told without a clock: it must not depend on the machine.

Rules: work in the store costs steps of its engine, everything else a multiple of plain work that
is done in the same run. Compare costs of one engine only.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar, cast

from storage.database import Database, Tx, Work

T = TypeVar("T")

_STEP = 10
_ROWS = """
    SELECT COALESCE(SUM(COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0)), 0) AS rows
    FROM pg_stat_xact_user_tables
"""


async def steps(database: Database, work: Work[T]) -> tuple[T, int]:
    """Run `work` on a snapshot; its result, and the steps (SQLite) or rows (PostgreSQL) it took."""

    async def counted(tx: Tx) -> tuple[T, int]:
        if tx.dialect["engine"] != "sqlite":
            before = await tx.fetch_one(_ROWS)
            found = await work(tx)
            after = await tx.fetch_one(_ROWS)
            assert before is not None
            assert after is not None
            return found, int(after["rows"] - before["rows"])
        connection = cast(sqlite3.Connection, tx._connection)  # type: ignore[attr-defined]
        taken = 0

        def count() -> int:
            nonlocal taken
            taken += _STEP
            return 0

        connection.set_progress_handler(count, _STEP)
        try:
            return await work(tx), taken
        finally:
            connection.set_progress_handler(None, 0)

    return await database.read(counted)


def is_within(times: float, work: Callable[[], object], plain: float) -> bool:
    """Tell whether the work takes less than so many times `plain`, at the first of three tries."""
    return any(_seconds(work) < times * plain for _ in range(3))


def seconds_of(work: Callable[[], object]) -> float:
    """Return the processor time of `work`, the best of three, to be compared with another's."""
    least = time.get_clock_info("process_time").resolution
    return max(least, min(_seconds(work) for _ in range(3)))


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began

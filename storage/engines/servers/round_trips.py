"""Statements that go to the server together, and whose answers come back together.

- Each round trip to a server in another rack costs more than most statements. So what needs no
  answer of another statement is sent with it, in libpq's pipeline mode.
- The first that fails ends the others: the server passes over all that is behind it, COMMIT too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.errors import PipelineAborted
from psycopg.rows import DictRow

Answer = AsyncCursor[DictRow]


class Step(NamedTuple):
    """A statement and its values, or with `rows` the values of each of its runs."""

    text: bytes
    values: Sequence[object] | None = None
    rows: Sequence[Sequence[object]] = ()
    prepare: bool | None = None


async def send_together(
    connection: AsyncConnection[DictRow], steps: Sequence[Step], answers: list[Answer]
) -> None:
    """Send all steps in one message; each adds its cursor to `answers`.

    Raises the error of the first that failed. The answers before it have come then.
    """
    failed: psycopg.Error | None = None
    try:
        async with connection.pipeline():
            try:
                for step in steps:
                    await _send(connection, step, answers)
            except psycopg.Error as error:  # of one before: what is behind it only says so
                failed = error
    except psycopg.Error as error:
        raise failed or _cause(error) from None
    if failed is not None:
        raise failed


async def _send(connection: AsyncConnection[DictRow], step: Step, answers: list[Answer]) -> None:
    cursor = connection.cursor(binary=True)
    answers.append(cursor)
    if step.rows:
        await cursor.executemany(step.text, step.rows)
    else:
        await cursor.execute(step.text, step.values, prepare=step.prepare)


def _cause(error: psycopg.Error) -> psycopg.Error:
    """The driver raises it while it collects what was passed over because of it."""
    before = error.__context__
    while isinstance(error, PipelineAborted) and isinstance(before, psycopg.Error):
        error, before = before, before.__context__
    return error

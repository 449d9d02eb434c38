"""A store as tables and rows, whichever engine it has: one that is read, one that is filled.

- Rows are tuples of the table's columns, read in the order of its primary key. Both engines order
  octets alike, so a key says how far a table is filled.
- A store that is filled is written around its seal, on one connection: nobody else may write to it.
- Rows come and go `PAGE` at a time, whatever their number.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from storage.database import BesideWrites, Reads

PAGE = 100

Values = tuple[object, ...]
Add = Callable[[Sequence[Values]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its columns in their order, and those of its primary key.

    `types` are those of the columns, where the engine must be told.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    types: tuple[str, ...] = ()


class RowSource(Reads, Protocol):
    """A store that is read as a whole."""

    async def all_tables(self) -> Sequence[Table]:
        """The tables of the store, parents before their children."""
        ...

    def pages(
        self, table: Table, columns: Sequence[str], after: Sequence[object]
    ) -> AsyncGenerator[list[Values], None]:
        """The rows behind this key, all of them when it is empty, in the order of the key."""
        ...


class RowTarget(BesideWrites, Protocol):
    """A store that is filled as a whole. Every call raises StoreUnavailable, StoreFull."""

    async def all_tables(self) -> Sequence[Table]:
        """The tables of the store, parents before their children."""
        ...

    def adding(self, table: Table) -> AbstractAsyncContextManager[Add]:
        """One transaction that adds rows to a table, in the order of its columns."""
        ...

    async def settle(self) -> None:
        """Put all that was written on stable storage, and let the engine learn its statistics."""
        ...

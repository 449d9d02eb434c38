"""Wrappers of a Database, for code that opens its own transactions.

- `JoinedTransaction` is a running transaction: writes through it commit or roll back with it.
- `HookedDatabase` adds work to each writing transaction, before and after the caller's.
- `NotifyingDatabase` sets a wake-up after each write; `of_caller` makes one for a call.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from admin_api.access.credentials import Principal
from storage.database import CountedCommits, SharedDatabase, Tx, Work
from storage.wakeup import WakeUp

T = TypeVar("T")
Step = Callable[[Tx], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class JoinedTransaction:
    """A Database whose every use is part of `tx`."""

    tx: Tx

    async def read(self, work: Work[T]) -> T:
        return await work(self.tx)

    async def read_quick(self, work: Work[T]) -> T:
        return await work(self.tx)

    async def write(self, work: Work[T]) -> T:
        return await work(self.tx)

    def commit_number(self) -> int | None:
        return None

    async def close(self) -> None:
        """Nothing to close: the transaction ends where it began."""


async def _nothing(tx: Tx) -> None:
    pass


@dataclass(frozen=True, slots=True)
class HookedDatabase:
    """A Database that runs `before` and `after` in the transaction of each write."""

    database: CountedCommits
    before: Step = _nothing
    after: Step = _nothing

    def _whole(self, work: Work[T]) -> Work[T]:
        async def run(tx: Tx) -> T:
            await self.before(tx)
            result = await work(tx)
            await self.after(tx)
            return result

        return run

    async def read(self, work: Work[T]) -> T:
        return await self.database.read(work)

    async def read_quick(self, work: Work[T]) -> T:
        return await self.database.read_quick(work)

    async def write(self, work: Work[T]) -> T:
        return await self.database.write(self._whole(work))

    def commit_number(self) -> int | None:
        return self.database.commit_number()

    async def close(self) -> None:
        """Nothing to close: the store belongs to the process."""


@dataclass(frozen=True, slots=True)
class NotifyingDatabase:
    """A Database whose writes set `commits`."""

    database: CountedCommits
    commits: WakeUp

    async def read(self, work: Work[T]) -> T:
        return await self.database.read(work)

    async def read_quick(self, work: Work[T]) -> T:
        return await self.database.read_quick(work)

    async def write(self, work: Work[T]) -> T:
        # Woken only after the commit: before it a reader would see nothing, and sleep again.
        result = await self.database.write(work)
        self.commits.wake()
        return result

    def commit_number(self) -> int | None:
        return self.database.commit_number()

    async def close(self) -> None:
        """Nothing to close: the store belongs to the process."""


def of_caller(
    store: SharedDatabase, commits: WakeUp, principal: Principal, *, of_tenant: bool = False
) -> CountedCommits:
    """Return the store as this caller uses it, shared fairly with the others.

    With `of_tenant` its writes are in the tenant's partition alone.
    """
    share = (principal.tenant.tenant_id, principal.credential_id)
    return NotifyingDatabase(store.for_caller(share, in_partition=of_tenant), commits)

"""Forgets the receipts of confirmed deliveries when no message comes to do it along.

- Each partition of the store has a transaction of its own. Two run at a time, so that other writes
  have connections; of partitions where it failed last, which may wait for a lock again, one. So no
  tenant's trouble delays another's.
- Messages of a partition wait meanwhile: a receipt that is being deleted makes none a retry.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial

from config.logs import event
from gateway.delivery.confirmations import Confirmations
from storage.database import Store
from storage.delivery.retry_receipts import forget_confirmed

logger = logging.getLogger(__name__)

_AT_A_TIME = 2


class Forgetting:
    """The transactions that forget; made and ended within one event loop."""

    def __init__(
        self,
        database: Store,
        confirmations: Confirmations,
        *,
        hold: Callable[[bytes], bool],
        let_go: Callable[[bytes], None],
    ) -> None:
        """`hold` has the messages of a partition wait, unless some are being written: then it
        returns False. `let_go` is the end of that.
        """
        self._database = database
        self._confirmations = confirmations
        self._hold = hold
        self._let_go = let_go
        self._places = asyncio.Semaphore(_AT_A_TIME)
        self._place_in_trouble = asyncio.Semaphore(1)
        self._in_trouble: set[bytes] = set()
        self._running: dict[bytes, asyncio.Task[None]] = {}

    def begin(self) -> None:
        """Begin with each partition that has something to forget and is not at it."""
        for part in self._confirmations.confirmed_in() - self._running.keys():
            task = asyncio.get_running_loop().create_task(self._run(part))
            self._running[part] = task
            task.add_done_callback(lambda _, part=part: self._running.pop(part))  # type: ignore[misc]

    async def end(self) -> None:
        """Wait for those that were begun."""
        await asyncio.gather(*self._running.values())

    async def _run(self, part: bytes) -> None:
        trouble = self._place_in_trouble if part in self._in_trouble else contextlib.nullcontext()
        async with trouble, self._places:
            if not self._hold(part):  # the next batch of messages does it along
                return
            try:
                await self._forget(part)
            finally:
                self._let_go(part)

    async def _forget(self, part: bytes) -> None:
        confirmed = self._confirmations.take_confirmed(part)
        forget = partial(forget_confirmed, confirmed=confirmed, owner=self._confirmations.owner)
        try:
            await self._database.write_in(part, forget)
        except Exception as error:  # tried again with the next batch, or in a second
            self._confirmations.give_back(confirmed, part)
            self._in_trouble.add(part)
            event(logger, "receipts_kept", level=logging.WARNING, cause=repr(error))
        else:
            self._in_trouble.discard(part)

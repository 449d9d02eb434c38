"""The record of attempts under way: what many letters have to say goes into one transaction.

- `dot` and `settle` return when their row is on stable storage, not before.
- While one transaction is being written the next ones gather: with eight connections a commit is
  shared by up to eight letters. While mail streams in they gather for some milliseconds more, as
  each commit of ours is one that mail waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from gateway.background import streams_in
from storage.clock import Clock
from storage.database import AcrossWrites, Tx
from storage.outbound import sending_queue
from storage.outbound.sending_queue import RecipientOutcome, SendingClaim
from storage.wakeup import WakeUp

_GATHER_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class _Entry:
    """A dot, or with `outcomes` the end of an attempt."""

    claimed: SendingClaim
    outcomes: Sequence[RecipientOutcome] | None
    done: asyncio.Future[bool]


class Recording:
    """Records for the letters that `owner` has claimed; `commits` is set for each one of mail."""

    def __init__(
        self, database: AcrossWrites, commits: WakeUp, clock: Clock, owner: bytes, *, ask: bool
    ) -> None:
        self._database = database
        self._commits = commits
        self._clock = clock
        self._owner = owner
        self._ask = ask
        self._waiting: list[_Entry] = []
        self._writing: asyncio.Task[None] | None = None

    async def dot(self, claimed: SendingClaim) -> bool:
        """Record that the dot follows; False when the letter is not ours any more."""
        return await self._add(claimed, None)

    async def settle(self, claimed: SendingClaim, outcomes: Sequence[RecipientOutcome]) -> bool:
        """Record the outcome for each recipient, in the order of the claim."""
        return await self._add(claimed, outcomes)

    async def _add(
        self, claimed: SendingClaim, outcomes: Sequence[RecipientOutcome] | None
    ) -> bool:
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(claimed, outcomes, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await done

    async def _write(self) -> None:
        while self._waiting:
            if streams_in(self._commits):
                await asyncio.sleep(_GATHER_SECONDS)
            entries, self._waiting = self._waiting, []
            try:
                work = partial(self._all, entries=entries)
                found = await self._database.write_across(work, quick=True)
            except BaseException as error:
                for entry in entries:
                    if not entry.done.done():
                        entry.done.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for entry, ours in zip(entries, found, strict=True):
                if not entry.done.done():
                    entry.done.set_result(ours)

    async def _all(self, tx: Tx, entries: Sequence[_Entry]) -> list[bool]:
        now = self._clock()
        return [await self._one(tx, entry, now) for entry in entries]

    async def _one(self, tx: Tx, entry: _Entry, now: int) -> bool:
        claimed = entry.claimed
        if entry.outcomes is None:
            return await sending_queue.note_dot(tx, claimed, owner=self._owner, now=now)
        places = (position for position, _ in claimed.recipients)
        return await sending_queue.note_outcome(
            tx,
            claimed,
            dict(zip(places, entry.outcomes, strict=True)),
            owner=self._owner,
            now=now,
            ask=self._ask,
        )

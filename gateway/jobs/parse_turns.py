"""Whose messages are parsed next: those that fail must not delay those that do not.

- Messages that nobody has tried come first, but for those of a tenant in trouble: one of whose
  messages failed within the last minute.
- The others have a turn when nothing else waits, and every ten seconds at least: messages that are
  to be tried again, and those of the tenants in trouble, one tenant after the other.
- Of a tenant in trouble new messages and those that were tried have a turn alternately.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from storage.database import Tx
from storage.mailbox.parse_queue import Wanted, first_waiting

TROUBLE_SECONDS = 60.0
LATE_SECONDS = 10.0
_MOST_IN_TROUBLE = 100


class Turn(NamedTuple):
    """Messages to claim, and a tenant that has some. `is_late`: one of the others' turns."""

    wanted: Wanted
    tenant_id: bytes
    is_late: bool


class ParseTurns:
    """The turns of one parsing job. `ticks` tells seconds."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._failed: dict[bytes, float] = {}
        self._had_turns: set[bytes] = set()
        self._late_turns = 0
        self._last_late = ticks()

    def failed(self, tenant_id: bytes) -> None:
        """Record that a message of this tenant has failed."""
        self._failed.pop(tenant_id, None)  # the dictionary is in order of the last failure
        self._failed[tenant_id] = self._ticks()
        if len(self._failed) > _MOST_IN_TROUBLE:
            del self._failed[next(iter(self._failed))]

    def first(self) -> Wanted | None:
        """Return the claim that comes first; None when the others have waited long enough."""
        if self._ticks() - self._last_late > LATE_SECONDS:
            return None
        return Wanted(but=self._in_trouble())

    async def next(self, tx: Tx, *, now: int) -> Turn | None:
        """Find whose turn it is; None when nothing waits."""
        first = self.first()
        if first is not None and (found := await first_waiting(tx, [first], now=now)) is not None:
            return Turn(*found, is_late=False)
        usual = Wanted(but=self._in_trouble())
        found = await first_waiting(tx, [*self._others(), usual], now=now)
        return None if found is None else Turn(*found, is_late=True)

    def took(self, turn: Turn) -> Turn:
        """Record that this turn is taken; what may be claimed in it."""
        if not turn.is_late:
            return turn
        self._last_late = self._ticks()
        self._late_turns += 1
        if turn.tenant_id not in self._in_trouble():
            return turn
        if turn.tenant_id in self._had_turns:  # all the others had theirs
            self._had_turns.clear()
        self._had_turns.add(turn.tenant_id)
        return turn._replace(wanted=turn.wanted._replace(only=(turn.tenant_id,), but=()))

    def _others(self) -> Iterator[Wanted]:
        """Give the claims of a late turn: the first that finds a message counts."""
        in_trouble = self._in_trouble()
        wanted = [*self._of_those_in_trouble(in_trouble)]
        well = Wanted(again=True, but=in_trouble)
        yield from [well, *wanted] if self._late_turns % 2 else [*wanted, well]

    def _of_those_in_trouble(self, in_trouble: tuple[bytes, ...]) -> Iterator[Wanted]:
        waiting = tuple(one for one in in_trouble if one not in self._had_turns)
        again = self._late_turns % 4 >= 2  # of every two turns those that are well have one
        for some in (waiting, in_trouble):
            if some:
                yield Wanted(again=again, only=some)
                yield Wanted(again=not again, only=some)

    def _in_trouble(self) -> tuple[bytes, ...]:
        now = self._ticks()
        return tuple(one for one, failed in self._failed.items() if now - failed < TROUBLE_SECONDS)

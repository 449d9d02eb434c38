"""The sending job: letters that are due are claimed and handed to the smarthost, until the end.

- A letter is claimed, which is committed, before it is sent anywhere; the record of its dot is
  committed before the dot; the outcome after the reply (`storage.outbound.sending_queue`).
- One place for each connection that the settings allow. A connection that was used stays open for
  two seconds, for the next letter.
- A smarthost that cannot be reached, or says 421, is left alone for a while; no letter is to blame,
  and none counts a failure for it (`host_health`).
- A letter in whose middle the connection is lost waits like after a temporary refusal: else one
  that always ends the connection would hold up all others.
- A record that the store does not take now is offered again until it does: a 250 that was heard is
  forgotten only with the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial

from config.logs import event
from gateway.background import keep_on
from gateway.outbound.host_health import HostHealth
from gateway.outbound.recording import Recording
from gateway.outbound.smarthost import (
    Connection,
    HostFailed,
    Lost,
    OutgoingLetter,
    Result,
    SignInRefused,
    Smarthost,
    connect,
)
from storage.clock import SECOND, Clock
from storage.content.message_bytes import ContentDamaged, ContentDirectory
from storage.database import Database, Tx
from storage.errors import StoreUnavailable
from storage.ids import to_text
from storage.outbound import sending_queue
from storage.outbound.sending_queue import RecipientOutcome, SendingClaim
from storage.wakeup import WakeUp, woken_within

logger = logging.getLogger("postroom.sending")

_POLL_SECONDS = 1.0
_AWAY_SECONDS = 2.0
_IDLE_SECONDS = 2.0
_RENEW_SECONDS = 15.0
_STOP_SECONDS = 5.0
_EXPIRED_AT_ONCE = 100


class Sending:
    """The sending job of this process; set `wake` when a letter may be due."""

    def __init__(
        self,
        database: Database,
        contents: ContentDirectory,
        commits: WakeUp,
        clock: Clock,
        smarthost: Smarthost,
        *,
        connections: int,
        ask: bool,
    ) -> None:
        self.wake = WakeUp()
        self.health = HostHealth()
        self._database = database
        self._contents = contents
        self._commits = commits
        self._clock = clock
        self._smarthost = smarthost
        self._places = connections
        self._ask = ask
        self._owner = os.urandom(16)
        self._record = Recording(database, clock, self._owner, ask=ask)
        self._under_way: dict[asyncio.Task[None], SendingClaim] = {}
        self._idle: list[tuple[float, Connection]] = []
        self._renewed = time.monotonic()

    async def run(self) -> None:
        """Send what is due, and whatever comes to be, until cancelled."""
        try:
            await keep_on(self._round, logger, job="sending")
        finally:
            await self._stop()

    async def _round(self) -> None:
        woken = self.wake.wait_next()
        await woken_within(woken, await self._turn())

    async def _turn(self) -> float:
        """Claim what is due and begin to send it; how long there is nothing to do then."""
        self._close_idle()
        await self._renew()
        due = await self._database.read_quick(sending_queue.next_due)
        now = self._clock()
        if due is None or due > now:
            return _POLL_SECONDS if due is None else min(_POLL_SECONDS, (due - now) / SECOND)
        if self.health.wait:
            await self._database.write(partial(_expire_all, now=now))
            return min(_POLL_SECONDS, self.health.wait)
        places = 1 if self.health.failures else self._places
        room = places - len(self._under_way)
        if room > 0:
            for one in await self._claim(room, now):
                task = asyncio.create_task(self._send(one))
                self._under_way[task] = one
                task.add_done_callback(self._ended)
            self._commits.wake()
        return _POLL_SECONDS

    async def _claim(self, room: int, now: int) -> list[SendingClaim]:
        async def work(tx: Tx) -> tuple[list[bytes], list[bytes], list[SendingClaim]]:
            found = await sending_queue.recover(tx, ask=self._ask, now=now, mine=self._owner)
            claims = await sending_queue.claim(
                tx, owner=self._owner, limit=room, now=now, ask=self._ask
            )
            return *found, claims

        again, unknown, claims = await self._database.write(work)
        for name, found in (("letter_waits_again", again), ("letter_unknown", unknown)):
            for message_id in found:
                event(logger, name, level=logging.WARNING, message=to_text("msg", message_id))
        return claims

    async def _renew(self) -> None:
        if time.monotonic() - self._renewed < _RENEW_SECONDS or not self._under_way:
            return
        claims, now = [*self._under_way.values()], self._clock()
        await self._database.write(
            lambda tx: sending_queue.renew(tx, claims, owner=self._owner, now=now)
        )
        self._renewed = time.monotonic()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        self.wake.set()

    async def _send(self, claimed: SendingClaim) -> None:
        began = time.monotonic()
        try:
            result = await self._attempt(claimed)
        except HostFailed as error:
            self.health.failed(str(error))
            await self._give_back(claimed)
            return
        except SignInRefused as error:
            self.health.refused(str(error))
            await self._give_back(claimed)
            return
        except StoreUnavailable as error:
            event(logger, "sending_waits", level=logging.WARNING, cause=repr(error))
            await self._give_back(claimed)
            return
        except ContentDamaged:
            logger.exception("letter_damaged")
            result = _same(claimed, RecipientOutcome("failed", None, None, _DAMAGED))
        except Exception as error:  # Lost, and faults of ours: before the dot both
            if not isinstance(error, Lost):
                logger.exception("letter_fault")
            result = _same(claimed, RecipientOutcome("waiting", None, None, str(error)))
        if result is None:
            return  # the lease was lost: the letter is another process's
        if result.is_busy:
            self.health.failed("421")
        ours = await self._until_stored(lambda: self._record.settle(claimed, result.outcomes))
        _log(claimed, result, ours, began)
        self._commits.wake()

    async def _attempt(self, claimed: SendingClaim) -> Result | None:
        """Hand the letter over, by an open connection or a new one. Raises before the dot only."""
        while self._idle:
            connection = self._idle.pop()[1]
            if connection.is_open:
                try:
                    return await self._send_over(connection, claimed)
                except HostFailed:
                    break  # it took enough letters, or closed meanwhile
        return await self._send_over(await connect(self._smarthost), claimed)

    async def _send_over(self, connection: Connection, claimed: SendingClaim) -> Result | None:
        usable = False
        try:
            letter = self._letter(claimed)
            result = await connection.send(letter, lambda: self._record.dot(claimed))
            usable = result is not None and result.may_go_on and connection.is_open
            if result is not None and not result.is_busy:
                self.health.well()
            return result
        finally:
            if usable:
                self._idle.append((time.monotonic(), connection))
            else:
                connection.abort()

    def _letter(self, claimed: SendingClaim) -> OutgoingLetter:
        def chunks() -> AsyncGenerator[bytes, None]:
            return self._contents.chunks(claimed.content)

        return OutgoingLetter(
            to_text("msg", claimed.message_id),
            claimed.from_email,
            [email for _, email in claimed.recipients],
            claimed.content.size,
            chunks,
        )

    async def _give_back(self, claimed: SendingClaim) -> None:
        """Let it wait as if it had not been claimed; the host's health says until when."""

        async def release() -> bool:
            now = self._clock()
            await self._database.write(
                lambda tx: sending_queue.release(
                    tx, [claimed], owner=self._owner, due_at=now, now=now
                )
            )
            return True

        await self._until_stored(release)

    async def _until_stored(self, record: Callable[[], Awaitable[bool]]) -> bool:
        while True:
            try:
                return await record()
            except StoreUnavailable as error:
                event(logger, "sending_waits", level=logging.WARNING, cause=repr(error))
                await asyncio.sleep(_AWAY_SECONDS)

    def _close_idle(self) -> None:
        now = time.monotonic()
        for since, connection in [*self._idle]:
            if now - since > _IDLE_SECONDS or not connection.is_open:
                self._idle.remove((since, connection))
                connection.abort()

    async def _stop(self) -> None:
        """Let letters under way end, for a moment; give back what was not begun."""
        tasks = dict(self._under_way)
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        left = {task: one for task, one in tasks.items() if not task.done()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for _, connection in self._idle:
            connection.abort()
        if not left:
            return
        now, claims = self._clock(), [*left.values()]
        try:
            await self._database.write(
                lambda tx: sending_queue.release(tx, claims, owner=self._owner, due_at=now, now=now)
            )
        except StoreUnavailable as error:  # the leases run out
            event(logger, "sending_waits", level=logging.WARNING, cause=repr(error))


_DAMAGED = "What is stored of this letter is damaged."


async def _expire_all(tx: Tx, *, now: int) -> None:
    await sending_queue.expire(tx, limit=_EXPIRED_AT_ONCE, now=now, untried=True)


def _same(claimed: SendingClaim, outcome: RecipientOutcome) -> Result:
    return Result([outcome for _ in claimed.recipients], False)


def _log(claimed: SendingClaim, result: Result, ours: bool, began: float) -> None:
    states: dict[str, int] = dict(Counter(str(one.state) for one in result.outcomes))
    event(
        logger,
        "letter" if ours else "letter_lost",
        message=to_text("msg", claimed.message_id),
        attempt=claimed.attempt,
        **states,
        cause=_cause(result.outcomes),
        ms=round((time.monotonic() - began) * 1000),
    )


def _cause(outcomes: Sequence[RecipientOutcome]) -> str | None:
    bad = (one for one in outcomes if one.state != "accepted")
    return next((f"{one.code or ''} {one.diagnostic or ''}".strip() for one in bad), None)

"""The sending job: letters that are due are claimed and handed to a smarthost, until the end.

- A letter is claimed, which is committed, before it is sent anywhere; the record of its dot is
  committed before the dot; the outcome after the reply (`storage.outbound.sending_queue`).
- Each smarthost has a lane: the setting's, and those of domains that have their own (`lane`).
- While mail streams in, letters leave mail the processor and the writer (`pace`).
- A smarthost that cannot be reached, or says 421, is left alone for a while; no letter is to blame,
  and none counts a failure for it (`host_health`).
- A letter in whose middle the connection is lost waits like after a temporary refusal: else one
  that always ends the connection would hold up all others.
- A record that the store does not take now is offered again until it does: a 250 that was heard is
  forgotten only with the process.
- The leases of a process that died in this data directory are ended at the start (`sender_name`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from config.logs import event
from gateway.background import keep_on
from gateway.outbound.lane import GATHER_SECONDS, Lane
from gateway.outbound.pace import Pace
from gateway.outbound.recording import Recording
from gateway.outbound.sender_name import SenderName
from gateway.outbound.smarthost import (
    Connection,
    HostFailed,
    Lost,
    OutgoingLetter,
    Result,
    SignInRefused,
    Smarthost,
)
from storage.clock import SECOND, Clock
from storage.content.message_bytes import ContentDamaged, ContentDirectory
from storage.database import AcrossWrites, Tx
from storage.errors import StoreUnavailable
from storage.ids import to_text
from storage.outbound import sending_queue
from storage.outbound.domain_smarthosts import DomainSmarthost, Via, list_smarthosts
from storage.outbound.sending_queue import RecipientOutcome, SendingClaim
from storage.wakeup import WakeUp, woken_within

logger = logging.getLogger("postroom.sending")

_POLL_SECONDS = 1.0
_AWAY_SECONDS = 2.0
_RENEW_SECONDS = 15.0
_STOP_SECONDS = 5.0
_EXPIRED_AT_ONCE = 100


class Sending:
    """The sending job of this process; set `wake` when a letter may be due.

    `smarthost` is the setting's; `own` makes that of a domain. `names` is the directory of the
    names of senders (`sender_name`); `verp`: reports come to a token of each letter.
    """

    def __init__(
        self,
        database: AcrossWrites,
        contents: ContentDirectory,
        commits: WakeUp,
        clock: Clock,
        smarthost: Smarthost | None,
        *,
        connections: int,
        ask: bool,
        verp: bool = True,
        own: Callable[[DomainSmarthost], Smarthost] | None = None,
        names: Path | None = None,
        wake: WakeUp | None = None,
    ) -> None:
        self.wake = wake or WakeUp()
        self._database = database
        self._contents = contents
        self._commits = commits
        self._clock = clock
        self._connections = connections
        self._ask = ask
        self._verp = verp
        self._own = own
        self._lanes: dict[Via, Lane] = {}
        if smarthost is not None:
            self._lanes["setting"] = Lane("setting", lambda: smarthost, connections=connections)
        self._name = SenderName(names)
        self._has_begun = False
        self._record = Recording(database, commits, clock, self._name.raw, ask=ask)
        self._pace = Pace(commits)
        self._renewed = time.monotonic()
        self._looked = float("-inf")

    @property
    def lanes(self) -> list[Lane]:
        """One for each smarthost, the setting's first."""
        return [*self._lanes.values()]

    @property
    def paused(self) -> str | None:
        """The reason of a refused sign-in, where a smarthost refuses it; else None."""
        return next((one.health.paused for one in self.lanes if one.health.paused), None)

    def largest(self, via: Via) -> int | None:
        """The most octets of a letter that this smarthost takes, as far as it said."""
        return self._lanes[via].largest if via in self._lanes else None

    async def run(self) -> None:
        """Send what is due, and whatever comes to be, until cancelled."""
        try:
            await keep_on(self._round, logger, job="sending")
        finally:
            await self._stop()

    async def _round(self) -> None:
        woken = self.wake.wait_next()
        if not self._has_begun:
            await self._take_over()
        await woken_within(woken, await self._turn())

    async def _take_over(self) -> None:
        """End the leases of processes that died here; without a directory they run out."""
        try:
            await asyncio.to_thread(self._name.lock)
            dead = await asyncio.to_thread(self._name.dead)
        except OSError as error:
            event(logger, "sender_name_failed", level=logging.WARNING, cause=repr(error))
            dead = []
        if dead:
            now = self._clock()
            _tell(
                await self._database.write_across(
                    lambda tx: sending_queue.recover(tx, ask=self._ask, now=now, dead=dead)
                )
            )
            await asyncio.to_thread(self._name.forget, dead)
        self._has_begun = True

    async def _turn(self) -> float:
        """Claim what is due and begin to send it; how long there is nothing to do then."""
        for lane in self.lanes:
            lane.close_idle()
        await self._renew()
        if rest := self._pace.wait or self._full_for():
            return rest
        self._looked = time.monotonic()
        due, hosts = await self._database.read_quick(_look)
        self._open_lanes(hosts)
        now = self._clock()
        if due is None or due > now:
            return _POLL_SECONDS if due is None else min(_POLL_SECONDS, (due - now) / SECOND)
        pause = _POLL_SECONDS
        for lane in self.lanes:
            # One smarthost for all letters: then there is nothing to tell them apart by.
            via = lane.via if hosts else "any"
            if lane.health.wait:
                expired = partial(_expire_all, now=now, via=via)
                await self._database.write_across(expired)
                pause = min(pause, lane.health.wait)
            elif lane.is_to_fill:
                await self._fill(lane, via, now)
            elif lane.room > 0:
                pause = min(pause, GATHER_SECONDS)
        if "setting" not in self._lanes:
            await self._database.write_across(partial(_expire_all, now=now, via="setting"))
        return pause

    def _full_for(self) -> float:
        """Seconds for which no lane takes a letter; 0 when the store is to be asked."""
        # Each letter that ends wakes this job: most times there is no place for as many as share
        # a commit, and nothing to ask.
        is_old = time.monotonic() - self._looked >= _POLL_SECONDS
        if is_old or any(lane.is_to_fill or lane.health.wait for lane in self.lanes):
            return 0.0
        has_room = any(lane.room > 0 for lane in self.lanes)
        return GATHER_SECONDS if has_room else _POLL_SECONDS

    def _open_lanes(self, hosts: Sequence[DomainSmarthost]) -> None:
        """Have a lane for each smarthost of a domain; close the empty ones of the others."""
        own = self._own
        if own is None:
            return
        for via in hosts:
            if via not in self._lanes:
                self._lanes[via] = Lane(via, partial(own, via), connections=self._connections)
        for lane in self.lanes:
            if lane.via != "setting" and lane.via not in hosts and not lane.under_way:
                lane.close_idle(all_of_them=True)
                del self._lanes[lane.via]

    async def _fill(self, lane: Lane, via: Via, now: int) -> None:
        lane.note_filled()
        claims = await self._claim(lane.room, via, now)
        self._pace.note(len(claims))
        for one in claims:
            task = asyncio.create_task(self._send(lane, one))
            lane.under_way[task] = one
            task.add_done_callback(partial(self._ended, lane))
        self._commits.wake()

    async def _claim(self, room: int, via: Via, now: int) -> list[SendingClaim]:
        owner = self._name.raw
        # Not all of our own leases: of a claim that was committed while its answer was lost nobody
        # here knows.
        here = [one.message_id for lane in self.lanes for one in lane.under_way.values()]

        async def work(tx: Tx) -> tuple[sending_queue.Recovered, list[SendingClaim]]:
            found = await sending_queue.recover(tx, ask=self._ask, now=now, but=here)
            claims = await sending_queue.claim(
                tx, owner=owner, limit=room, now=now, ask=self._ask, via=via
            )
            return found, claims

        found, claims = await self._database.write_across(work)
        _tell(found)
        return claims

    async def _renew(self) -> None:
        claims = [one for lane in self.lanes for one in lane.under_way.values()]
        if time.monotonic() - self._renewed < _RENEW_SECONDS or not claims:
            return
        now, owner = self._clock(), self._name.raw
        await self._database.write_across(
            lambda tx: sending_queue.renew(tx, claims, owner=owner, now=now)
        )
        self._renewed = time.monotonic()

    def _ended(self, lane: Lane, task: asyncio.Task[None]) -> None:
        lane.under_way.pop(task, None)
        self.wake.set()

    async def _send(self, lane: Lane, claimed: SendingClaim) -> None:
        began = time.monotonic()
        try:
            result = await self._attempt(lane, claimed)
        except HostFailed as error:
            lane.health.failed(str(error))
            await self._give_back(claimed)
            return
        except SignInRefused as error:
            lane.health.refused(str(error))
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
            # The lease ran out: another process may have the letter, and then this does nothing.
            # Otherwise nobody here would end a lease of our own, and the letter would stay.
            await self._give_back(claimed)
            return
        if result.is_busy:
            lane.health.failed("421")
        ours = await self._until_stored(lambda: self._record.settle(claimed, result.outcomes))
        _log(claimed, result, ours, began)
        if self._ask and any(one.state == "unknown" for one in result.outcomes):
            self._commits.wake()  # its author has a task

    async def _attempt(self, lane: Lane, claimed: SendingClaim) -> Result | None:
        """Hand the letter over, by an open connection or a new one. Raises before the dot only."""
        connection = lane.take_idle()
        if connection is not None:
            try:
                return await self._send_over(lane, connection, claimed)
            except HostFailed:
                pass  # it took enough letters, or closed meanwhile
        return await self._send_over(lane, await lane.connect(), claimed)

    async def _send_over(
        self, lane: Lane, connection: Connection, claimed: SendingClaim
    ) -> Result | None:
        usable = False
        try:
            letter = self._letter(claimed)
            result = await connection.send(letter, lambda: self._record.dot(claimed))
            usable = result is not None and result.may_go_on and connection.is_open
            if result is not None and not result.is_busy:
                lane.health.well()
            return result
        finally:
            if usable:
                lane.put_back(connection)
            else:
                connection.abort()

    def _letter(self, claimed: SendingClaim) -> OutgoingLetter:
        def chunks() -> AsyncGenerator[bytes, None]:
            return self._contents.chunks(claimed.content)

        return OutgoingLetter(
            claimed.bounce_token or to_text("msg", claimed.message_id),
            claimed.reverse_path(verp=self._verp),
            [email for _, email in claimed.recipients],
            claimed.content.size,
            chunks,
        )

    async def _give_back(self, claimed: SendingClaim) -> None:
        """Let it wait as if it had not been claimed; the host's health says until when."""
        owner = self._name.raw

        async def release() -> bool:
            now = self._clock()
            await self._database.write_across(
                lambda tx: sending_queue.release(tx, [claimed], owner=owner, due_at=now, now=now)
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

    async def _stop(self) -> None:
        """Let letters under way end, for a moment; give back what was not begun."""
        tasks = dict(chain.from_iterable(lane.under_way.items() for lane in self.lanes))
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        left = {task: one for task, one in tasks.items() if not task.done()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for lane in self.lanes:
            lane.close_idle(all_of_them=True)
        now, claims, owner = self._clock(), [*left.values()], self._name.raw
        try:
            if claims:
                await self._database.write_across(
                    lambda tx: sending_queue.release(tx, claims, owner=owner, due_at=now, now=now)
                )
        except StoreUnavailable as error:  # the leases run out
            event(logger, "sending_waits", level=logging.WARNING, cause=repr(error))
            return
        if not claims:  # of a letter whose dot is on record the lease stays, and the name with it
            self._name.release()


_DAMAGED = "What is stored of this letter is damaged."


async def _look(tx: Tx) -> tuple[int | None, list[DomainSmarthost]]:
    """Return when a letter is due, and the smarthosts of domains."""
    return await sending_queue.next_due(tx), await list_smarthosts(tx)


async def _expire_all(tx: Tx, *, now: int, via: Via) -> None:
    await sending_queue.expire(tx, limit=_EXPIRED_AT_ONCE, now=now, untried=True, via=via)


def _tell(found: sending_queue.Recovered) -> None:
    for name, message_ids in zip(("letter_waits_again", "letter_unknown"), found, strict=True):
        for message_id in message_ids:
            event(logger, name, level=logging.WARNING, message=to_text("msg", message_id))


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

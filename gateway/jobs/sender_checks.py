"""The job that checks who wrote each message, after its commit.

- At most 16 messages are under way, claimed in the order of their arrival; one whose DNS is slow
  holds up no other. Nobody waits for a check.
- While mail streams in and the process is busy with it, checks take a small share of its time; a
  backlog is checked afterwards. Otherwise a message is checked as soon as it is stored.
- Every claim ends in a result: the check has 40 seconds, and a fault of ours is `unknown`, tried
  again as a temporary error is. A claim whose process died is claimed again when its lease ends,
  by whichever gateway of the store comes first.
- One transaction stores what is finished and claims the next messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial

import orjson

from config.logs import event
from config.settings import Settings
from gateway.authentication.result import Arc, Authentication, Dmarc, Hop, Spf
from gateway.background import LoopUse, keep_on, leave_to_mail, parted, streams_in
from gateway.jobs.sender_check import SenderCheck, Sent, with_override
from gateway.parser.process import ParserUnavailable
from gateway.transport.networks import is_exempt
from storage.authentication import check_queue, results
from storage.authentication.check_queue import CheckClaim
from storage.authentication.results import CheckResult
from storage.clock import Clock
from storage.content.message_bytes import ContentDirectory
from storage.database import PartitionWrites, Tx
from storage.errors import StoreUnavailable
from storage.ids import to_text
from storage.wakeup import WakeUp, woken_within

logger = logging.getLogger("postroom.authentication")

IN_FLIGHT = 16
_POLL_SECONDS = 10.0
_COMPANY_SECONDS = 0.01

# A check's share of the time: its usual cost, and how many parts are left alone for one.
_COST_SECONDS = 0.005
_BUSY = 0.3
_LEFT_ALONE_BUSY = 66
_LEFT_ALONE = 3
_FEW = 2
_LONGEST_PAUSE = 2.0


class SenderChecks:
    """The checking task of this process."""

    def __init__(
        self,
        database: PartitionWrites,
        contents: ContentDirectory,
        commits: WakeUp,
        clock: Clock,
        *,
        settings: Settings,
        sender_check: SenderCheck,
        counts: Counter[str],
    ) -> None:
        """`counts` gets the results, by verdict."""
        self._counts = counts
        self._settings = settings
        self._database = database
        self._contents = contents
        self._commits = commits
        self._clock = clock
        self._sender_check = sender_check
        self._running: dict[asyncio.Task[CheckResult], CheckClaim] = {}
        self._use = LoopUse()

    async def run(self) -> None:
        """Check present and future messages, until cancelled."""
        try:
            await keep_on(self._round, logger, job="checking", away=(StoreUnavailable,))
        finally:
            await self._stop()

    async def _round(self) -> None:
        woken = self._commits.wait_next()
        finished = self._take_finished()
        now = self._clock()
        waiting = await self._database.read(
            lambda tx: check_queue.find_waiting(tx, now=now, limit=IN_FLIGHT)
        )
        begun = await self._keep_and_begin(finished, waiting.due)
        behind = waiting.behind
        if behind is not None:
            pass_over = partial(check_queue.pass_over_old, part=behind, now=now)
            await self._database.write_in(behind, pass_over)
        if streams_in(self._commits):
            await leave_to_mail(self._commits, self._pause(max(begun, len(finished))))
        if not (begun and self._room()) and behind is None:
            await self._wait(woken)

    def _room(self) -> int:
        most = _FEW if streams_in(self._commits) else IN_FLIGHT
        return max(0, min(most, IN_FLIGHT - len(self._running)))

    def _pause(self, checks: int) -> float:
        """Return how long to leave the process alone after so many checks."""
        alone = _LEFT_ALONE_BUSY if self._use.share() > _BUSY else _LEFT_ALONE
        return min(checks * _COST_SECONDS * alone, _LONGEST_PAUSE)

    async def _wait(self, woken: asyncio.Future[None]) -> None:
        """Wait for a check to end, or for mail where there is room for it."""
        if not self._running:
            await woken_within(woken, _POLL_SECONDS)
            return
        waited: set[asyncio.Future[object]] = {*self._running}  # type: ignore[arg-type]
        if self._room():
            waited.add(woken)  # type: ignore[arg-type]
        await asyncio.wait(waited, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if len(self._running) > 1:  # those that began together end together: one transaction
            await asyncio.sleep(_COMPANY_SECONDS)

    def _take_finished(self) -> list[CheckResult]:
        done = [task for task in self._running if task.done()]
        for task in done:
            del self._running[task]
        return [task.result() for task in done]

    async def _keep_and_begin(self, finished: Sequence[CheckResult], due: Sequence[bytes]) -> int:
        """Store results, claim messages and begin to check them; how many."""
        room, claimed = self._room(), dict[bytes, int]()
        results_of = parted(self._database, finished, lambda one: one.claim.tenant_id)
        for part in dict.fromkeys([*results_of, *due]):
            # Each has its share, so that one with many messages keeps no other waiting.
            share = max(1, room // len(due)) if part in due else 0
            left = min(share, room - len(claimed))
            kept = results_of.get(part, ())
            if kept or left > 0:
                claimed |= await self._keep_and_claim(part, kept, left)
        if finished:
            self._commits.wake()  # streams and webhooks have an event to tell
        if not claimed:
            return 0
        claims = await self._database.read(lambda tx: check_queue.load(tx, claimed))
        for claim in claims:
            self._running[asyncio.create_task(self._check(claim))] = claim
        return len(claimed)

    async def _keep_and_claim(
        self, part: bytes, kept: Sequence[CheckResult], left: int
    ) -> dict[bytes, int]:
        """Store results of a partition and claim messages of it, in one transaction."""
        now = self._clock()

        async def work(tx: Tx) -> dict[bytes, int]:
            await results.keep(tx, kept, now=now)
            if left <= 0:
                return {}
            return await check_queue.claim(tx, part=part, limit=left, now=now)

        # Beside mail there are few: for as many as this a thread would keep the writer for longer.
        is_short = len(kept) + max(left, 0) <= 2 * _FEW
        claimed = await self._database.write_in(part, work, quick=is_short)
        self._counts.update(one.verdict for one in kept)
        return claimed

    async def _check(self, claim: CheckClaim) -> CheckResult:
        """Check one message; whatever goes wrong is a result."""
        began = time.monotonic()
        try:
            checked = await self._sender_check.check(self._sent(claim), now=self._clock())
            found, temporary = checked.authentication, checked.temporary
        except Exception as error:  # a fault of ours; the next message is another's
            away = isinstance(error, ParserUnavailable | StoreUnavailable)
            level = logging.WARNING if away else logging.ERROR
            event(
                logger,
                "check_failed",
                level=level,
                message=to_text("msg", claim.message_id),
                cause=repr(error),
            )
            found, temporary = _FAULT, True
        found = with_override(found, claim.override)
        _tell(claim, found, time.monotonic() - began)
        return CheckResult(claim, found.verdict, orjson.dumps(found.as_record()), temporary)

    def _sent(self, claim: CheckClaim) -> Sent:
        return stored_message(claim, self._settings, self._contents)

    async def _stop(self) -> None:
        """End the checks under way, and release their claims for the next process."""
        running, self._running = self._running, {}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._sender_check.close()
        now = self._clock()
        with contextlib.suppress(StoreUnavailable):
            claims = parted(self._database, running.values(), lambda one: one.tenant_id)
            for part, some in claims.items():
                release = partial(check_queue.release, claims=some, now=now)
                await self._database.write_in(part, release)


def stored_message(claim: CheckClaim, settings: Settings, contents: ContentDirectory) -> Sent:
    """Return a claimed message as it is checked."""
    content, behind = claim.content, claim.behind_relay
    if behind is None:  # from before it was recorded
        behind = is_exempt(settings, claim.client_ip)
    return Sent(
        content.body,
        content.size,
        Hop(claim.client_ip or None, claim.helo, claim.reverse_path, behind),
        is_relayed=behind or claim.named_by == "xforward",
        at_hand=partial(contents.at_hand, content),
    )


_FAULT = Authentication(
    verdict="unknown",
    source="computed",
    from_domain=None,
    override=None,
    spf=Spf("none", "mailfrom", None, reason="fault"),
    dkim=(),
    dmarc=Dmarc("none", reason="fault"),
    arc=Arc("none"),
)


def _tell(claim: CheckClaim, found: Authentication, seconds: float) -> None:
    event(
        logger,
        "checked",
        message=to_text("msg", claim.message_id),
        verdict=found.verdict,
        author=found.from_domain or "",
        spf=found.spf.result,
        dkim=[one.result for one in found.dkim],
        dmarc=found.dmarc.result,
        arc=found.arc.result,
        tries=claim.tries,
        ms=round(seconds * 1000, 1),
    )

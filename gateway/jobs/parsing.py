"""The parsing job: claims waiting messages, has them parsed, stores the results.

- While mail streams in, parsing takes a small share of the time (`gateway.background`); a backlog
  is parsed afterwards. Nobody waits for it.
- Parsing a long content takes a few times its size in memory: while other messages arrive, which
  take memory as well, it waits for some seconds.
- A batch is of one partition of the store (`storage.cursors`): on PostgreSQL of one tenant, and no
  other tenant's writers wait for it.
- One transaction stores the results of a batch and claims the next one, if that is of the same
  partition.
- A message that fails is tried again later, from the third attempt on without its HTML, and five
  times in all; it takes no other message with it, neither in the parser nor in the store.
- A batch ends with a message that fails, or cannot be read now, and those behind it are given back:
  whose turn it is then, `gateway.jobs.parse_turns` says.
- The claims of a gateway that died are parsed within a minute: they expire after 40 s, more than a
  batch takes, and every 10 seconds each gateway looks.
- A report about a letter is recorded at the letter with the result (`storage.outbound.bounces`).
- The parser's process is started for the first message and ended when there was none for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from config.logs import event
from gateway.background import LEFT_ALONE, keep_on, leave_to_mail
from gateway.jobs.fetching import fetch_some, left_to_others
from gateway.jobs.parse_turns import ParseTurns
from gateway.parser.ipc import Request
from gateway.parser.process import ParserProcess, ParserUnavailable
from storage.clock import SECOND, Clock
from storage.content.message_bytes import ContentDamaged, ContentDirectory
from storage.cursors import WHOLE
from storage.database import PartitionWrites, Tx
from storage.errors import StoreUnavailable
from storage.ids import to_text
from storage.mailbox import parse_queue, parsed
from storage.mailbox.parse_queue import ParseClaim, Wanted
from storage.message_format.mime_parts import Parsed
from storage.outbound.bounces import record_report
from storage.wakeup import WakeUp, woken_within

logger = logging.getLogger("postroom.parser")

BATCH = 25
HOLD = 40 * SECOND
TRIES_WITH_HTML = 2
_RETRY_AFTER = 2 * SECOND
_POLL_SECONDS = 10.0
_SOON_SECONDS = 2.0
_OUT_OF_REACH = 30 * SECOND
_IDLE_SECONDS = 60.0

_LONGEST_PAUSE = 2.0

_LONG_OCTETS = 4 * 1024 * 1024
_MOST_LOOKS = 60
_LOOK_AGAIN_SECONDS = 0.1


@dataclass(slots=True)
class _Done:
    """The results of a batch: results to store, and failures to retry or to mark as unparsed.

    `unread` are messages whose content is out of reach now, `others` those that another gateway may
    have, `left` those that were not looked at; none of these was an attempt.
    """

    results: list[tuple[ParseClaim, Parsed]] = field(default_factory=list)
    failures: list[tuple[ParseClaim, str]] = field(default_factory=list)
    unread: list[ParseClaim] = field(default_factory=list)
    others: list[ParseClaim] = field(default_factory=list)
    left: Sequence[ParseClaim] = ()


class _Next(NamedTuple):
    """The next batch: of this partition, and what is claimed of it."""

    part: bytes
    wanted: Wanted


class Parsing:
    """The parsing task of this process; `commits` is the wake-up after each delivery."""

    def __init__(
        self,
        database: PartitionWrites,
        contents: ContentDirectory,
        commits: WakeUp,
        clock: Clock,
        *,
        size_limit: int,
        under_way: Callable[[], int],
    ) -> None:
        """`under_way` returns how many messages arrive now."""
        self._under_way = under_way
        self._database = database
        self._contents = contents
        self._commits = commits
        self._clock = clock
        self._process = ParserProcess(size_limit=size_limit)
        self._claims: list[ParseClaim] = []
        self._part = WHOLE
        self._turns = ParseTurns()
        self._last_parsed = 0.0
        self._last_failure = float("-inf")

    async def run(self) -> None:
        """Parse present and future messages, until cancelled."""
        away = (StoreUnavailable, ParserUnavailable)
        try:
            await keep_on(self._round, logger, job="parsing", away=away)
        finally:
            await self._process.stop()
            await self._give_back()

    async def _round(self) -> None:
        woken = self._commits.wait_next()
        following = None
        if not self._claims and (following := await self._whose_turn()) is None:
            await self._rest(woken)
        else:
            await self._work(following)

    async def _work(self, following: _Next | None) -> None:
        """Parse the claimed messages, store the results and claim the next ones."""
        await self._let_others_arrive()
        began = time.monotonic()
        done = await self._parse(self._claims)
        for one in (*(claimed for claimed, _ in done.failures), *done.unread):
            self._turns.failed(one.tenant_id)
        if following is None:
            following = await self._after_that()
        claimed = await self._keep(done, following)
        self._claims = []
        self._part = WHOLE if following is None else following.part
        if claimed:
            self._claims = await self._database.read(lambda tx: parse_queue.load(tx, claimed))
        if self._claims:
            took = time.monotonic() - began
            await leave_to_mail(self._commits, min(took * LEFT_ALONE, _LONGEST_PAUSE))

    async def _whose_turn(self) -> _Next | None:
        """Look what to claim: no writer is to wait for a claim of nothing."""
        now = self._clock()
        turn = await self._database.read(lambda tx: self._turns.next(tx, now=now))
        if turn is None:
            return None
        part = self._database.partition_of(turn.tenant_id)
        return _Next(part, self._turns.took(turn).wanted)

    async def _after_that(self) -> _Next | None:
        """Return the claim to make with results; in a store of one writer without a look."""
        if self._part == WHOLE and (first := self._turns.first()) is not None:
            return _Next(WHOLE, first)
        return await self._whose_turn()

    async def _let_others_arrive(self) -> None:
        if all(claim.content.size <= _LONG_OCTETS for claim in self._claims):
            return
        for _ in range(_MOST_LOOKS):
            if not self._under_way():
                return
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _rest(self, woken: asyncio.Future[None]) -> None:
        """Wait for mail, without a parser: an idle process only costs memory."""
        failed_lately = time.monotonic() - self._last_failure < _POLL_SECONDS
        if await woken_within(woken, _SOON_SECONDS if failed_lately else _POLL_SECONDS):
            return
        if time.monotonic() - self._last_parsed > _IDLE_SECONDS:
            await self._process.stop()

    async def _give_back(self) -> None:
        """Release claims that were not parsed; another process may take them now."""
        claims, self._claims = self._claims, []
        if claims:
            with contextlib.suppress(StoreUnavailable):
                release = partial(parse_queue.release, claims=claims, now=self._clock())
                await self._database.write_in(self._part, release)

    async def _parse(self, claims: Sequence[ParseClaim]) -> _Done:
        done = _Done()
        left = list(claims)
        # In a store of one writer there is no other gateway.
        if self._part != WHOLE and any(one.content.file for one in left):
            now = self._clock()
            done.others = await asyncio.to_thread(left_to_others, self._contents, left, now=now)
            left = [one for one in left if one not in done.others]
        while left:
            answers: list[Parsed | str]
            try:
                answers = await self._answers(left)
            except ContentDamaged as error:
                answers = [str(error)]
            except StoreUnavailable as error:
                event(logger, "content_away", level=logging.WARNING, cause=repr(error))
                done.unread.append(left.pop(0))
                break
            for claimed, answer in zip(left, answers, strict=False):
                if isinstance(answer, Parsed):
                    done.results.append((claimed, answer))
                else:
                    done.failures.append((claimed, answer))
            left = left[len(answers) :]
            self._last_parsed = time.monotonic()
            if done.failures:
                break
        done.left = left
        return done

    async def _answers(self, claims: Sequence[ParseClaim]) -> list[Parsed | str]:
        """Have the first of them parsed, as many as are at hand together."""
        async with contextlib.AsyncExitStack() as stack:
            paths = await fetch_some(stack, self._contents, claims)
            return await self._process.parse(
                [_request(*each) for each in zip(claims, paths, strict=False)]
            )

    async def _keep(self, done: _Done, following: _Next | None) -> dict[bytes, int]:
        """Store the results and claim the next batch, of `following`; ids and attempts."""
        try:
            claimed = await self._store_and_claim(done, following)
        except StoreUnavailable:
            raise
        except Exception as error:  # one of the results cannot be stored
            if not done.results:
                raise
            event(logger, "results_refused", level=logging.ERROR, cause=repr(error))
            for one in done.results:
                await self._keep_alone(one)
            return await self._keep(replace(done, results=[]), following)
        self._tell(done.failures)
        return claimed

    async def _store_and_claim(self, done: _Done, following: _Next | None) -> dict[bytes, int]:
        if self._claims and (following is None or following.part != self._part):
            await self._database.write_in(self._part, lambda tx: self._write(tx, done))
        if following is None:
            return {}
        part, wanted = following

        async def work(tx: Tx) -> dict[bytes, int]:
            if part == self._part:
                await self._write(tx, done)
            now = self._clock()
            return await parse_queue.claim(tx, wanted, part=part, limit=BATCH, hold=HOLD, now=now)

        return await self._database.write_in(part, work)

    async def _keep_alone(self, result: tuple[ParseClaim, Parsed]) -> None:
        """Store one result in its own transaction, so that a bad one fails alone."""
        try:
            await self._database.write_in(self._part, lambda tx: self._record(tx, [result]))
        except StoreUnavailable:
            raise
        except Exception as error:
            failed = [(result[0], f"{type(error).__name__} when the result was kept")]
            alone = _Done(failures=failed)
            await self._database.write_in(self._part, lambda tx: self._write(tx, alone))
            self._tell(failed)

    async def _write(self, tx: Tx, done: _Done) -> None:
        await self._record(tx, done.results)
        now = self._clock()
        for claimed, reason in done.failures:
            retry_at = now + _RETRY_AFTER * claimed.tries
            is_last = await parse_queue.fail(tx, claimed, reason=reason, retry_at=retry_at)
            if is_last and claimed.bounce_of is not None:
                await record_report(tx, message_id=claimed.message_id, report=None, now=now)
        await parse_queue.postpone(tx, [*done.unread, *done.others], until=now + _OUT_OF_REACH)
        await parse_queue.release(tx, done.left, now=now)

    async def _record(self, tx: Tx, results: Sequence[tuple[ParseClaim, Parsed]]) -> None:
        await parsed.record(tx, results)
        for claimed, result in results:
            if claimed.bounce_of is not None or result.report is not None:
                message_id, report = claimed.message_id, result.report
                await record_report(tx, message_id=message_id, report=report, now=self._clock())

    def _tell(self, failures: Sequence[tuple[ParseClaim, str]]) -> None:
        for claimed, reason in failures:
            self._last_failure = time.monotonic()
            event(
                logger,
                "parked" if claimed.tries >= parse_queue.TRIES else "parse_failed",
                level=logging.WARNING,
                message=to_text("msg", claimed.message_id),
                tries=claimed.tries,
                cause=reason,
            )


def _request(claimed: ParseClaim, path: Path | None) -> Request:
    content = claimed.content
    name = None if path is None else str(path)
    return Request(content.body or b"", name, content.size, claimed.tries <= TRIES_WITH_HTML)

"""The group commit: messages that arrive together share one transaction and one fsync.

- One process writes, for all mail processes, and in it one task for each partition of the store
  (`storage.cursors`): SQLite has one, PostgreSQL one for each tenant. Within a partition messages
  are stored in the order of their arrival; of different ones four transactions run at a time. One
  tenant's trouble is its own.
- While a batch is made durable, the next one collects, in their sockets at least. It waits a moment
  longer only while other transactions have begun: the messages of a busy moment share a
  transaction, one that comes alone is written immediately.
- Content files of a batch are in place, and their directory synced, before the transaction begins.
  A large content that lies elsewhere is there, durably, before its message joins a batch: so it
  holds no other message up.
- A batch that fails is tried again message by message, so that no message takes its neighbours down
  with it; the error of a message goes to its own session.
- A session that goes away does not stop its commit. Its receipt then stays unconfirmed.
- But a possible retry that waits for an earlier delivery is given up when its sender is gone: that
  sender may have sent it once more, and had that confirmed.
- A message that may have been committed keeps its content file: at worst it is an orphan.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace

from config.logs import event
from gateway.background import tell_of_end
from gateway.counters import Counters
from gateway.delivery.confirmations import Confirmations
from gateway.delivery.forgetting import Forgetting
from storage.content.message_bytes import ContentDirectory, SpoolFile
from storage.database import Durable, Store, Tx
from storage.delivery.arrivals import Arrival, Outcome, Repeated, Stored, Unsettled
from storage.delivery.deliver import deliver
from storage.directory.resolve import MailboxName, Resolution
from storage.errors import OutcomeUnknown, StoreFull, StoreUnavailable

logger = logging.getLogger(__name__)

_MAX_MESSAGES = 50
_MAX_BYTES = 16 * 1024 * 1024
_MAX_RECIPIENTS = 1000
_SETTLE_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.25
_FLUSH_SECONDS = 1.0
_COMPANY_SECONDS = 0.005
_PUTS = 4
_AT_A_TIME = 4
_TURNS_TO_THE_WIRE = 3  # the answer's callback, its frame, the loop's write


@dataclass(slots=True, eq=False)
class _Job:
    """A message to store. `spool` is its file here, `elsewhere` where its content was put."""

    arrival: Arrival
    spool: SpoolFile | None
    outcome: asyncio.Future[Outcome]
    patient_until: float
    elsewhere: str | None = None

    @property
    def inline_size(self) -> int:
        return 0 if self.arrival.content.body is None else self.arrival.content.size


@contextlib.asynccontextmanager
async def delivering(
    database: Store,
    contents: ContentDirectory,
    confirmations: Confirmations,
    counters: Counters,
    *,
    postmaster: str,
    committed: Callable[[], None],
    under_way: Callable[[], int],
) -> AsyncGenerator[Deliverer, None]:
    """Run a deliverer; at the end all submitted messages are durable, or have failed."""
    deliverer = Deliverer(
        database,
        contents,
        confirmations,
        counters,
        postmaster=postmaster,
        committed=committed,
        under_way=under_way,
    )
    writing = asyncio.create_task(deliverer.run())
    tell_of_end(writing, logger, "keeps the receipts")
    try:
        yield deliverer
    finally:
        deliverer.stop()
        await writing


class _Line:
    """The messages of a partition that wait, and the task that writes them."""

    __slots__ = ("_wake", "part", "waiting", "writing")

    def __init__(self, part: bytes) -> None:
        self.part = part
        self.waiting: deque[_Job] = deque()
        self.writing: asyncio.Task[None] | None = None
        self._wake: asyncio.Future[bool] | None = None

    def go_on(self, is_woken: bool = True) -> None:
        """Wake the task, if it waits."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(is_woken)

    async def woken(self, loop: asyncio.AbstractEventLoop, seconds: float) -> bool:
        """Wait until there is something to do; False when there was nothing in time."""
        self._wake = loop.create_future()
        timer = loop.call_later(seconds, self.go_on, False)
        try:
            return await self._wake
        finally:
            timer.cancel()


class Deliverer:
    """Writes messages to the store. `run` keeps it going; `submit` may be called by many."""

    def __init__(
        self,
        database: Store,
        contents: ContentDirectory,
        confirmations: Confirmations,
        counters: Counters,
        *,
        postmaster: str,
        committed: Callable[[], None],
        under_way: Callable[[], int],
    ) -> None:
        """`committed` is called after each transaction that stored a message.

        `under_way` returns how many messages may come soon.
        """
        self._committed = committed
        self._under_way = under_way
        self._database = database
        self._contents = contents
        self._confirmations = confirmations
        self._counters = counters
        self._postmaster = postmaster
        self._loop = asyncio.get_running_loop()
        self._guesses: dict[MailboxName, Resolution] = {}
        self._lines: dict[bytes, _Line] = {}
        self._places = asyncio.Semaphore(_AT_A_TIME)
        self._forgetting = Forgetting(database, confirmations, hold=self._hold, let_go=self._let_go)
        self._wake = asyncio.Event()
        self._settling: dict[asyncio.Future[Outcome], tuple[_Job, asyncio.Task[None]]] = {}
        self._withdrawn: set[asyncio.Future[Outcome]] = set()
        self._puts = asyncio.Semaphore(_PUTS)
        self._beside: set[asyncio.Task[None]] = set()
        self._stopping = False

    def submit(self, arrival: Arrival, spool: SpoolFile | None) -> asyncio.Future[Outcome]:
        """Store one message; the outcome is set when it is durable.

        Within a partition the first is stored first. The spool file is this object's from here on.
        The outcome may be StoreUnavailable or StoreFull. Cancelling it does not stop the commit.
        """
        patient_until = self._loop.time() + _SETTLE_SECONDS
        job = _Job(arrival, spool, self._loop.create_future(), patient_until)
        if spool is None or self._contents.keeps_files:
            self._enter(job)
        else:
            self._run_beside(self._put(job, spool))
        return job.outcome

    def withdraw(self, outcome: asyncio.Future[Outcome]) -> None:
        """Tell that the sender of a submitted message is gone.

        A message that waits for an earlier delivery ends with StoreUnavailable; others go on.
        """
        if outcome.done():
            return
        self._withdrawn.add(outcome)
        outcome.add_done_callback(self._withdrawn.discard)
        if outcome in self._settling:
            job, settling = self._settling.pop(outcome)
            settling.cancel()
            self._give_up(job)

    async def _put(self, job: _Job, spool: SpoolFile) -> None:
        """Store a large content elsewhere; then its message can join a batch."""
        arrival = job.arrival
        try:
            async with self._puts:
                content = await self._contents.put(spool, arrival.content, now=arrival.received_at)
        except Exception as error:  # of whatever kind: its session must get it
            self._counters.add("commits_failed")
            self._fail([job], error)
            return
        job.arrival = arrival._replace(content=content)
        job.spool, job.elsewhere = None, content.file
        job.patient_until = self._loop.time() + _SETTLE_SECONDS
        self._enter(job)

    def _run_beside(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def _enter(self, job: _Job) -> None:
        part = self._database.partition_of(job.arrival.tenant_id)
        line = self._lines.get(part)
        if line is None:
            line = self._lines[part] = _Line(part)
            self._begin(line)
        line.waiting.append(job)
        if len(line.waiting) == 1 or self._is_complete(line):
            line.go_on()

    def _hold(self, part: bytes) -> bool:
        """Have messages of a partition wait; not where some are being written."""
        if part in self._lines:
            return False
        self._lines[part] = _Line(part)
        return True

    def _let_go(self, part: bytes) -> None:
        line = self._lines[part]
        if line.waiting:
            self._begin(line)
        else:
            del self._lines[part]
            self._wake.set()

    def _begin(self, line: _Line) -> None:
        line.writing = self._loop.create_task(self._write_line(line))
        tell_of_end(line.writing, logger, "writes mail")

    def _is_complete(self, line: _Line) -> bool:
        """Whether the waiting messages are worth a transaction now: half of those expected soon."""
        waiting = len(line.waiting)
        return waiting >= _MAX_MESSAGES or waiting * len(self._lines) >= self._under_way()

    async def _write_line(self, line: _Line) -> None:
        """Write the batches of a partition, until none came for a while."""
        try:
            while line.waiting or not self._stopping:
                if not line.waiting:
                    if await line.woken(self._loop, _FLUSH_SECONDS) or line.waiting:
                        continue
                    break
                if not self._is_complete(line):
                    await line.woken(self._loop, _COMPANY_SECONDS)
                async with self._places:
                    await self._write(line.part, self._next_batch(line.waiting))
                await self._let_answers_leave()
        finally:
            del self._lines[line.part]
            # Some are left when a fault of ours ended it: they are answered 451, not left to wait.
            self._fail([*line.waiting], StoreUnavailable("the writer of the store ended"))
            self._wake.set()

    async def run(self) -> None:
        """Go on until `stop` was called and everything submitted before is durable."""
        while not self._stopping or self._lines or self._settling or self._beside:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _FLUSH_SECONDS)
            self._wake.clear()
            if not self._stopping:
                self._forgetting.begin()
        self._forgetting.begin()
        await self._forgetting.end()

    def stop(self) -> None:
        """Let `run` end when nothing is left to write."""
        self._stopping = True
        self._go_on()

    def _go_on(self) -> None:
        self._wake.set()
        for line in self._lines.values():
            line.go_on()

    async def _let_answers_leave(self) -> None:
        """Let the loop run until the write: else the answers would wait for the next commit."""
        for _ in range(_TURNS_TO_THE_WIRE):
            await asyncio.sleep(0)

    def _next_batch(self, waiting: deque[_Job]) -> list[_Job]:
        """Take the oldest messages, as many as do not keep the event loop from other work."""
        jobs: list[_Job] = []
        size = recipients = 0
        while waiting and len(jobs) < _MAX_MESSAGES:
            size += waiting[0].inline_size
            recipients += len(waiting[0].arrival.recipients)
            if jobs and (size > _MAX_BYTES or recipients > _MAX_RECIPIENTS):
                break
            jobs.append(waiting.popleft())
        return jobs

    async def _write(self, part: bytes, jobs: Sequence[_Job]) -> None:
        began = self._loop.time()
        try:
            outcomes, durable = await self._commit(part, jobs)
        except Exception as error:  # of whatever kind: each session must get its own
            self._counters.add("commits_failed")
            # A store out of reach fails each of them alike: one by one they would only wait longer.
            away = isinstance(error, StoreUnavailable) and not isinstance(error, StoreFull)
            if len(jobs) == 1 or away:
                self._fail(jobs, error)
                return
            event(logger, "batch_failed", level=logging.ERROR, cause=repr(error))
            for job in jobs:
                await self._write(part, [job])
            return
        # Before it is durable: the next transaction may read these receipts and must wait for them.
        for outcome in outcomes:
            if isinstance(outcome, Stored | Repeated):
                self._confirmations.open(outcome.digests, part)
        await self._report(jobs, outcomes, durable, began)

    async def _report(
        self, jobs: Sequence[_Job], outcomes: Sequence[Outcome], durable: Durable, began: float
    ) -> None:
        """Tell the sessions, once their messages are on stable storage."""
        try:
            await durable
        except Exception as error:  # the only task that writes must survive every fault
            self._counters.add("commits_failed")
            for outcome in outcomes:
                if isinstance(outcome, Stored | Repeated):
                    self._confirmations.close(outcome.digests)
            # Committed, if perhaps not durable: a row may name the content, so it stays.
            self._fail([replace(job, spool=None, elsewhere=None) for job in jobs], error)
            return
        for job, outcome in zip(jobs, outcomes, strict=True):
            self._finish(job, outcome)
        self._count(jobs, outcomes, self._loop.time() - began)

    def _count(self, jobs: Sequence[_Job], outcomes: Sequence[Outcome], seconds: float) -> None:
        messages = copies = octets = repeated = 0
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Stored):
                messages += 1
                copies += outcome.copies
                octets += job.arrival.content.size
            elif isinstance(outcome, Repeated):
                repeated += 1
        if repeated:
            self._counters.add("messages_repeated", repeated)
        if messages:
            self._counters.committed(
                messages=messages, copies=copies, octets=octets, seconds=seconds
            )
            self._committed()

    async def _commit(self, part: bytes, jobs: Sequence[_Job]) -> tuple[list[Outcome], Durable]:
        spools = [job.spool for job in jobs if job.spool is not None]
        if spools:
            await asyncio.to_thread(self._contents.place, spools)
        confirmed = self._confirmations.take_confirmed(part)

        async def work(tx: Tx) -> list[Outcome]:
            for job in jobs:
                self._contents.require_file(job.arrival.content)
            return await deliver(
                tx,
                [job.arrival for job in jobs],
                confirmed=confirmed,
                owner=self._confirmations.owner,
                is_open=self._confirmations.is_open,
                postmaster=self._postmaster,
                guesses=self._guesses,
            )

        try:
            return await self._database.commit(work, changes_routes=False, part=part)
        except BaseException:
            self._confirmations.give_back(confirmed, part)
            raise

    def _finish(self, job: _Job, outcome: Outcome) -> None:
        if isinstance(outcome, Unsettled):
            self._wait_for_settlement(job, outcome)
            return
        if not isinstance(outcome, Stored):
            self._discard(job)
        if not job.outcome.done():
            job.outcome.set_result(outcome)
        elif isinstance(outcome, Stored | Repeated):  # the session is gone: nobody can confirm it
            self._confirmations.close(outcome.digests)

    def _wait_for_settlement(self, job: _Job, outcome: Unsettled) -> None:
        if job.outcome in self._withdrawn or job.outcome.cancelled():
            self._give_up(job)
        else:
            settling = self._loop.create_task(self._settle(job, outcome))
            self._settling[job.outcome] = job, settling

    async def _settle(self, job: _Job, outcome: Unsettled) -> None:
        """Try `job` again once the delivery it may repeat is settled, or patience is over."""
        left = job.patient_until - self._loop.time()
        if left <= 0:
            job.arrival = job.arrival._replace(patient=False)
        elif outcome.is_ours:
            # The next one may be open as long.
            if await self._confirmations.wait(outcome.digest, left):
                job.patient_until = self._loop.time() + _SETTLE_SECONDS
        else:
            await asyncio.sleep(min(left, _LOOK_AGAIN_SECONDS))
        del self._settling[job.outcome]
        self._enter(job)

    def _give_up(self, job: _Job) -> None:
        self._fail([job], StoreUnavailable("the sender of a possible repetition is gone"))
        self._go_on()

    def _fail(self, jobs: Sequence[_Job], error: Exception) -> None:
        # A message that may have been committed names its content file: at worst it is an orphan.
        keeps = isinstance(error, OutcomeUnknown)
        for job in jobs:
            if not keeps:
                self._discard(job)
            if not job.outcome.done():
                job.outcome.set_exception(error)

    def _discard(self, job: _Job) -> None:
        """Leave nothing behind of a content that was not stored; what stays is an orphan."""
        if job.spool is not None:
            job.spool.discard()
        if job.elsewhere is not None:
            self._run_beside(self._contents.remove(job.elsewhere))

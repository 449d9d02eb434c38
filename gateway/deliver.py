"""The group commit: messages that arrive together share one transaction and one fsync.

- One task writes. While a batch is made durable, the next one collects; a message never waits for
  company.
- Content files of a batch are in place, and their directory synced, before the transaction begins.
- A batch that fails is tried again message by message, so that no message takes its neighbours
  down with it; the error of a message goes to its own session.
- A session that goes away does not stop its commit. Its receipt then stays unconfirmed.
- What may have been committed keeps its content file: at worst it is an orphan.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from config.logs import event
from gateway.ledger import Ledger
from storage.arrivals import Arrival, Outcome, Repeated, Stored, Unsettled
from storage.content import ContentDirectory, SpoolFile
from storage.database import Database, Durable, Tx
from storage.delivery import deliver
from storage.errors import OutcomeUnknown, StoreFull, StoreUnavailable
from storage.receipts import forget_confirmed

logger = logging.getLogger(__name__)

_MAX_MESSAGES = 50
_MAX_BYTES = 16 * 1024 * 1024
_SETTLE_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.25
_FLUSH_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class _Job:
    arrival: Arrival
    spool: SpoolFile | None
    outcome: asyncio.Future[Outcome]

    @property
    def inline_size(self) -> int:
        return 0 if self.spool is not None else self.arrival.content.size


class Deliverer:
    """Writes messages to the store. `run` is its one task; `submit` may be called by many."""

    def __init__(
        self,
        database: Database,
        contents: ContentDirectory,
        ledger: Ledger,
        *,
        postmaster: str,
        committed: Callable[[], None],
    ) -> None:
        """`committed` is called after each transaction that stored a message."""
        self._committed = committed
        self._database = database
        self._contents = contents
        self._ledger = ledger
        self._postmaster = postmaster
        self._queue: asyncio.Queue[_Job | None] = asyncio.Queue()
        self._stopping = False

    async def submit(self, arrival: Arrival, spool: SpoolFile | None) -> Outcome:
        """Store one message; returns when it is durable.

        The spool file is this object's from here on. Raises StoreUnavailable, StoreFull. Cancelling
        the call does not stop the commit.
        """
        job = _Job(arrival, spool, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(job)
        return await self._settled(job)

    async def _settled(self, job: _Job) -> Outcome:
        loop = asyncio.get_running_loop()
        patient_until = loop.time() + _SETTLE_SECONDS
        while True:
            outcome = await job.outcome
            if not isinstance(outcome, Unsettled):
                return outcome
            left = patient_until - loop.time()
            if left <= 0:
                job.arrival = replace(job.arrival, patient=False)
            elif outcome.is_ours:
                await self._ledger.wait(outcome.digest, left)
            else:
                await asyncio.sleep(min(left, _LOOK_AGAIN_SECONDS))
            job.outcome = loop.create_future()
            self._queue.put_nowait(job)

    async def run(self) -> None:
        """Write batches until `stop` was called and everything submitted before is durable."""
        while not (self._stopping and self._queue.empty()):
            jobs = await self._next_batch()
            if jobs:
                await self._write(jobs)
        await self._flush_confirmed()

    def stop(self) -> None:
        """Let `run` end when nothing is left to write."""
        self._stopping = True
        self._queue.put_nowait(None)

    async def _next_batch(self) -> list[_Job]:
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                first = await self._queue.get()
        except TimeoutError:
            await self._flush_confirmed()
            return []
        return [] if first is None else self._take([first])

    def _take(self, jobs: list[_Job]) -> list[_Job]:
        size = jobs[0].inline_size
        while not self._queue.empty() and len(jobs) < _MAX_MESSAGES and size < _MAX_BYTES:
            job = self._queue.get_nowait()
            if job is not None:
                jobs.append(job)
                size += job.inline_size
        return jobs

    async def _write(self, jobs: Sequence[_Job]) -> None:
        try:
            outcomes, durable = await self._commit(jobs)
        except Exception as error:  # whatever it is, each session must hear of its own
            away = isinstance(error, StoreUnavailable) and not isinstance(error, StoreFull)
            if len(jobs) == 1 or away:
                self._fail(jobs, error)
                return
            event(logger, "batch_failed", level=logging.ERROR, cause=repr(error))
            for job in jobs:
                await self._write([job])
            return
        for outcome in outcomes:
            if isinstance(outcome, Stored | Repeated):
                self._ledger.open(outcome.digests)
        await self._report(jobs, outcomes, durable)

    async def _report(
        self, jobs: Sequence[_Job], outcomes: Sequence[Outcome], durable: Durable
    ) -> None:
        """Tell the sessions, once what they wait for is on stable storage."""
        try:
            await durable
        except Exception as error:  # the one task that writes must outlive whatever happens
            for outcome in outcomes:
                if isinstance(outcome, Stored | Repeated):
                    self._ledger.close(outcome.digests)
            self._fail([replace(job, spool=None) for job in jobs], error)
            return
        for job, outcome in zip(jobs, outcomes, strict=True):
            self._finish(job, outcome)
        if any(isinstance(outcome, Stored) for outcome in outcomes):
            self._committed()

    async def _commit(self, jobs: Sequence[_Job]) -> tuple[list[Outcome], Durable]:
        spools = [job.spool for job in jobs if job.spool is not None]
        if spools:
            await asyncio.to_thread(self._contents.place, spools)
        confirmed = self._ledger.take_confirmed()

        async def work(tx: Tx) -> list[Outcome]:
            return await deliver(
                tx,
                [job.arrival for job in jobs],
                confirmed=confirmed,
                owner=self._ledger.owner,
                is_open=self._ledger.is_open,
                postmaster=self._postmaster,
            )

        try:
            return await self._database.commit(work)
        except BaseException:
            self._ledger.give_back(confirmed)
            raise

    def _finish(self, job: _Job, outcome: Outcome) -> None:
        if isinstance(outcome, Stored | Repeated) and job.outcome.cancelled():
            self._ledger.close(outcome.digests)
        if job.spool is not None and not isinstance(outcome, Stored | Unsettled):
            job.spool.discard()
        if not job.outcome.done():
            job.outcome.set_result(outcome)

    def _fail(self, jobs: Sequence[_Job], error: Exception) -> None:
        # What may have been committed names its content files: at worst they are orphans.
        keeps = isinstance(error, OutcomeUnknown)
        for job in jobs:
            if job.spool is not None and not keeps:
                job.spool.discard()
            if not job.outcome.done():
                job.outcome.set_exception(error)

    async def _flush_confirmed(self) -> None:
        """Drop the receipts of confirmed deliveries when no message comes to do it along."""
        confirmed = self._ledger.take_confirmed()
        if not confirmed:
            return
        try:
            await self._database.write(lambda tx: forget_confirmed(tx, confirmed))
        except Exception as error:  # tried again with the next batch, or in a second
            self._ledger.give_back(confirmed)
            event(logger, "receipts_kept", level=logging.WARNING, cause=repr(error))

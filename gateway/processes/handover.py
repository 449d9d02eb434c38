"""The handover of whole messages from a mail process to the main process, which alone writes them.

- One writer keeps its pages warm and makes large batches; the mail processes do all the rest. They
  talk over a stream socket in frames. Both ends are processes of one program, forked from one
  another.
- A spool file is finished before it is handed over; it is the main process's from then on.
- A confirmation may arrive a moment late, with the next message, never out of order.
- When a mail process is gone, so are its senders, and nobody can confirm its replies any more: its
  receipts are closed. When the main process is gone, every message it was given has an unknown
  outcome.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain, count, groupby
from operator import attrgetter

from gateway.delivery.confirmations import Confirmations
from gateway.delivery.empty_list_attempts import Deferred
from gateway.delivery.list_rate import ListRates
from gateway.delivery.ports import DeliveryPort
from gateway.processes.frames import (
    Answer,
    Frames,
    RateAnswer,
    RateQuestion,
    Refusal,
    Settled,
    Submission,
    Withdrawal,
)
from storage.content.message_bytes import ContentDirectory, SpoolFile
from storage.delivery.arrivals import Arrival, Outcome, PolicyRefused, Repeated, Stored
from storage.errors import OutcomeUnknown, StoreUnavailable

logger = logging.getLogger(__name__)

_TELL_SECONDS = 0.02


class MailProcessEnd(asyncio.Protocol):
    """The end in a mail process, which is of no use without the other: `on_lost` is called then."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._frames = Frames(self._loop)
        self._numbers = count(1)
        self._pending: dict[int, asyncio.Future[Outcome]] = {}
        self._asked: dict[int, asyncio.Future[bool]] = {}
        self._owed: list[Settled] = []
        self._will_tell = False
        self.on_lost: Callable[[], object] = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._frames.attach(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._frames.lose()
        for outcome in self._pending.values():
            if not outcome.done():
                # Unknown, not failed: a row may name its content, which must not be removed then.
                outcome.set_exception(OutcomeUnknown("the process that writes is gone"))
        self._pending.clear()
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(StoreUnavailable("the process that writes is gone"))
        self._asked.clear()
        self.on_lost()

    def submit(self, arrival: Arrival, spool: SpoolFile | None) -> asyncio.Future[Outcome]:
        outcome: asyncio.Future[Outcome] = self._loop.create_future()
        if self._frames.lost:
            if spool is not None:
                spool.discard()
            outcome.set_exception(StoreUnavailable("the process that writes is gone"))
            return outcome
        number = next(self._numbers)
        # Before the message: its sender may just have confirmed the one that it looks like.
        self._tell_owed()
        name = None if spool is None else spool.path.name
        self._frames.send(Submission(number, arrival, name))
        self._pending[number] = outcome
        return outcome

    def withdraw(self, outcome: asyncio.Future[Outcome]) -> None:
        for number, waiting in self._pending.items():
            if waiting is outcome:
                self._frames.send(Withdrawal(number))

    def confirm(self, digests: Iterable[bytes]) -> None:
        self._owe(Settled(True, tuple(digests)))

    def close(self, digests: Iterable[bytes]) -> None:
        self._owe(Settled(False, tuple(digests)))

    def note(self, list_id: bytes) -> None:
        self._frames.send(Refusal(list_id))

    def take(self, list_id: bytes, network: str) -> asyncio.Future[bool]:
        granted: asyncio.Future[bool] = self._loop.create_future()
        if self._frames.lost:
            granted.set_exception(StoreUnavailable("the process that writes is gone"))
            return granted
        number = next(self._numbers)
        self._asked[number] = granted
        self._frames.send(RateQuestion(number, list_id, network))
        return granted

    def _owe(self, settled: Settled) -> None:
        # One timer for all: mostly the next message tells them before its time is over.
        if not self._will_tell:
            self._will_tell = True
            self._loop.call_later(_TELL_SECONDS, self._tell_late)
        self._owed.append(settled)

    def _tell_late(self) -> None:
        self._will_tell = False
        self._tell_owed()

    def _tell_owed(self) -> None:
        if len(self._owed) == 1:
            self._frames.send(self._owed.pop())
            return
        # In runs, never sorted: a digest may be closed by one session and confirmed by the next.
        for confirmed, settled in groupby(self._owed, key=attrgetter("confirmed")):
            digests = chain.from_iterable(one.digests for one in settled)
            self._frames.send(Settled(confirmed, tuple(digests)))
        self._owed.clear()

    def data_received(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            if isinstance(frame, Answer):
                self._answered(frame)
            elif isinstance(frame, RateAnswer):
                asked = self._asked.pop(frame.number)
                if not asked.done():
                    asked.set_result(frame.granted)

    def _answered(self, answer: Answer) -> None:
        waiting = self._pending.pop(answer.number)
        outcome = answer.outcome
        if waiting.done():  # its session is gone
            if isinstance(outcome, Stored | Repeated | PolicyRefused):
                self.close(outcome.digests)
        elif isinstance(outcome, Exception):
            waiting.set_exception(outcome)
        else:
            waiting.set_result(outcome)

    def end(self) -> None:
        """Send the frames that are left, and close."""
        self._tell_owed()
        self._frames.close()


class MainEnd(asyncio.Protocol):
    """The end in the main process, one for each mail process; `ended` when that one is gone."""

    def __init__(
        self,
        deliverer: DeliveryPort,
        confirmations: Confirmations,
        deferred: Deferred,
        contents: ContentDirectory,
        rates: ListRates | None = None,
    ) -> None:
        self._rates = rates
        self._deliverer = deliverer
        self._confirmations = confirmations
        self._deferred = deferred
        self._contents = contents
        self._frames = Frames(asyncio.get_running_loop())
        self._open: set[bytes] = set()
        self._pending: dict[int, asyncio.Future[Outcome]] = {}
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._frames.attach(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._frames.lose()
        for outcome in [*self._pending.values()]:
            self._deliverer.withdraw(outcome)
        self._confirmations.close(self._open)
        self._open.clear()
        self.ended.set()

    def data_received(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            if isinstance(frame, Submission):
                self._submit(frame)
            elif isinstance(frame, Settled):
                self._settle(frame.confirmed, frame.digests)
            elif isinstance(frame, Withdrawal):
                self._withdraw(frame.number)
            elif isinstance(frame, RateQuestion):
                granted = self._rates is None or self._rates.take(frame.list_id, frame.network)
                self._frames.send(RateAnswer(frame.number, granted))
            elif isinstance(frame, Refusal):
                self._deferred.note(frame.list_id)

    def _submit(self, submission: Submission) -> None:
        name = submission.spool
        spool = None if name is None else self._contents.finished_spool(name)
        outcome = self._deliverer.submit(submission.arrival, spool)
        self._pending[submission.number] = outcome
        outcome.add_done_callback(partial(self._answer, submission.number))

    def _withdraw(self, number: int) -> None:
        if number in self._pending:
            self._deliverer.withdraw(self._pending[number])

    def _settle(self, confirmed: bool, digests: Sequence[bytes]) -> None:
        self._open.difference_update(digests)
        if confirmed:
            self._confirmations.confirm(digests)
        else:
            self._confirmations.close(digests)

    def _answer(self, number: int, future: asyncio.Future[Outcome]) -> None:
        del self._pending[number]
        error = future.exception()
        outcome = future.result() if error is None else _told(error)
        digests = outcome.digests if isinstance(outcome, Stored | Repeated | PolicyRefused) else ()
        if self._frames.lost:
            self._confirmations.close(digests)
            return
        self._open.update(digests)
        self._frames.send(Answer(number, outcome))


def _told(error: BaseException) -> StoreUnavailable | RuntimeError:
    """Return the fault for another process; a bug is logged here instead."""
    if isinstance(error, StoreUnavailable):
        return error
    logger.error("fault in a delivery", exc_info=error)
    return RuntimeError("the delivery failed")

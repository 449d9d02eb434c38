"""Frames between the main process and its mail processes: messages and outcomes as octets.

- A frame is a length in four octets and a marshalled tuple, whose first element names its kind:
  plain values only, since both ends run the same interpreter and a message takes few microseconds
  to write and to read.
- All frames of one turn of the event loop leave in one write: each write wakes the other process.
"""

from __future__ import annotations

import asyncio
import marshal
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from storage.content.message_bytes import Content
from storage.delivery.arrivals import (
    Arrival,
    Outcome,
    PolicyRefused,
    Recipient,
    Refused,
    Repeated,
    RouteChanged,
    Stored,
)
from storage.directory.resolve import Verdict
from storage.errors import OutcomeUnknown, StoreFull, StoreUnavailable

_LENGTH = struct.Struct(">I")

# The border of `marshal`: the place of an element gives its type.
Plain = tuple[Any, ...]


class Submission(NamedTuple):
    """To the main process: a message, and the name of its spool file when it has one."""

    number: int
    arrival: Arrival
    spool: str | None


class Settled(NamedTuple):
    """To the main process: the senders of these deliveries have seen the reply, or never may."""

    confirmed: bool
    digests: tuple[bytes, ...]


class Withdrawal(NamedTuple):
    """To the main process: the sender of the submission of that number is gone."""

    number: int


class Refusal(NamedTuple):
    """To the main process: a sender got 450 for a list without members."""

    list_id: bytes


class RateQuestion(NamedTuple):
    """To the main process: may this client network send one more message to this list?"""

    number: int
    list_id: bytes
    network: str


class RateAnswer(NamedTuple):
    """From the main process: the answer to the question of that number."""

    number: int
    granted: bool


class Answer(NamedTuple):
    """From the main process: the outcome of the submission of that number."""

    number: int
    outcome: Outcome | Exception


Frame = Submission | Withdrawal | Settled | Refusal | Answer | RateQuestion | RateAnswer

_SUBMISSION, _WITHDRAWAL, _SETTLED, _REFUSAL, _ANSWER, _QUESTION, _RATE = range(7)
_STORED, _REPEATED, _ROUTE_CHANGED, _POLICY, _FAULT = range(5)
# The narrower kinds first: the first that fits is sent.
_FAULTS: tuple[type[Exception], ...] = (
    OutcomeUnknown,
    StoreFull,
    StoreUnavailable,
    RuntimeError,
)


class Frames:
    """One end of the stream."""

    __slots__ = ("_loop", "_rest", "_said", "_transport")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._said: list[bytes] = []
        self._rest = b""

    def attach(self, transport: asyncio.BaseTransport) -> None:
        """Set the transport to write to."""
        self._transport = cast(asyncio.Transport, transport)

    def lose(self) -> None:
        """The other end is gone."""
        self._transport = None

    @property
    def lost(self) -> bool:
        """Whether the other end is gone."""
        return self._transport is None

    def send(self, frame: Frame) -> None:
        """Send this by the end of the loop's turn."""
        if not self._said:
            self._loop.call_soon(self._flush)
        packed = marshal.dumps(_plain(frame))
        self._said += (_LENGTH.pack(len(packed)), packed)

    def _flush(self) -> None:
        if self._transport is not None and self._said:
            self._transport.write(b"".join(self._said))
        self._said.clear()

    def close(self) -> None:
        """Close once all frames have left."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are whole with `data`."""
        if self._rest:
            data = self._rest + data
        frames: list[Frame] = []
        start, view = 0, memoryview(data)
        while start + _LENGTH.size <= len(data):
            begin = start + _LENGTH.size
            end = begin + _LENGTH.unpack_from(data, start)[0]
            if end > len(data):
                break
            # `marshal` trusts its input: here both ends are one program, and no peer writes frames.
            frames.append(_meant(marshal.loads(view[begin:end])))
            start = end
        self._rest = data[start:]
        return frames


def _plain(frame: Frame) -> Plain:
    match frame:
        case Submission(number, arrival, spool):
            content, recipients, *rest = arrival
            named = [tuple(recipient) for recipient in recipients]
            return _SUBMISSION, number, rest, tuple(content), named, spool
        case Withdrawal(number):
            return _WITHDRAWAL, number
        case Settled(confirmed, digests):
            return _SETTLED, confirmed, digests
        case Refusal(list_id):
            return _REFUSAL, list_id
        case RateQuestion():
            return _QUESTION, *frame
        case RateAnswer():
            return _RATE, *frame
        case Answer(number, outcome):
            return _ANSWER, number, *_plain_outcome(outcome)


def _plain_outcome(outcome: Outcome | Exception) -> Plain:
    match outcome:
        case Stored():
            told = _plain_refused(outcome.refused)
            return _STORED, outcome.message_id, outcome.digests, outcome.copies, told
        case Repeated():
            return _REPEATED, outcome.message_id, outcome.digests, _plain_refused(outcome.refused)
        case PolicyRefused(positions, others):
            told = () if others is None else _plain_outcome(others)
            return _POLICY, positions, told
        case RouteChanged():
            return _ROUTE_CHANGED, _plain_refused(outcome.refused)
        case Exception():
            kind = next(kind for kind in _FAULTS if isinstance(outcome, kind))
            return _FAULT, _FAULTS.index(kind), str(outcome)
    raise TypeError(outcome)


def _plain_refused(refused: Refused) -> Plain:
    return tuple([(position, verdict.value) for position, verdict in refused])


def _refused(plain: Plain) -> Refused:
    return tuple([(position, Verdict(verdict)) for position, verdict in plain])


def _meant(plain: Plain) -> Frame:
    kind, *rest = plain
    if kind == _SUBMISSION:
        return _submission(*rest)
    if kind == _WITHDRAWAL:
        return Withdrawal(*rest)
    if kind == _SETTLED:
        return Settled(*rest)
    if kind == _REFUSAL:
        return Refusal(*rest)
    if kind == _QUESTION:
        return RateQuestion(*rest)
    if kind == _RATE:
        return RateAnswer(*rest)
    number, *outcome = rest
    return Answer(number, _outcome(outcome))


def _submission(
    number: int,
    rest: Plain,
    content: Plain,
    recipients: Sequence[Plain],
    spool: str | None,
) -> Submission:
    named = tuple([Recipient(*one) for one in recipients])
    return Submission(number, Arrival(Content(*content), named, *rest), spool)


def _outcome(plain: list[Any]) -> Outcome | Exception:
    kind, *told = plain
    if kind == _STORED:
        message_id, digests, copies, refused = told
        return Stored(message_id, digests, copies, _refused(refused))
    if kind == _REPEATED:
        message_id, digests, refused = told
        return Repeated(message_id, digests, _refused(refused))
    if kind == _ROUTE_CHANGED:
        return RouteChanged(_refused(told[0]))
    if kind == _POLICY:
        positions, others = told
        return _policy_refused(positions, others)
    number, text = told
    fault: Exception = _FAULTS[number](text)
    return fault


def _policy_refused(positions: tuple[int, ...], others: Plain) -> PolicyRefused:
    stored = _outcome([*others]) if others else None
    assert stored is None or isinstance(stored, Stored | Repeated | RouteChanged)
    return PolicyRefused(positions, stored)

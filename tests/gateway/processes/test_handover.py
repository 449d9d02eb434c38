"""Mail processes and the one that writes: what they tell each other, and what a loss means."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import pytest

from gateway.delivery.confirmations import Confirmations
from gateway.delivery.empty_list_attempts import Deferred
from gateway.delivery.group_commit import Deliverer
from gateway.processes.handover import MailProcessEnd, MainEnd
from storage.content.message_bytes import Content, ContentDirectory, SpoolFile
from storage.delivery.arrivals import (
    Arrival,
    Outcome,
    PolicyRefused,
    Recipient,
    Repeated,
    RouteChanged,
    Stored,
)
from storage.directory.resolve import Verdict
from storage.errors import OutcomeUnknown, StoreFull, StoreUnavailable

SEEN = (b"first receipt", b"second receipt")
GONE = ((0, Verdict.UNKNOWN), (2, Verdict.EMPTY_LIST))


def message(content: Content) -> Arrival:
    return Arrival(
        tenant_id=b"t" * 16,
        recipients=(Recipient("team@example.test", "team", "example.test"),),
        reverse_path="a\udcff@example.org",
        client_ip="192.0.2.1",
        helo="client.example",
        protocol="ESMTP",
        tls=None,
        received_field=b"Received: x\r\n",
        received_at=1,
        header_message_id=None,
        references=("one", "two"),
        from_name="\ufffd",
        from_email="",
        subject="\N{SNOWMAN}",
        mailboxes=b"{}",
        automatic=False,
        content=content,
        named_by="proxy",
        behind_relay=True,
        dmarc_override="arc",
    )


IN_MEMORY = message(Content(b"d" * 32, 300_000, b"x" * 300_000, None))
IN_FILE = message(Content(b"d" * 32, 5, None, "file"))


class Writer:
    """Takes messages as a deliverer does, and answers when told to."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[tuple[Arrival, SpoolFile | None]] = asyncio.Queue()
        self.answers: list[asyncio.Future[Outcome]] = []
        self.withdrawn: asyncio.Queue[asyncio.Future[Outcome]] = asyncio.Queue()

    def withdraw(self, outcome: asyncio.Future[Outcome]) -> None:
        self.withdrawn.put_nowait(outcome)

    def submit(self, arrival: Arrival, spool: SpoolFile | None) -> asyncio.Future[Outcome]:
        self.taken.put_nowait((arrival, spool))
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]


class Pair:
    """Both ends in one loop."""

    def __init__(self, data: Path) -> None:
        self.contents = ContentDirectory(data)
        self.contents.prepare()
        self.writer = Writer()
        self.ledger = Confirmations()
        self.noted: asyncio.Queue[bytes] = asyncio.Queue()
        self.handover = MailProcessEnd()
        self.intake = MainEnd(
            cast(Deliverer, self.writer), self.ledger, cast(Deferred, self), self.contents
        )

    def note(self, list_id: bytes) -> None:
        self.noted.put_nowait(list_id)

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        self.ours, _ = await loop.create_unix_connection(lambda: self.intake, sock=ours)
        self.theirs, _ = await loop.create_unix_connection(lambda: self.handover, sock=theirs)

    async def stored(self, outcome: Stored | Repeated) -> None:
        """Let one message have this outcome, as the deliverer and its ledger would."""
        answer = self.handover.submit(IN_MEMORY, None)
        await self.writer.taken.get()
        self.ledger.open(outcome.digests, b"")
        self.writer.answers[-1].set_result(outcome)
        assert await answer == outcome


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    made = Pair(tmp_path)
    await made.connect()
    yield made
    made.theirs.abort()
    made.ours.abort()
    await made.intake.ended.wait()


@pytest.mark.parametrize(
    "outcome",
    [
        Stored(b"m" * 16, SEEN, 50),
        Stored(b"m" * 16, SEEN, 1, GONE),
        Repeated(b"m" * 16, SEEN),
        Repeated(b"m" * 16, SEEN, GONE),
        RouteChanged(),
        PolicyRefused((0, 2)),
        PolicyRefused((1,), Stored(b"m" * 16, (b"d",), 2, ((0, Verdict.EMPTY_LIST),))),
        PolicyRefused((1,), RouteChanged()),
        RouteChanged(GONE),
    ],
)
async def test_a_message_and_its_outcome_arrive_as_they_were(pair: Pair, outcome: Outcome) -> None:
    answer = pair.handover.submit(IN_MEMORY, None)

    assert await pair.writer.taken.get() == (IN_MEMORY, None)
    pair.writer.answers[0].set_result(outcome)
    assert await answer == outcome


async def test_messages_in_one_turn_keep_their_order_and_their_own_outcome(pair: Pair) -> None:
    answers = [pair.handover.submit(IN_MEMORY._replace(received_at=n), None) for n in range(20)]

    for n in range(20):
        assert (await pair.writer.taken.get())[0].received_at == n
    for n in reversed(range(20)):
        pair.writer.answers[n].set_result(Stored(n.to_bytes(16, "big"), ()))
    outcomes = [cast(Stored, outcome) for outcome in await asyncio.gather(*answers)]
    assert [outcome.message_id[-1] for outcome in outcomes] == [*range(20)]


async def test_a_finished_spool_file_is_the_writers_to_remove(pair: Pair) -> None:
    spool = pair.contents.new_spool(b"c" * 16)
    spool.finish([b"large"])
    answer = pair.handover.submit(IN_FILE, spool)

    _, handed = await pair.writer.taken.get()
    assert handed is not None
    handed.discard()
    pair.writer.answers[0].set_result(RouteChanged())
    await answer

    assert not spool.path.exists()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (StoreUnavailable("locked"), StoreUnavailable),
        (StoreFull("no space"), StoreFull),
        (OutcomeUnknown("lost"), OutcomeUnknown),
        (ValueError("a bug, with its details"), RuntimeError),
    ],
)
async def test_a_fault_is_told_for_what_it_is(
    pair: Pair, fault: Exception, told: type[Exception]
) -> None:
    answer = pair.handover.submit(IN_MEMORY, None)
    await pair.writer.taken.get()

    pair.writer.answers[0].set_exception(fault)

    with pytest.raises(told) as raised:
        await answer
    assert type(raised.value) is told
    assert "details" not in str(raised.value)


async def test_what_a_sender_has_seen_is_told_soon(pair: Pair) -> None:
    await pair.stored(Stored(b"m" * 16, SEEN))

    pair.handover.confirm(SEEN)
    for digest in SEEN:
        assert await pair.ledger.wait(digest, 5)

    assert sorted(pair.ledger.take_confirmed(b"")) == sorted(SEEN)


async def test_one_timer_serves_all_that_senders_have_seen(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.processes.handover._TELL_SECONDS", 30.0)
    timers: list[float] = []
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def noted(delay: float, call: Callable[..., object], *given: object) -> asyncio.TimerHandle:
        if call.__name__ == "_tell_late":
            timers.append(delay)
        return call_later(delay, call, *given)

    monkeypatch.setattr(loop, "call_later", noted)
    for place in range(3):
        await pair.stored(Stored(b"m" * 16, SEEN))
        pair.handover.confirm(SEEN)
        assert timers == [30.0], place


async def test_what_a_sender_may_not_have_seen_is_closed(pair: Pair) -> None:
    await pair.stored(Repeated(b"m" * 16, SEEN))
    assert pair.ledger.is_open(SEEN[0])

    pair.handover.close(SEEN)
    await pair.ledger.wait(SEEN[1], 5)

    assert not pair.ledger.is_open(SEEN[0])
    assert pair.ledger.take_confirmed(b"") == []


async def test_a_session_that_left_before_the_answer_confirms_nothing(pair: Pair) -> None:
    answer = pair.handover.submit(IN_MEMORY, None)
    await pair.writer.taken.get()
    answer.cancel()

    pair.ledger.open(SEEN, b"")
    pair.writer.answers[0].set_result(Stored(b"m" * 16, SEEN))
    await pair.ledger.wait(SEEN[1], 5)

    assert not pair.ledger.is_open(SEEN[0])
    assert pair.ledger.take_confirmed(b"") == []


async def test_a_lost_mail_process_leaves_its_deliveries_unconfirmed(pair: Pair) -> None:
    await pair.stored(Stored(b"m" * 16, SEEN[:1]))
    pair.handover.submit(IN_MEMORY, None).cancel()
    await pair.writer.taken.get()

    pair.theirs.abort()
    await pair.intake.ended.wait()
    pair.ledger.open(SEEN[1:], b"")
    pair.writer.answers[-1].set_result(Stored(b"n" * 16, SEEN[1:]))
    await asyncio.sleep(0)

    assert not any(pair.ledger.is_open(digest) for digest in SEEN)
    assert pair.ledger.take_confirmed(b"") == []


async def test_without_the_writer_what_was_handed_over_is_unknown_and_the_rest_refused(
    pair: Pair,
) -> None:
    handed = pair.handover.submit(IN_MEMORY, None)
    await pair.writer.taken.get()

    lost = asyncio.Event()
    pair.handover.on_lost = lost.set
    spool = pair.contents.new_spool(b"c" * 16)
    spool.finish([b"large"])

    pair.ours.abort()

    with pytest.raises(OutcomeUnknown):
        await handed
    assert lost.is_set()
    with pytest.raises(StoreUnavailable) as refused:
        await pair.handover.submit(IN_FILE, spool)
    assert not isinstance(refused.value, OutcomeUnknown)
    assert not spool.path.exists()
    pair.handover.confirm(SEEN)
    pair.handover.end()


async def test_what_is_said_last_arrives_before_the_end(pair: Pair) -> None:
    await pair.stored(Stored(b"m" * 16, SEEN))

    pair.handover.confirm(SEEN)
    pair.handover.end()
    await pair.intake.ended.wait()

    assert sorted(pair.ledger.take_confirmed(b"")) == sorted(SEEN)


async def test_mail_for_a_list_without_members_is_counted_by_the_first_process(pair: Pair) -> None:
    pair.handover.note(b"l" * 16)

    assert await pair.noted.get() == b"l" * 16


async def test_the_writer_learns_that_a_sender_is_gone(pair: Pair) -> None:
    pair.handover.submit(IN_MEMORY, None)
    second = pair.handover.submit(IN_MEMORY, None)
    for _ in range(2):
        await pair.writer.taken.get()

    pair.handover.withdraw(second)

    assert await pair.writer.withdrawn.get() is pair.writer.answers[1]


async def test_with_a_mail_process_all_its_senders_are_gone(pair: Pair) -> None:
    answered, open_one = (pair.handover.submit(IN_MEMORY, None) for _ in range(2))
    for _ in range(2):
        await pair.writer.taken.get()
    pair.writer.answers[0].set_result(RouteChanged())
    await answered

    pair.theirs.abort()
    await pair.intake.ended.wait()

    assert pair.writer.withdrawn.get_nowait() is pair.writer.answers[1]
    assert pair.writer.withdrawn.empty()
    assert isinstance(open_one.exception(), OutcomeUnknown)

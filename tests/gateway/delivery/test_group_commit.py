"""The group commit when the store fails: what is told, what is kept, and that it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest

from gateway.counters import Counters
from gateway.delivery.confirmations import Confirmations
from gateway.delivery.group_commit import Deliverer
from gateway.message import header_scan
from gateway.message.arrival import arrival
from gateway.smtp.replies import labels
from storage.content.message_bytes import (
    Content,
    ContentDamaged,
    ContentDirectory,
    Elsewhere,
    SpoolFile,
    content_name,
)
from storage.database import Store
from storage.delivery.arrivals import (
    Arrival,
    Outcome,
    Recipient,
    Repeated,
    RouteChanged,
    Stored,
    Unsettled,
)
from storage.errors import OutcomeUnknown, StoreFull, StoreUnavailable
from storage.maintenance.integrity import audit
from tests.support.engines import Engine
from tests.support.post_room import TEAM, open_post

Answer = Exception | list[Outcome]
STORED = Stored(b"m" * 16, (b"receipt",))


class ScriptedStore:
    """Answers each commit as the script says, without doing anything; then each sync."""

    def __init__(self, *answers: Answer, sync: Exception | None = None) -> None:
        self._answers = list(answers)
        self._sync = sync
        self.confirmed: Exception | None = None
        self.commits = 0

    async def commit(
        self, work: object, *, changes_routes: bool, part: bytes
    ) -> tuple[list[Outcome], Awaitable[None]]:
        assert not changes_routes  # it would make every route unknown
        self.commits += 1
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer, self._durable()

    async def _durable(self) -> None:
        if self._sync is not None:
            raise self._sync

    def partition_of(self, tenant_id: bytes) -> bytes:
        return tenant_id

    async def write_in(self, part: bytes, work: object) -> None:
        await self.write(work)

    async def write(self, work: object) -> None:
        if self.confirmed is not None:
            raise self.confirmed


class Attic:
    """A place for large contents, which may fail."""

    keeps_new = True

    def __init__(self, fault: Exception | None = None) -> None:
        self._fault = fault
        self.kept: set[str] = set()

    async def put(self, content_id: bytes, chunks: AsyncIterator[bytes]) -> str:
        assert b"".join([chunk async for chunk in chunks]) == b"large"
        if self._fault is not None:
            raise self._fault
        self.kept.add(location := f"attic:{content_id.hex()}")
        return location

    async def remove(self, location: str) -> None:
        self.kept.remove(location)


class Desk:
    """A deliverer at work on a scripted store."""

    def __init__(
        self, store: ScriptedStore | Store, data: Path, attic: Attic | None = None
    ) -> None:
        self.contents = ContentDirectory(data, cast(Elsewhere, attic))
        self.contents.prepare()
        self.confirmations = Confirmations()
        self.under_way = 0
        self.deliverer = Deliverer(
            cast(Store, store),
            self.contents,
            self.confirmations,
            Counters(1, labels()),
            postmaster="",
            committed=lambda: None,
            under_way=lambda: self.under_way,
        )
        self._working = asyncio.create_task(self.deliverer.run())

    async def close(self) -> None:
        self.deliverer.stop()
        await self._working

    def spool(self, name: bytes = b"c" * 16) -> SpoolFile:
        spool = self.contents.new_spool(name)
        spool.finish([b"large"])
        return spool

    def kept(self, name: bytes = b"c" * 16) -> bool:
        return (self.contents.files / content_name(name.hex())).exists()


def message() -> Arrival:
    return arrival(
        header_scan.scan(b""),
        Content(b"", 5, None, "file"),
        tenant_id=b"",
        recipients=(),
        reverse_path="",
        client_ip="192.0.2.1",
        helo="client.example",
        protocol="ESMTP",
        hostname="mx.example.test",
        transaction_id="1",
        now=0,
    )


def large() -> Arrival:
    return message()._replace(content=Content(sha256(b"large").digest(), 5, None, "file"))


Open = Callable[[ScriptedStore], Desk]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    made: list[Desk] = []

    def make(store: ScriptedStore) -> Desk:
        made.append(Desk(store, tmp_path))
        return made[-1]

    yield make
    for desk in made:
        await desk.close()


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ([STORED], True),
        ([Repeated(b"m" * 16, (b"receipt",))], False),
        ([RouteChanged()], False),
        (StoreUnavailable("locked"), False),
        (StoreFull("full"), False),
        (RuntimeError("a bug"), False),
        (OutcomeUnknown("lost in the middle of a COMMIT"), True),
    ],
    ids=lambda value: type(value[0] if isinstance(value, list) else value).__name__,
)
async def test_a_content_file_is_kept_when_a_row_may_name_it(
    opened: Open, answer: Answer, kept: bool
) -> None:
    desk = opened(ScriptedStore(answer))

    if isinstance(answer, Exception):
        with pytest.raises(type(answer)):
            await desk.deliverer.submit(message(), desk.spool())
    else:
        assert await desk.deliverer.submit(message(), desk.spool()) == answer[0]

    assert desk.kept() is kept


@pytest.mark.parametrize("fault", [StoreUnavailable("not synced"), RuntimeError("a bug")])
async def test_what_is_not_durable_is_not_acknowledged_and_not_thrown_away(
    opened: Open, fault: Exception
) -> None:
    desk = opened(ScriptedStore([STORED], [STORED], sync=fault))

    for _ in range(2):  # and the next one is served
        with pytest.raises(type(fault)):
            await desk.deliverer.submit(message(), desk.spool())
        assert desk.kept()
        desk.contents.files.joinpath(content_name((b"c" * 16).hex())).unlink()
    assert not desk.confirmations.is_open(b"receipt")


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ([STORED], True),
        ([Repeated(b"m" * 16, (b"receipt",))], False),
        (StoreUnavailable("locked"), False),
        (OutcomeUnknown("lost in the middle of a COMMIT"), True),
    ],
    ids=lambda value: type(value[0] if isinstance(value, list) else value).__name__,
)
async def test_a_content_elsewhere_is_kept_when_a_row_may_name_it(
    tmp_path: Path, answer: Answer, kept: bool
) -> None:
    attic = Attic()
    desk = Desk(ScriptedStore(answer), tmp_path, attic)

    (outcome,) = await asyncio.gather(
        desk.deliverer.submit(large(), desk.spool()), return_exceptions=True
    )
    await desk.close()

    assert outcome == (answer if isinstance(answer, Exception) else answer[0])
    assert bool(attic.kept) is kept
    assert not any(desk.contents.spool.iterdir())


async def test_a_content_that_cannot_be_put_elsewhere_holds_no_other_message_up(
    tmp_path: Path,
) -> None:
    store = ScriptedStore([STORED])
    desk = Desk(store, tmp_path, Attic(StoreUnavailable("away")))

    lost = desk.deliverer.submit(large(), desk.spool())
    assert await desk.deliverer.submit(message(), None) == STORED

    with pytest.raises(StoreUnavailable):
        await lost
    await desk.close()
    assert store.commits == 1
    assert not any(desk.contents.spool.iterdir())


async def test_a_message_of_a_failed_batch_is_tried_alone_with_its_file_in_place(
    opened: Open,
) -> None:
    desk = opened(ScriptedStore(RuntimeError("a batch"), [STORED], RuntimeError("this one")))

    first, second = await asyncio.gather(
        desk.deliverer.submit(message(), desk.spool(b"1" * 16)),
        desk.deliverer.submit(message(), desk.spool(b"2" * 16)),
        return_exceptions=True,
    )

    assert first == STORED
    assert isinstance(second, RuntimeError)
    assert desk.kept(b"1" * 16)
    assert not desk.kept(b"2" * 16)


async def test_an_answer_leaves_before_the_next_commit_begins(opened: Open) -> None:
    """To a mail process it takes a callback, a frame and a write of the loop."""
    submitted: list[asyncio.Future[Outcome]] = []

    class BusyStore(ScriptedStore):
        async def _durable(self) -> None:
            if self.commits == 1:
                submitted.append(desk.deliverer.submit(message(), None))

    store = BusyStore([STORED], [STORED])
    desk = opened(store)
    loop = asyncio.get_running_loop()
    commits_when_told: list[int] = []
    submitted.append(desk.deliverer.submit(message(), None))
    submitted[0].add_done_callback(
        lambda _: loop.call_soon(loop.call_soon, lambda: commits_when_told.append(store.commits))
    )

    await submitted[0]
    assert await submitted[1] == STORED

    assert commits_when_told == [1]
    assert store.commits == 2


async def test_receipts_that_cannot_be_dropped_now_stop_nothing(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.delivery.group_commit._FLUSH_SECONDS", 0.02)
    store = ScriptedStore([STORED], [STORED])
    desk = opened(store)
    store.confirmed = RuntimeError("malformed")
    await desk.deliverer.submit(message(), None)
    desk.confirmations.confirm([b"receipt"])
    await asyncio.sleep(0.1)

    assert desk.confirmations.is_open(b"receipt")
    assert await desk.deliverer.submit(message(), None) == STORED


@pytest.mark.parametrize("is_ours", [True, False])
async def test_a_possible_repetition_is_not_judged_again_when_its_sender_is_gone(
    opened: Open, is_ours: bool
) -> None:
    store = ScriptedStore([Unsettled(b"receipt", is_ours)], [STORED])
    desk = opened(store)
    desk.confirmations.open([b"receipt"], b"")
    outcome = desk.deliverer.submit(message(), desk.spool())
    await asyncio.sleep(0.05)

    desk.deliverer.withdraw(outcome)

    with pytest.raises(StoreUnavailable):
        await outcome
    desk.confirmations.confirm([b"receipt"])
    await asyncio.sleep(0.3)
    assert store.commits == 1
    assert not any(desk.contents.spool.iterdir())
    await desk.close()


async def test_a_repetition_whose_sender_left_before_it_was_judged_is_given_up(
    opened: Open,
) -> None:
    desk = opened(ScriptedStore([Unsettled(b"receipt", True)]))
    outcome = desk.deliverer.submit(message(), None)

    desk.deliverer.withdraw(outcome)

    with pytest.raises(StoreUnavailable):
        await outcome


async def test_a_message_whose_sender_is_gone_is_stored_all_the_same(opened: Open) -> None:
    desk = opened(ScriptedStore([STORED]))
    outcome = desk.deliverer.submit(message(), None)

    desk.deliverer.withdraw(outcome)

    assert await outcome == STORED


async def test_a_session_that_is_gone_does_not_stop_its_commit(opened: Open) -> None:
    desk = opened(ScriptedStore([STORED]))
    leaving = desk.deliverer.submit(message(), desk.spool())

    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await desk.close()

    assert desk.kept()
    assert not desk.confirmations.is_open(b"receipt")


async def test_a_message_that_comes_alone_is_written_at_once(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.delivery.group_commit._COMPANY_SECONDS", 60)
    desk = opened(ScriptedStore([STORED]))

    assert await desk.deliverer.submit(message(), None) == STORED


async def test_messages_under_way_are_waited_for_and_share_the_transaction(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.delivery.group_commit._COMPANY_SECONDS", 60)
    store = ScriptedStore([STORED, STORED])
    desk = opened(store)
    desk.under_way = 2
    first = desk.deliverer.submit(message(), None)
    await asyncio.sleep(0.01)
    assert store.commits == 0

    second = desk.deliverer.submit(message(), None)

    assert [await first, await second] == [STORED, STORED]
    assert store.commits == 1


async def test_a_batch_with_very_many_recipients_is_parted(opened: Open) -> None:
    store = ScriptedStore([STORED], [STORED])
    desk = opened(store)
    many = message()._replace(recipients=(Recipient("a@b.test", "a", "b.test"),) * 600)

    outcomes = [desk.deliverer.submit(many, None) for _ in range(2)]

    assert [await outcome for outcome in outcomes] == [STORED, STORED]
    assert store.commits == 2


async def test_a_message_whose_spool_file_is_gone_takes_no_other_along(opened: Open) -> None:
    desk = opened(ScriptedStore([STORED]))
    lost = desk.spool(b"1" * 16)
    lost.path.unlink()

    first = desk.deliverer.submit(message(), lost)
    second = desk.deliverer.submit(message(), desk.spool(b"2" * 16))

    with pytest.raises(ContentDamaged):
        await first
    assert await second == STORED
    assert desk.kept(b"2" * 16)


async def test_a_file_that_was_removed_as_an_orphan_is_named_by_no_message(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the clock of the job that removes them has jumped by an hour."""
    place = ContentDirectory.place

    def place_and_lose(contents: ContentDirectory, spools: Iterable[SpoolFile]) -> None:
        place(contents, spools)
        contents.remove_files([file])

    async with open_post(engine) as post:
        desk = Desk(post.database, engine.data)
        spool = desk.spool()
        file = content_name(spool.path.name)
        content = Content(sha256(b"large").digest(), 5, None, file)
        recipients = (Recipient(TEAM, *TEAM.split("@")),)
        monkeypatch.setattr(ContentDirectory, "place", place_and_lose)
        lost = message()._replace(tenant_id=post.tenant_id, recipients=recipients, content=content)

        with pytest.raises(ContentDamaged):
            await desk.deliverer.submit(lost, spool)

        await desk.close()
        assert (await audit(post.database, desk.contents)).messages == 0


async def test_no_message_waits_long_for_company_that_does_not_come(opened: Open) -> None:
    desk = opened(ScriptedStore([STORED]))
    desk.under_way = 1000

    async with asyncio.timeout(30):
        assert await desk.deliverer.submit(message(), None) == STORED


class SlowlyForgetting(ScriptedStore):
    """Writes down what it does; it forgets receipts when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []
        self.forgets, self.may_forget = asyncio.Event(), asyncio.Event()

    async def commit(
        self, work: object, *, changes_routes: bool, part: bytes
    ) -> tuple[list[Outcome], Awaitable[None]]:
        self.done.append("commit")
        return [STORED], self._durable()

    async def write(self, work: object) -> None:
        self.forgets.set()
        await self.may_forget.wait()
        self.done.append("forget")


@pytest.mark.parametrize("sessions", [1, 2])
async def test_a_message_is_not_compared_with_receipts_that_are_being_deleted(
    opened: Open, monkeypatch: pytest.MonkeyPatch, sessions: int
) -> None:
    """It would be taken for a retry, and a message sent twice on purpose would be lost.

    Of two sessions with the same message, the first was closed before the second confirmed it.
    """
    monkeypatch.setattr("gateway.delivery.group_commit._FLUSH_SECONDS", 0.01)
    store = SlowlyForgetting()
    desk = opened(store)
    for _ in range(sessions):
        await desk.deliverer.submit(message(), None)
    for _ in range(sessions - 1):
        desk.confirmations.close([b"receipt"])
    desk.confirmations.confirm([b"receipt"])
    await asyncio.wait_for(store.forgets.wait(), 20)

    twin = desk.deliverer.submit(message(), None)
    for _ in range(100):
        await asyncio.sleep(0)
    before = [*store.done]
    store.may_forget.set()

    assert await twin == STORED
    assert before == ["commit"] * sessions
    assert store.done == [*before, "forget", "commit"]


class PartedStore(ScriptedStore):
    """Stores everything; the commits of each tenant wait until they may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[bytes] = []
        self.may_go_on: dict[bytes, asyncio.Event] = {}

    async def commit(
        self, work: object, *, changes_routes: bool, part: bytes
    ) -> tuple[list[Outcome], Awaitable[None]]:
        self.begun.append(part)
        await self.may_go_on.setdefault(part, asyncio.Event()).wait()
        return [STORED], self._durable()

    async def all_begun(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.begun) < count:  # noqa: ASYNC110  # it is what the deliverer does
                await asyncio.sleep(0)


async def test_tenants_are_stored_beside_each_other_and_each_in_its_order(opened: Open) -> None:
    store = PartedStore()
    desk = opened(store)

    def submit(tenant_id: bytes) -> asyncio.Future[Outcome]:
        return desk.deliverer.submit(message()._replace(tenant_id=tenant_id), None)

    first = [submit(tenant_id) for tenant_id in (b"a", b"b", b"c", b"d", b"e")]
    await store.all_begun(4)
    again = submit(b"b")
    store.may_go_on[b"b"].set()

    assert await first[1] == STORED
    await store.all_begun(5)  # there are four places
    assert store.begun[:4] == [b"a", b"b", b"c", b"d"]
    assert not any(one.done() for one in (first[0], *first[2:]))
    for part in (b"a", b"c", b"d", b"e"):
        store.may_go_on.setdefault(part, asyncio.Event()).set()
    assert [*await asyncio.gather(*first), await again] == [STORED] * 6
    assert sorted(store.begun) == [b"a", b"b", b"b", b"c", b"d", b"e"]


class HeldUpStore(PartedStore):
    """Forgets the receipts of each tenant, but those of some after their lock was waited for."""

    def __init__(self, *held_up: bytes) -> None:
        super().__init__()
        self.held_up = set(held_up)
        self.forgotten: list[bytes] = []
        self.tried: list[bytes] = []
        self.lock_ends = asyncio.Event()

    async def write_in(self, part: bytes, work: object) -> None:
        self.tried.append(part)
        if part in self.held_up:
            await self.lock_ends.wait()
            raise StoreUnavailable("canceling statement due to lock timeout")
        self.forgotten.append(part)


async def test_a_tenant_whose_receipts_cannot_be_forgotten_delays_no_other(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.delivery.group_commit._FLUSH_SECONDS", 0.01)
    troubled, well = (b"a", b"b", b"c"), (b"d", b"e", b"f")
    store = HeldUpStore(*troubled)
    desk = opened(store)

    async def forgotten(*parts: bytes) -> None:
        store.forgotten.clear()
        for part in parts:
            desk.confirmations.open([b"receipt of " + part], part)
            desk.confirmations.confirm([b"receipt of " + part])
        async with asyncio.timeout(20):
            while not {*parts} - store.held_up <= {*store.forgotten}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    try:
        await forgotten(b"a", *well)
        assert store.tried.count(b"a") == 1
        store.lock_ends.set()  # now it is known which have to wait, and they go one by one
        await forgotten(*troubled)
        async with asyncio.timeout(20):
            while not {*troubled} <= {*store.tried}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        store.lock_ends.clear()
        await asyncio.sleep(0.05)

        await forgotten(*well)
        store.held_up.clear()
        store.lock_ends.set()
        async with asyncio.timeout(20):
            while not {*troubled} <= {*store.forgotten}:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        store.lock_ends.set()
    await desk.close()

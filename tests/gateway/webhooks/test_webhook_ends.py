"""What is judged right before a call, what stays on record of calls that were not made, and faults
of ours, which concern one alert only.
"""

import ssl
import threading
from collections.abc import Sequence
from functools import partial

import pytest

from gateway.webhooks import caller
from storage.clock import DAY, SECOND
from storage.database import Tx
from storage.directory.inboxes import find_inbox
from storage.mailbox.visibility import View
from storage.notifications import webhook_outcomes
from storage.notifications.webhook_outcomes import WebhookClaim, WebhookResult
from storage.teamwork.notes import add_note, delete_note
from tests.builders import SALES, SUPPORT, TEAM, World
from tests.gateway.webhooks.telling import current, deliveries, owed, settled, task_alert, webhook
from tests.gateway.webhooks.test_calls import TINY, attempted, mail, told_world
from tests.support.engines import Engine
from tests.support.receiver import Heard, answer, receiving

MENTIONED = "thread.mentioned"


async def mention(world: World, by: str = SUPPORT) -> bytes:
    """A note of a teammate that mentions Sales, in the newest thread."""
    view = View(world.tenant_id, world.raw[by], world.clock())

    async def work(tx: Tx) -> bytes:
        row = await tx.fetch_one("SELECT thread_id FROM threads ORDER BY thread_id DESC LIMIT 1")
        assert row is not None
        sales = await find_inbox(tx, tenant_id=view.tenant_id, inbox_id=world.raw[SALES])
        note = await add_note(
            tx,
            view=view,
            thread_id=bytes(row["thread_id"]),
            body="x",
            mentions=[sales],
            user_id=None,
        )
        return note.note_id

    note_id = await world.database.write(work)
    world.commits.set()
    return note_id


async def downgrade(world: World) -> None:
    await world.database.write(
        lambda tx: tx.execute("UPDATE tenants SET plan = 'free', governance = 'none'")
    )


async def test_after_a_downgrade_what_is_owed_is_dropped(engine: Engine) -> None:
    answers = iter([answer(500), answer(204)])
    async with told_world(engine) as (world, _), receiving(lambda heard: next(answers)) as receiver:
        alert, _ = await webhook(world, receiver.url(), MENTIONED)
        await mail(world, TEAM)
        await mention(world)
        await attempted(world, alert, 1)
        await downgrade(world)
        world.clock.advance(6 * SECOND)
        (delivery,) = await settled(world, alert, "dropped")

    assert len(receiver.calls) == 1
    assert (delivery.attempts, delivery.last_status) == (1, 500)


async def test_after_a_downgrade_nothing_more_is_owed(engine: Engine) -> None:
    async with told_world(engine) as (world, _), receiving() as receiver:
        alert, _ = await webhook(world, receiver.url(), MENTIONED, "message.received")
        await task_alert(world, "{by} mentions you", MENTIONED)
        await downgrade(world)
        await mail(world, TEAM)
        await mention(world)
        await mail(world, TEAM)
        await settled(world, alert, "delivered", "delivered")
        titles = await world.database.read(
            lambda tx: tx.fetch_all("SELECT title FROM tasks WHERE type = 'alert'")
        )

    assert {heard.body["type"] for heard in receiver.calls} == {"message.received"}
    assert titles == []


async def test_only_calls_that_were_made_are_counted(engine: Engine) -> None:
    async with told_world(engine) as (world, _), receiving(lambda heard: answer(500)) as receiver:
        alert, _ = await webhook(world, receiver.url(), MENTIONED)
        await mail(world, TEAM)
        notes = [await mention(world), await mention(world)]
        await attempted(world, alert, 1)
        (before, _) = await owed(world, alert, 2)
        for note_id in notes:
            await world.database.write(
                partial(delete_note, tenant_id=world.tenant_id, note_id=note_id)
            )
        world.clock.advance(6 * SECOND)
        first, second = await settled(world, alert, "dropped", "dropped")

    assert len(receiver.calls) == 1
    assert (first.attempts, first.last_status) == (1, 500)
    assert first.attempted_at == before.attempted_at
    assert (second.attempts, second.attempted_at, second.last_status) == (0, None, None)


async def test_no_wait_is_longer_than_a_day(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    first = answer(429, "Retry-After: 9999999999")
    async with told_world(engine) as (world, _), receiving(lambda heard: first) as receiver:
        alert, _ = await webhook(world, receiver.url())
        await mail(world)
        await attempted(world, alert, 1)
        (delivery,) = await deliveries(world, alert)

    assert delivery.next_attempt_at is not None
    assert delivery.next_attempt_at - world.clock() <= DAY


async def test_an_outcome_that_cannot_be_kept_holds_up_its_own_alert_only(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.webhooks.calls._AWAY_SECONDS", TINY)
    finish = webhook_outcomes.finish

    async def fails_for_one(
        tx: Tx, found: Sequence[WebhookResult], *, owner: bytes, jitter: float, now: int
    ) -> list[WebhookClaim]:
        if any(one.target.endswith("/odd") and one.status == 418 for one in found):
            raise ValueError("the store takes no teapots")
        return await finish(tx, found, owner=owner, jitter=jitter, now=now)

    def behave(heard: Heard) -> bytes:
        return answer(418 if heard.path == "/odd" else 204)

    monkeypatch.setattr(webhook_outcomes, "finish", fails_for_one)
    async with told_world(engine) as (world, _), receiving(behave) as receiver:
        odd, _ = await webhook(world, receiver.url("/odd"))
        good, _ = await webhook(world, receiver.url("/good"))
        await mail(world, count=2)
        await settled(world, good, "delivered", "delivered")
        await attempted(world, odd, 1)
        told = await current(world, odd)

    assert told.last_error == webhook_outcomes.UNKNOWN
    assert [heard.path for heard in receiver.calls].count("/odd") == 1


async def test_the_client_is_made_ready_beside_the_loop(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing it and reading the certificates takes longer than mail may wait."""
    prepare, threads = caller._prepared, list[int]()

    def noted(trust: ssl.SSLContext | None) -> ssl.SSLContext:
        threads.append(threading.get_ident())
        return prepare(trust)

    monkeypatch.setattr(caller, "_prepared", noted)
    async with told_world(engine) as (world, _), receiving() as receiver:
        alert, _ = await webhook(world, receiver.url())
        await mail(world, count=2)
        await settled(world, alert, "delivered", "delivered")

    (thread,) = threads
    assert thread != threading.get_ident()

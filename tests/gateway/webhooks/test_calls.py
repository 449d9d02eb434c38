"""Webhooks: signed, in order, tried again and given up, as Standard Webhooks has it."""

import asyncio
import base64
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence

import pytest
from standardwebhooks import WebhookVerificationError

from admin_api.dns.cache import dns_cache
from gateway.webhooks.caller import PATIENCE
from gateway.webhooks.calls import WebhookCalls
from storage.alerts import alerts
from storage.clock import DAY, HOUR, MINUTE, SECOND, system_clock
from storage.database import Tx
from storage.errors import Conflict, StoreUnavailable
from storage.ids import to_text
from storage.notifications import fan_out, webhook_outcomes
from storage.notifications.webhook_deliveries import redeliver
from storage.notifications.webhook_outcomes import RETRIES, WebhookClaim, WebhookResult
from tests.builders import SALES, SUPPORT, TEAM, World, deliver, open_world
from tests.gateway.webhooks.telling import (
    current,
    deliveries,
    owed,
    settled,
    task_alert,
    telling,
    webhook,
)
from tests.support.engines import Engine
from tests.support.receiver import Heard, answer, receiving

TINY = 0.05


@contextlib.asynccontextmanager
async def told_world(engine: Engine) -> AsyncIterator[tuple[World, WebhookCalls]]:
    """A world of today whose events are told."""
    async with open_world(engine) as world:
        world.clock.now = system_clock()
        async with telling(world.database, world.clock, world.commits) as calls:
            yield world, calls


async def mail(world: World, *recipients: str, count: int = 1) -> list[str]:
    """Messages for the recipients; the clock does not move for them."""
    now = world.clock.now
    ids = [await deliver(world, *(recipients or (SALES,)), subject=str(n)) for n in range(count)]
    world.clock.now = now
    world.commits.set()
    return ids


async def test_a_call_is_thin_and_signed(engine: Engine) -> None:
    async with told_world(engine) as (world, _), receiving() as receiver:
        alert, secret = await webhook(world, receiver.url("/hook?of=sales"))
        (message_id,) = await mail(world)
        (heard,) = await receiver.hear(1)
        (delivery,) = await settled(world, alert, "delivered")

    heard.verify(secret)
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert heard.path == "/hook?of=sales"
    assert heard.headers["content-type"] == "application/json"
    assert heard.name == to_text("dlv", delivery.delivery_id)
    assert set(heard.body) == {"type", "timestamp", "data"}
    assert heard.body["type"] == "message.received"
    data = heard.body["data"]
    assert isinstance(data, dict)
    assert set(data) == {"inbox_id", "message_id", "thread_id"}
    assert (data["inbox_id"], data["message_id"]) == (world.ids[SALES], message_id)
    assert b"Hello" not in heard.raw and b"grace" not in heard.raw
    assert (delivery.attempts, delivery.last_status, delivery.last_error) == (1, 204, None)


async def test_only_what_was_asked_for_is_told_and_only_from_then_on(engine: Engine) -> None:
    async with told_world(engine) as (world, _), receiving() as receiver:
        await mail(world, SALES)
        alert, _ = await webhook(world, receiver.url())
        await webhook(world, receiver.url("/none"), "thread.closed")
        await mail(world, SUPPORT)
        (message_id,) = await mail(world, SALES)
        await settled(world, alert, "delivered")
        await asyncio.sleep(TINY)

    (heard,) = receiver.calls
    assert heard.body["data"]["message_id"] == message_id  # type: ignore[index]


async def test_two_inboxes_of_a_list_are_told_under_two_names(engine: Engine) -> None:
    async with told_world(engine) as (world, _), receiving() as receiver:
        await webhook(world, receiver.url(), inbox=SALES)
        await webhook(world, receiver.url(), inbox=SUPPORT)
        await mail(world, TEAM)
        calls = await receiver.hear(2)

    assert len({each.name for each in calls}) == 2
    told = {each.body["data"]["inbox_id"] for each in calls}  # type: ignore[index]
    assert told == {world.ids[SALES], world.ids[SUPPORT]}


async def test_events_go_in_order_one_at_a_time(engine: Engine) -> None:
    async with told_world(engine) as (world, _), receiving(lambda heard: "wait 0.01") as receiver:
        alert, _ = await webhook(world, receiver.url())
        ids = await mail(world, count=15)
        await settled(world, alert, *["delivered"] * 15)

    assert [each.body["data"]["message_id"] for each in receiver.calls] == ids  # type: ignore[index]
    assert receiver.most_at_once == 1


async def test_a_failure_holds_the_later_ones_until_it_is_delivered(engine: Engine) -> None:
    answers = iter([answer(500), answer(204), answer(204)])
    async with told_world(engine) as (world, _), receiving(lambda heard: next(answers)) as receiver:
        alert, secret = await webhook(world, receiver.url())
        await mail(world, count=2)
        await receiver.hear(1)
        first, second = await owed(world, alert, 2)
        async with asyncio.timeout(20):
            while first.last_error is None:  # its outcome is stored behind the answer
                await asyncio.sleep(0.01)
                first, second = await deliveries(world, alert)
        assert (first.status, first.last_error) == ("pending", "answered 500")
        assert (second.status, second.attempts) == ("pending", 0)
        assert (await current(world, alert)).last_error == "answered 500"
        world.clock.advance(6 * SECOND)
        await settled(world, alert, "delivered", "delivered")

    names = [each.name for each in receiver.calls]
    assert names[0] == names[1] != names[2]
    assert (
        receiver.calls[0].headers["webhook-timestamp"]
        != (receiver.calls[1].headers["webhook-timestamp"])
    )
    receiver.calls[0].verify(secret)


def refused(heard: Heard) -> bytes | str:
    return answer(503)


async def test_it_is_tried_ten_times_over_the_schedule_and_then_disabled(engine: Engine) -> None:
    async with told_world(engine) as (world, calls), receiving(refused) as receiver:
        alert, _ = await webhook(world, receiver.url())
        await mail(world, count=2)
        for count, wait in enumerate(RETRIES, start=1):
            await receiver.hear(count)
            await attempted(world, alert, count)
            world.clock.advance(wait - SECOND)
            calls.wake.set()  # else it would look again within a second
            await asyncio.sleep(TINY)
            assert len(receiver.calls) == count, "it was called too early"
            world.clock.advance(wait // 10 + 2 * SECOND)
            calls.wake.set()
        await settled(world, alert, "failed", "dropped")
        told = await current(world, alert)
        agenda = await world.database.read(
            lambda tx: tx.fetch_all("SELECT type, title, description, inbox_id FROM tasks")
        )

    assert len(receiver.calls) == 10
    assert (told.status, told.last_error) == ("disabled", "answered 503")
    assert sum(RETRIES) == 75 * HOUR + 35 * MINUTE + 5 * SECOND
    (task,) = agenda
    assert (task["type"], bytes(task["inbox_id"])) == ("alert", world.raw[SALES])
    assert task["title"] == "[Webhook disabled] 127.0.0.1"


async def attempted(world: World, alert: alerts.Alert, count: int) -> None:
    """Wait until so many attempts are on record, with their outcomes."""
    async with asyncio.timeout(10):
        while True:
            row = await world.database.read(
                lambda tx: tx.fetch_one(
                    "SELECT failures, lease_owner FROM alerts WHERE alert_id = :id",
                    {"id": alert.alert_id},
                )
            )
            if row is not None and row["failures"] == count and row["lease_owner"] is None:
                return
            await asyncio.sleep(0.01)


async def test_gone_disables_at_once(engine: Engine) -> None:
    async with told_world(engine) as (world, _), receiving(lambda heard: answer(410)) as receiver:
        alert, _ = await webhook(world, receiver.url())
        await mail(world)
        await settled(world, alert, "failed")
        assert (await current(world, alert)).status == "disabled"
        await mail(world)
        await asyncio.sleep(2 * TINY)

    assert len(receiver.calls) == 1


@pytest.mark.parametrize(("said", "waited"), [("600", 600), ("9999999999", 86_400), ("x", 5)])
async def test_retry_after_is_honoured_within_bounds(
    engine: Engine, said: str, waited: int
) -> None:
    first = answer(429, f"Retry-After: {said}")
    answers = iter([first, answer(200)])
    async with told_world(engine) as (world, _), receiving(lambda heard: next(answers)) as receiver:
        alert, _ = await webhook(world, receiver.url())
        await mail(world)
        await attempted(world, alert, 1)
        (delivery,) = await deliveries(world, alert)

    assert delivery.next_attempt_at is not None
    assert waited <= (delivery.next_attempt_at - world.clock()) / SECOND <= waited * 1.1 + 1
    assert len(receiver.calls) == 1


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (answer(302, "Location: http://127.0.0.1:9/"), "answered 302; redirects are not followed"),
        (answer(404, body=b"secret of the inside"), "answered 404"),
        ("hang", "no answer within 0.3 seconds"),
        ("drip", "no answer within 0.3 seconds"),
        ("reset", "the connection was closed without an answer"),
        (b"nonsense\r\n\r\n", "what it answered is not HTTP"),
        (b"", "the connection was closed without an answer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000, "what it answered is not HTTP"),
    ],
)
async def test_what_is_no_success_is_a_failure(
    engine: Engine, behaviour: bytes | str, error: str
) -> None:
    from gateway.webhooks.caller import Caller
    from gateway.webhooks.resolver import Names
    from tests.gateway.webhooks.telling import LOOPBACK

    caller = Caller(Names(dns_cache(None)), LOOPBACK, patience=0.3)
    async with receiving(lambda heard: behaviour) as receiver:
        told = await caller.call(receiver.url(), {}, b"{}")

    assert told.error == error


async def test_a_large_answer_is_not_read_to_its_end(engine: Engine) -> None:
    huge = answer(200, body=b"x" * 50_000_000)
    async with told_world(engine) as (world, _), receiving(lambda heard: huge) as receiver:
        alert, _ = await webhook(world, receiver.url())
        await mail(world)
        await settled(world, alert, "delivered")
        async with asyncio.timeout(10):
            while not receiver.cut_off:
                receiver.news.clear()
                await receiver.news.wait()


async def test_both_secrets_sign_for_a_day(engine: Engine) -> None:
    async with told_world(engine) as (world, _), receiving() as receiver:
        alert, former = await webhook(world, receiver.url())
        new = await world.database.write(
            lambda tx: alerts.renew_secret(tx, alert=alert, now=world.clock())
        )
        await mail(world)
        (heard,) = await receiver.hear(1)
        heard.verify(former)
        heard.verify(new)
        real = world.clock.now
        world.clock.now += DAY + SECOND
        await mail(world)
        await settled(world, alert, "delivered", "delivered")

    later = receiver.calls[1]
    assert len(heard.headers["webhook-signature"].split(" ")) == 2
    assert len(later.headers["webhook-signature"].split(" ")) == 1
    with pytest.raises(WebhookVerificationError):
        later.verify(former)
    assert int(later.headers["webhook-timestamp"]) >= real // SECOND + 86_400


async def test_what_its_inbox_may_not_see_any_more_is_dropped(engine: Engine) -> None:
    answers = iter([answer(500), answer(204)])
    async with told_world(engine) as (world, _), receiving(lambda heard: next(answers)) as receiver:
        alert, _ = await webhook(world, receiver.url())
        await mail(world, TEAM)
        await attempted(world, alert, 1)
        await world.database.write(
            lambda tx: tx.execute(
                "DELETE FROM copies WHERE inbox_id = :inbox", {"inbox": world.raw[SALES]}
            )
        )
        world.clock.advance(6 * SECOND)
        (delivery,) = await settled(world, alert, "dropped")

    assert len(receiver.calls) == 1
    assert delivery.last_error == "the inbox does not see it any more"


async def test_a_delivery_is_made_again_under_its_name(engine: Engine) -> None:
    async with told_world(engine) as (world, _), receiving() as receiver:
        alert, _ = await webhook(world, receiver.url())
        await mail(world)
        (delivery,) = await settled(world, alert, "delivered")
        again = await world.database.write(
            lambda tx: redeliver(
                tx, alert=alert, delivery_id=delivery.delivery_id, now=world.clock()
            )
        )
        assert again.status == "pending"
        calls = await receiver.hear(2)
        await settled(world, alert, "delivered")
        off = await world.database.write(
            lambda tx: alerts.update_alert(
                tx,
                alert=alert,
                draft=alerts.Draft(alert.events, "webhook", alert.target, {}, enabled=False),
                now=world.clock(),
            )
        )
        with pytest.raises(Conflict) as refused:
            await world.database.write(
                lambda tx: redeliver(
                    tx, alert=off[0], delivery_id=delivery.delivery_id, now=world.clock()
                )
            )

    assert calls[0].name == calls[1].name
    assert refused.value.code == "alert_off"


async def test_a_test_call_is_signed_and_leaves_nothing(engine: Engine) -> None:
    answers = iter([answer(200, body=b"hidden"), answer(500)])
    async with (
        told_world(engine) as (world, calls),
        receiving(lambda heard: next(answers)) as receiver,
    ):
        alert, secret = await webhook(world, receiver.url())
        tried = await calls.test(alert)
        failed = await calls.test(alert)
        left = await deliveries(world, alert)

    receiver.calls[0].verify(secret)
    assert receiver.calls[0].body["type"] == "alert.test"
    assert (tried.status, tried.error, tried.delivered) == (200, None, True)
    assert (failed.status, failed.error, failed.delivered) == (500, "answered 500", False)
    assert left == []


async def test_a_task_of_an_alert_triggers_none(engine: Engine) -> None:
    async with told_world(engine) as (world, _), receiving() as receiver:
        await task_alert(world, "Mail from {from}", "message.received", "task.created")
        alert, _ = await webhook(world, receiver.url(), "task.created", "message.received")
        await mail(world)
        await settled(world, alert, "delivered")
        await asyncio.sleep(0.3)
        rows = await world.database.read(lambda tx: tx.fetch_all("SELECT title FROM tasks"))

    assert [row["title"] for row in rows] == ["Mail from grace@sender.test"]
    assert [each.body["type"] for each in receiver.calls] == ["message.received"]


async def test_endpoints_that_are_dead_keep_no_other_waiting(engine: Engine) -> None:
    """Ten of forty hang, drip, reset or refuse, and more is owed to them with every message."""
    how: dict[str, bytes | str] = {"0": "hang", "1": "drip", "2": "reset"}

    def behave(heard: Heard) -> bytes | str:
        return how.get(heard.path.rpartition("/")[2], answer(204))

    async with told_world(engine) as (world, _), receiving(behave) as receiver:
        for number in range(10):
            word = number % 4
            where = "http://127.0.0.1:9" if word == 3 else receiver.url(f"/{number}/{word}")
            await webhook(world, where)
        for number in range(30):
            await webhook(world, receiver.url(f"/{number}/live"))
        slowest = 0.0
        for number in range(10):
            await mail(world)
            began = asyncio.get_running_loop().time()
            await receiver.hear(30 * (number + 1), "live")
            slowest = max(slowest, asyncio.get_running_loop().time() - began)

    assert slowest < PATIENCE  # nobody has waited for the end of a call that hangs


async def test_what_is_owed_for_many_events_comes_in_pieces(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "MOST_OWED", 3)
    async with open_world(engine) as world, receiving() as receiver:
        world.clock.now = system_clock()
        made = [(await webhook(world, receiver.url(f"/{number}")))[0] for number in range(2)]
        ids = await mail(world, count=7)
        async with telling(world.database, world.clock, world.commits):
            for alert in made:
                await settled(world, alert, *["delivered"] * 7)

    for path in ("/0", "/1"):
        told = [each.body["data"]["message_id"] for each in receiver.calls if each.path == path]  # type: ignore[index]
        assert told == ids


async def test_nothing_is_written_for_mail_of_which_nobody_is_told(engine: Engine) -> None:
    async with told_world(engine) as (world, _):
        await mail(world, count=3)
        await asyncio.sleep(3 * TINY)
        rows = await world.database.read(
            lambda tx: tx.fetch_all(
                "SELECT name AS n FROM cursors UNION SELECT type FROM deliveries"
            )
        )

    assert rows == []


def test_the_dns_client_is_not_imported_before_the_first_call() -> None:
    program = "import sys, gateway.server.wiring; print(*({'dns'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == ""


async def test_an_outcome_is_kept_in_mind_while_the_store_is_away(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.webhooks.calls._AWAY_SECONDS", TINY)
    finish, faults = webhook_outcomes.finish, iter([True, True])

    async def fails_twice(
        tx: Tx, found: Sequence[WebhookResult], *, owner: bytes, jitter: float, now: int
    ) -> list[WebhookClaim]:
        if len(found) > 0 and next(faults, False):
            raise StoreUnavailable("for a moment")
        return await finish(tx, found, owner=owner, jitter=jitter, now=now)

    monkeypatch.setattr(webhook_outcomes, "finish", fails_twice)
    async with told_world(engine) as (world, _), receiving() as receiver:
        alert, _ = await webhook(world, receiver.url())
        await mail(world, count=2)
        await settled(world, alert, "delivered", "delivered")

    assert next(faults, None) is None
    assert len(receiver.calls) == 2


async def test_a_new_target_begins_anew(engine: Engine) -> None:
    def behave(heard: Heard) -> bytes:
        return answer(204 if heard.path == "/new" else 500)

    async with told_world(engine) as (world, _), receiving(behave) as receiver:
        alert, _ = await webhook(world, receiver.url("/old"))
        await mail(world, count=2)
        await attempted(world, alert, 1)
        draft = alerts.Draft(alert.events, "webhook", receiver.url("/new"), {})
        await world.database.write(
            lambda tx: alerts.update_alert(
                tx, alert=alert, draft=draft, now=world.clock(), revived_by=world.ids[SALES]
            )
        )
        await settled(world, alert, "delivered", "delivered")
        told = await current(world, alert)

    assert [each.path for each in receiver.calls] == ["/old", "/new", "/new"]
    assert (told.status, told.last_error) == ("active", None)

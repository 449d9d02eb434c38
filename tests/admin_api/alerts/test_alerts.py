"""Alerts: what one can be, who sees it, what changing it does, and the tasks it makes."""

import base64

import pytest

from admin_api.service.webhook_port import Tried
from storage.alerts import alerts
from storage.alerts.alerts import MOST, Alert
from storage.clock import DAY
from storage.ids import from_text
from tests.admin_api.alerts.alert_calls import (
    ALERTS,
    HOOK,
    NEWS,
    Record,
    change,
    made,
    owed,
    routed,
    task,
)
from tests.admin_api.teamwork.team import agenda, delete, fields, get, post, thread_with
from tests.builders import (
    FOREIGN_INBOX,
    FOREIGN_LIST,
    MEMBER,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    deliver,
    token_with,
)
from tests.support.cases import cases


async def test_a_webhook_shows_its_secret_once(world: World) -> None:
    record = await made(world)
    secret = record.pop("secret")

    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert record == {
        "alert_id": record["alert_id"],
        "inbox_id": world.ids[SALES],
        "events": NEWS,
        "delivery": HOOK,
        "filter": {},
        "enabled": True,
        "status": "active",
        "last_error": None,
        "created_by": world.ids[f"token of {SALES}"],
        "created_at": "2027-01-15T08:00:00.000Z",
        "updated_at": "2027-01-15T08:00:00.000Z",
    }
    assert await get(world, SALES, ALERTS) == [record]
    assert await get(world, SALES, f"{ALERTS}{record['alert_id']}/") == record


async def test_a_list_may_be_named_by_its_address(world: World) -> None:
    body = {"events": ["message.received"], "delivery": task("x"), "filter": {"list_id": TEAM}}
    made = await post(world, SALES, "/v1/alerts/", **body)
    assert made.json()["filter"] == {"list_id": world.ids[TEAM]}


async def test_a_repeated_call_makes_one_alert_and_hides_the_secret(world: World) -> None:
    body = {"events": NEWS, "delivery": HOOK}
    async with world.client(SALES) as api:
        first = await api.post(ALERTS, json=body, headers={"Idempotency-Key": "one"})
        again = await api.post(ALERTS, json=body, headers={"Idempotency-Key": "one"})

    assert again.json() == first.json() | {"secret": None}
    assert len(await get(world, SALES, ALERTS)) == 1


async def test_a_task_alert_has_no_secret(world: World) -> None:
    assert "secret" not in await made(world, delivery=task("New mail from {from}"))


WRONG: list[tuple[Record, list[str]]] = [
    ({"events": []}, ["events"]),
    ({"events": ["message.lost"]}, ["events[0]"]),
    ({"delivery": HOOK | {"target": "http://hooks.example.test/"}}, ["delivery.target"]),
    ({"delivery": HOOK | {"target": "https://127.0.0.1/"}}, ["delivery.target"]),
    ({"delivery": HOOK | {"target": "https://[::ffff:10.0.0.1]/"}}, ["delivery.target"]),
    ({"delivery": HOOK | {"target": "https://2130706433/"}}, ["delivery.target"]),
    ({"delivery": HOOK | {"type": "email"}}, ["delivery.type"]),
    ({"delivery": HOOK | {"method": "GET"}}, ["delivery.method"]),
    ({"delivery": task(" ")}, ["delivery.target"]),
    ({"delivery": task("a\nb")}, ["delivery.target"]),
    ({"delivery": task("x" * 201)}, ["delivery.target"]),
    ({"filter": {"from": "grace"}}, ["filter.from"]),
    ({"filter": {"from": "@-"}}, ["filter.from"]),
    ({"filter": {"subject": "x"}}, ["filter.subject"]),
    ({"filter": {"from": 1}}, ["filter.from"]),
    ({"filter": "x"}, ["filter"]),
    (
        {
            "events": [*NEWS, "zz"],
            "delivery": HOOK | {"target": "ftp://x"},
            "filter": {"list_id": "lst_none"},
        },
        ["events[1]", "delivery.target", "filter.list_id"],
    ),
    (
        {
            "filter": {
                "foo": 1,
                "from": 5,
                "list_id": "lst_x",
                "thread_id": "thr_x",
                "assignee": "nobody@x",
            }
        },
        ["filter.from", "filter.foo", "filter.list_id", "filter.thread_id", "filter.assignee"],
    ),
    ({"filter": {"list_id": "lst_" + "0" * 26}}, ["filter.list_id"]),
    ({"filter": {"list_id": FOREIGN_LIST}}, ["filter.list_id"]),
    ({"filter": {"thread_id": "thr_" + "0" * 26}}, ["filter.thread_id"]),
    ({"filter": {"assignee": TEAM}}, ["filter.assignee"]),
    ({"filter": {"assignee": FOREIGN_INBOX}}, ["filter.assignee"]),
    ({"events": ["thread.closed"], "filter": {"from": "@x.test"}}, ["filter.from"]),
    ({"events": ["task.created"], "filter": {"assignee": "me"}}, ["filter.assignee"]),
    ({"enabled": "yes"}, ["enabled"]),
    (
        {"delivery": task(""), "filter": {"from": "x", "list_id": ""}},
        ["delivery.target", "filter.from", "filter.list_id"],
    ),
    (
        {"delivery": task(" "), "filter": {"assignee": "x", "list_id": "x"}},
        ["delivery.target", "filter.list_id", "filter.assignee"],
    ),
    ({"secret": "whsec_x", "tenant_id": "tnt_x"}, ["secret", "tenant_id"]),
]


async def test_what_an_alert_cannot_be_is_400(world: World) -> None:
    with cases() as case:
        for parts, wrong in WRONG:
            with case(str(parts)):
                world.clock.elapsed += 1  # no limit of calls is reached
                body = {"events": NEWS, "delivery": HOOK} | parts
                answer = await post(world, SALES, ALERTS, **body)
                assert fields(answer) == wrong
                assert await get(world, SALES, ALERTS) == []


async def test_a_list_or_thread_that_is_not_seen_is_as_one_that_is_not_there(world: World) -> None:
    hidden = (await thread_with(world, SUPPORT)).split("/")[-2]
    answers = {
        (await post(world, SALES, ALERTS, events=NEWS, delivery=HOOK, filter=chosen)).content
        for chosen in ({"thread_id": hidden}, {"thread_id": "thr_" + "0" * 26}, {"thread_id": "x"})
    } | {
        (await post(world, SALES, ALERTS, events=NEWS, delivery=HOOK, filter=chosen)).content
        for chosen in ({"list_id": world.ids[FOREIGN_LIST]}, {"list_id": "lst_" + "0" * 26})
    }
    assert len(answers) == 2


async def test_an_inbox_has_its_own_alerts_and_so_many_of_them(world: World) -> None:
    mine = await made(world)
    path = f"{ALERTS}{mine['alert_id']}/"

    assert await get(world, SUPPORT, ALERTS) == []
    assert await get(world, TENANT_ADMIN, ALERTS, inbox_id=SALES) != []
    for who in (SUPPORT, FOREIGN_INBOX):
        assert await delete(world, who, path) == 404
    for _ in range(MOST - 1):
        await made(world, delivery=task("x"))
    full = await post(world, SALES, ALERTS, events=NEWS, delivery=HOOK)
    assert (full.status_code, full.json()["code"]) == (409, "too_many_alerts")
    assert await delete(world, SALES, path) == 204
    assert await delete(world, SALES, path) == 404


async def test_scopes_part_reading_from_changing(world: World) -> None:
    record = await made(world)
    path = f"{ALERTS}{record['alert_id']}/"
    async with world.client(secret=await token_with(world, SALES, "alerts:read")) as api:
        assert (await api.get(path)).status_code == 200
        assert (await api.patch(path, json={"enabled": False})).status_code == 403
        assert (await api.post(f"{path}test/")).status_code == 403


async def test_what_is_given_changes_and_the_rest_stays(world: World) -> None:
    record = await made(world, filter={"from": "Grace@Sender.Test"})
    path = f"{ALERTS}{record['alert_id']}/"
    assert record["filter"] == {"from": "Grace@sender.test".lower()}

    changed = await change(world, path, events=[*NEWS, *NEWS], delivery=task("{from}"))

    assert changed.status_code == 200
    kept = {key: value for key, value in record.items() if key not in ("secret", "created_by")}
    assert changed.json().items() >= {**kept, "delivery": task("{from}")}.items()
    back = await change(world, path, delivery=HOOK, filter={})
    assert back.json()["secret"] not in (None, record["secret"])
    assert "secret" not in (await change(world, path, enabled=False)).json()
    assert fields(await change(world, path, events=["thread.closed"], filter={"from": "@x.test"}))


async def test_changing_what_another_changed_is_412(world: World) -> None:
    path = f"{ALERTS}{(await made(world))['alert_id']}/"
    async with world.client(SALES) as api:
        tag = (await api.get(path)).headers["ETag"]
        world.clock.advance(1000)
        first = await api.patch(path, json={"enabled": False}, headers={"If-Match": tag})
        second = await api.patch(path, json={"enabled": True}, headers={"If-Match": tag})

    assert (first.status_code, second.status_code) == (200, 412)


async def test_a_new_secret_stands_beside_the_former_for_a_day(world: World) -> None:
    record = await made(world)
    renewed = (await post(world, SALES, f"{ALERTS}{record['alert_id']}/webhook-secret/")).json()

    row = await world.database.read(
        lambda tx: tx.fetch_one("SELECT secret, former_secret, former_secret_until FROM alerts")
    )
    assert row is not None
    shown = [alerts.shown_secret(bytes(row[name])) for name in ("secret", "former_secret")]
    assert shown == [renewed["secret"], record["secret"]]
    assert row["former_secret_until"] == world.clock() + DAY
    without = await made(world, delivery=task("x"))
    answer = await post(world, SALES, f"{ALERTS}{without['alert_id']}/webhook-secret/")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_webhook")


async def test_a_disabled_alert_is_made_active_by_enabling_or_a_new_target(world: World) -> None:
    record = await made(world)
    path = f"{ALERTS}{record['alert_id']}/"

    async def disable() -> None:
        await world.database.write(
            lambda tx: tx.execute("UPDATE alerts SET status = 'disabled', last_error = 'gone'")
        )

    for body in ({"enabled": True}, {"delivery": HOOK}):
        await disable()
        assert (await change(world, path, events=NEWS)).json()["status"] == "disabled"
        active = (await change(world, path, **body)).json()
        assert (active["status"], active["last_error"]) == ("active", None)


async def test_what_happens_while_it_is_off_is_never_told(world: World) -> None:
    record = await made(world)
    path = f"{ALERTS}{record['alert_id']}/"
    await deliver(world, SALES)
    await routed(world)
    assert [one["status"] for one in await owed(world, record)] == ["pending"]

    await change(world, path, enabled=False)
    await deliver(world, SALES)
    await change(world, path, enabled=True)
    await deliver(world, SALES)
    await routed(world)

    assert [one["status"] for one in await owed(world, record)] == ["pending", "dropped"]
    (_, dropped) = await owed(world, record)
    again = await post(world, SALES, f"{path}deliveries/{dropped['delivery_id']}/redeliver/")
    assert again.json()["status"] == "pending"


async def test_trying_it_out_sends_one_request_and_tells_what_came_of_it(world: World) -> None:
    record, without = await made(world), await made(world, delivery=task("x"))
    asked: list[bytes] = []

    async def send(alert: Alert) -> Tried:
        asked.append(alert.alert_id)
        return Tried(204, None, 12)

    world.webhooks.send = send
    answer = await post(world, SALES, f"{ALERTS}{record['alert_id']}/test/")
    refused = await post(world, SALES, f"{ALERTS}{without['alert_id']}/test/")

    assert answer.json() == {"delivered": True, "status": 204, "error": None, "milliseconds": 12}
    assert (refused.status_code, refused.json()["code"]) == (409, "no_webhook")
    assert asked == [from_text("alr", record["alert_id"])]


TITLES = [
    ("New mail from {from}", "New mail from grace@sender.test"),
    ("{from_name}: {subject}", "Grace: Hello"),
    ("{type} for {inbox}", f"message.received for {SALES}"),
    ("{nobody} {{from}} {0} {from.x}", "{nobody} {{from}} {0} {from.x}"),
    ("by {list}", f"by {TEAM}"),
]


@pytest.mark.parametrize(("target", "title"), TITLES)
async def test_a_task_tells_what_the_inbox_sees(world: World, target: str, title: str) -> None:
    await made(world, delivery=task(target))
    await deliver(world, TEAM.lower())
    await routed(world)

    (item,) = await agenda(world, SALES)
    assert (item["type"], item["title"], item["created_by"]) == ("alert", title, None)
    (thread,) = (await get(world, SALES, "/v1/messages/threads/"))["results"]
    assert item["thread_id"] == thread["thread_id"]
    assert await agenda(world, SUPPORT) == []


async def test_a_value_is_not_looked_at_again_and_a_title_is_one_short_line(world: World) -> None:
    await made(world, delivery=task("{subject}"))
    for subject in ("{from} \x07{type}", "long " * 100):
        await deliver(world, SALES, subject=subject)
    await routed(world)

    long, short = [item["title"] for item in await agenda(world, SALES)]
    assert short == "{from} {type}"
    assert len(long) == 200


async def test_a_task_of_an_alert_is_completed_not_rewritten(world: World) -> None:
    await made(world, delivery=task("x"))
    await deliver(world, SALES)
    await routed(world)
    (item,) = await agenda(world, SALES)
    path = f"/v1/tasks/{item['task_id']}/"

    assert (await change(world, path, title="y")).status_code == 403
    assert await delete(world, SALES, path) == 403
    assert (await change(world, path, completed=True)).status_code == 200


async def test_what_an_alert_does_triggers_no_alert(world: World) -> None:
    await made(world, events=["task.created", "task.completed"], delivery=task("{type}"))
    hook = await made(world, events=["task.created", "task.completed"])
    await post(world, SALES, "/v1/tasks/", title="By hand")
    await routed(world)
    told = {item["title"]: item for item in await agenda(world, SALES)}
    assert set(told) == {"By hand", "task.created"}

    path = f"/v1/tasks/{told['task.created']['task_id']}/"
    await change(world, path, completed=True)
    await routed(world)

    assert [item["title"] for item in await agenda(world, SALES)] == ["By hand"]
    assert [one["type"] for one in await owed(world, hook)] == ["task.created"]


FILTERS: list[tuple[Record, list[str]]] = [
    ({"from": "grace@SENDER.test"}, ["plain", "by list"]),
    ({"from": "@other.example"}, ["other"]),
    ({"from": "@test"}, []),
    ({"list_id": "list"}, ["by list"]),
    ({"from": "@sender.test", "list_id": "list"}, ["by list"]),
    ({"assignee": "none"}, ["plain", "by list", "other"]),
    ({"assignee": "me"}, []),
]


@pytest.mark.parametrize(("chosen", "told"), FILTERS)
async def test_a_filter_lets_through_what_the_inbox_sees_to_fit(
    world: World, chosen: Record, told: list[str]
) -> None:
    if "list_id" in chosen:
        chosen = chosen | {"list_id": world.ids[TEAM]}
    await made(world, delivery=task("{subject}"), filter=chosen)
    await deliver(world, SALES, subject="plain")
    await deliver(world, TEAM.lower(), subject="by list")
    await deliver(world, SALES, subject="other", sender="x@other.example")
    await routed(world)

    assert [item["title"] for item in await agenda(world, SALES)] == told[::-1]


async def test_a_filter_by_thread_or_assignee_follows_the_thread(world: World) -> None:
    path = await thread_with(world, SALES, subject="One", name="<one@x.test>")
    thread_id = path.split("/")[-2]
    await made(world, delivery=task("thread {subject}"), filter={"thread_id": thread_id})
    await made(world, delivery=task("mine {subject}"), filter={"assignee": "me"})
    await made(world, delivery=task("theirs {subject}"), filter={"assignee": SUPPORT})

    await deliver(world, SALES, subject="Two", references=("<one@x.test>",))
    await routed(world)
    await post(world, SALES, f"{path}assign/", to=SUPPORT)
    await deliver(world, SALES, subject="Three", references=("<one@x.test>",))
    await deliver(world, SALES, subject="Elsewhere")
    await routed(world)

    titles = sorted(item["title"] for item in await agenda(world, SALES))
    assert titles == ["theirs Three", "thread Three", "thread Two"]


async def test_deleting_an_inbox_ends_its_alerts(world: World) -> None:
    await made(world)
    await change(world, f"/v1/inboxes/{SALES}/", webhook_url=HOOK["target"])
    async with world.client(TENANT_OWNER) as api:
        assert (await api.delete(f"/v1/inboxes/{SALES}/")).status_code == 204
        assert (await api.post(f"/v1/inboxes/{SALES}/restore/")).json()["webhook_url"] is None
    assert await get(world, TENANT_OWNER, ALERTS, inbox_id=SALES) == []


async def test_an_alert_ends_with_the_right_of_who_set_it_up(world: World) -> None:
    theirs = await made(world, MEMBER, inbox_id=SUPPORT)
    stays = await made(world, SUPPORT, delivery=task("x"))
    async with world.client(MEMBER) as api:
        scopes = ["alerts:write", "email:read"]
        token = await api.post(
            "/v1/tokens/", json={"inbox_id": SUPPORT, "label": "x", "scopes": scopes}
        )
    async with world.client(secret=token.json()["token"]) as api:
        by_token = (await api.post(ALERTS, json={"events": NEWS, "delivery": HOOK})).json()
    await change(world, f"/v1/inboxes/{SUPPORT}/", TENANT_OWNER, owner_user_id=None)

    found = {one["alert_id"]: one for one in await get(world, SUPPORT, ALERTS)}
    assert found[stays["alert_id"]]["status"] == "active"
    for ended in (theirs, by_token):
        assert found[ended["alert_id"]]["status"] == "disabled"
        assert "no longer act" in found[ended["alert_id"]]["last_error"]
    path = f"{ALERTS}{theirs['alert_id']}/"
    active = (await change(world, path, SUPPORT, enabled=True)).json()
    token_id = world.ids[f"token of {SUPPORT}"]
    assert (active["status"], active["created_by"]) == ("active", token_id)

"""Alerts: what one can be, who sees it, what changing it does, and the tasks it makes."""

import base64
from functools import partial
from typing import Any

import httpx2
import pytest

from admin_api.service.webhook_port import Tried
from storage.alerts import alerts
from storage.alerts.alerts import MOST, Alert
from storage.clock import DAY
from storage.ids import from_text
from storage.notifications.fan_out import find_owed, record_owed
from tests.admin_api.teamwork.team import agenda, delete, fields, get, post, thread_with
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    FOREIGN_LIST,
    MEMBER,
    SALES,
    STRANGER,
    SUPPORT,
    TEAM,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    deliver,
    token_with,
)

Record = dict[str, Any]  # one JSON object; the border of the API

ALERTS = "/v1/alerts/"
HOOK = {"type": "webhook", "target": "https://hooks.example.test/in"}
NEWS = ["message.received"]


def task(title: str) -> Record:
    return {"type": "task", "target": title}


async def made(world: World, who: str = SALES, **parts: object) -> Record:
    answer = await post(world, who, ALERTS, **{"events": NEWS, "delivery": HOOK, **parts})
    assert answer.status_code == 201, answer.text
    record: Record = answer.json()
    return record


async def change(world: World, path: str, who: str = SALES, **body: object) -> httpx2.Response:
    async with world.client(who) as api:
        return await api.patch(path, json=body)


async def routed(world: World) -> None:
    """Do what the router does after a commit, until nothing is new."""
    now = world.clock()
    while batch := await world.database.read(lambda tx: find_owed(tx, seen=b"", now=now)):
        await world.database.write(partial(record_owed, batch=batch, now=now))


async def stored(world: World, record: Record) -> Alert:
    key = {
        "tenant_id": world.tenant_id,
        "inbox_id": from_text("inb", record["inbox_id"]) or b"",
        "alert_id": from_text("alr", record["alert_id"]) or b"",
    }
    return await world.database.read(lambda tx: alerts.find_alert(tx, **key))


async def owed(world: World, record: Record) -> list[Record]:
    page = await get(world, SALES, f"{ALERTS}{record['alert_id']}/deliveries/")
    found: list[Record] = page["results"]
    return found


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
    ({"events": ["message.sent"]}, ["events[0]"]),
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


@pytest.mark.parametrize(("parts", "wrong"), WRONG)
async def test_what_an_alert_cannot_be_is_400(
    world: World, parts: Record, wrong: list[str]
) -> None:
    answer = await post(world, SALES, ALERTS, **{"events": NEWS, "delivery": HOOK} | parts)

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


async def test_a_user_who_goes_or_is_demoted_leaves_no_alert_that_works(world: World) -> None:
    for who in (TENANT_ADMIN, MEMBER):
        await made(world, who, inbox_id=SUPPORT)
    async with world.client(TENANT_OWNER) as api:
        await api.patch(f"/v1/users/{world.ids[TENANT_ADMIN]}/", json={"role": "member"})
        assert await statuses(world) == ["disabled", "active"]
        await api.delete(f"/v1/users/{world.ids[MEMBER]}/")
    assert await statuses(world) == ["disabled", "disabled"]


async def statuses(world: World) -> list[str]:
    return [one["status"] for one in await get(world, SUPPORT, ALERTS)]


INBOX = f"/v1/inboxes/{SALES}/"


async def test_an_inboxs_webhook_shows_its_secret_when_the_url_is_new(world: World) -> None:
    first = (await change(world, INBOX, webhook_url=HOOK["target"], webhook_events=NEWS)).json()
    same = (await change(world, INBOX, webhook_url=HOOK["target"])).json()
    other = (await change(world, INBOX, webhook_url="https://new.example.test/")).json()
    renewed = (await post(world, SALES, f"{INBOX}webhook-secret/")).json()

    assert "webhook_secret" not in same
    assert same == {key: value for key, value in first.items() if key != "webhook_secret"}
    assert (other["webhook_url"], other["webhook_events"]) == ("https://new.example.test/", NEWS)
    assert len({first["webhook_secret"], other["webhook_secret"], renewed["webhook_secret"]}) == 3
    gone = (await change(world, INBOX, webhook_url=None)).json()
    assert (gone["webhook_url"], gone["webhook_events"]) == (None, [])
    answer = await post(world, SALES, f"{INBOX}webhook-secret/")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_webhook")


async def test_an_inboxs_webhook_is_the_same_machinery(world: World) -> None:
    await change(world, INBOX, webhook_url=HOOK["target"], webhook_events=NEWS)
    await deliver(world, SALES)
    await routed(world)

    assert await get(world, SALES, ALERTS) == []
    (own,) = await get(world, SALES, ALERTS, origin="inbox")
    assert (own["events"], own["delivery"]) == (NEWS, HOOK)
    assert [one["status"] for one in await owed(world, own)] == ["pending"]
    path = f"{ALERTS}{own['alert_id']}/"
    refused = await change(world, path, enabled=False)
    assert (refused.status_code, refused.json()["code"]) == (409, "inbox_webhook")
    assert await delete(world, SALES, path) == 409
    again = await change(world, INBOX, webhook_events=[])
    assert again.json()["webhook_url"] == HOOK["target"]


async def test_the_webhook_of_an_inbox_is_shown_to_who_may_act_for_it(world: World) -> None:
    await change(world, INBOX, webhook_url="https://hooks.example.test/very-secret")
    mail = await token_with(world, SALES, "email:read")
    alerting = await token_with(world, SALES, "alerts:read")
    shown = {}
    for name in (SALES, TENANT_OWNER, TENANT_ADMIN, SUPPORT, MEMBER):
        shown[name] = str(await get(world, name, "/v1/inboxes/"))
    for name, secret in (("mail", mail), ("alerting", alerting)):
        async with world.client(secret=secret) as api:
            shown[name] = (await api.get(INBOX)).text + (await api.get("/v1/inboxes/")).text

    seen = {name for name, text in shown.items() if "very-secret" in text}
    assert seen == {SALES, TENANT_OWNER, TENANT_ADMIN, "alerting"}


async def test_no_secret_and_no_target_is_in_the_audit_log(world: World) -> None:
    record = await made(world)
    path = f"{ALERTS}{record['alert_id']}/"
    renewed = (await post(world, SALES, f"{path}webhook-secret/")).json()
    inbox = (await change(world, INBOX, webhook_url=HOOK["target"])).json()
    await change(world, path, delivery=HOOK)
    await delete(world, SALES, path)

    text = str(await get(world, TENANT_OWNER, "/v1/audit-log/"))
    assert "alert.secret_renewed" in text
    for hidden in (record["secret"], renewed["secret"], inbox["webhook_secret"], HOOK["target"]):
        assert hidden not in text


async def test_another_tenants_alert_is_as_one_that_is_not_there(world: World) -> None:
    record = await made(world)
    async with world.client(STRANGER) as api:
        theirs = await api.get(f"{ALERTS}{record['alert_id']}/", params={"inbox_id": FOREIGN_INBOX})
        unknown = await api.get(ALERTS + "alr_" + "0" * 26, params={"inbox_id": FOREIGN_INBOX})
        crossing = await api.get(ALERTS, params={"inbox_id": SALES})

    assert theirs.status_code == crossing.status_code == 404
    assert theirs.content == unknown.content


async def test_no_filter_and_no_title_tells_how_another_inbox_got_its_copy(world: World) -> None:
    """Support is on no envelope of the list here; that Sales got it by the list is not its."""
    async with world.client(TENANT_OWNER) as api:
        members = f"/v1/distribution-lists/{world.ids[TEAM]}/members/"
        assert (await api.delete(f"{members}{SUPPORT}/")).status_code == 204
    by_list = {"list_id": world.ids[TEAM]}
    await made(world, SUPPORT, delivery=task("came by the list"), filter=by_list)
    await made(world, SUPPORT, delivery=task("{list} {subject}"))
    await deliver(world, TEAM.lower(), SUPPORT, subject="Both")
    await routed(world)

    assert [item["title"] for item in await agenda(world, SUPPORT)] == ["{list} Both"]


async def test_no_filter_tells_of_an_assignment_that_the_inbox_may_not_know_of(
    world: World,
) -> None:
    path = await thread_with(world, SALES, subject="Mine", name="<mine@x.test>")
    await post(world, SALES, f"{path}assign/", to=AGENT)
    await made(world, SUPPORT, delivery=task("nobody has it"), filter={"assignee": "none"})
    await made(world, SUPPORT, delivery=task("the agent has it"), filter={"assignee": AGENT})

    await deliver(world, SUPPORT, subject="Forged", references=("<mine@x.test>",))
    await routed(world)

    assert [item["title"] for item in await agenda(world, SUPPORT)] == ["nobody has it"]


async def test_a_title_has_the_subject_of_what_the_inbox_itself_sees(world: World) -> None:
    """Whoever forges a reference into a thread learns nothing of it by an alert."""
    await thread_with(world, SALES, subject="Secret plans", name="<plans@x.test>")
    await made(world, SUPPORT, events=["thread.closed"], delivery=task("{subject}"))
    await deliver(world, SUPPORT, subject="Forged", references=("<plans@x.test>",))
    (thread,) = (await get(world, SUPPORT, "/v1/messages/threads/"))["results"]
    async with world.client(SUPPORT) as api:
        path = f"/v1/messages/threads/{thread['thread_id']}/"
        assert (await api.patch(path, json={"status": "closed"})).status_code == 200
    await routed(world)

    (item,) = [one for one in await agenda(world, SUPPORT) if one["type"] == "alert"]
    assert item["title"] == "Forged"
    assert "Secret plans" not in str(await get(world, SUPPORT, "/v1/agenda/"))


async def test_what_the_inbox_deleted_before_routing_is_not_told(world: World) -> None:
    hook = await made(world)
    await made(world, delivery=task("{subject}"))
    message = await deliver(world, SALES, subject="Gone")
    for _ in range(2):
        assert await delete(world, SALES, f"/v1/messages/{message}/") == 204
    await routed(world)

    assert await agenda(world, SALES) == []
    assert await owed(world, hook) == []


async def test_who_sets_a_target_again_and_again_is_not_disabled_for_it(world: World) -> None:
    record = await made(world)
    await deliver(world, SALES)
    await routed(world)
    await world.database.write(
        lambda tx: tx.execute("UPDATE deliveries SET tries = 9, attempts = 9")
    )

    await change(world, f"{ALERTS}{record['alert_id']}/", delivery=HOOK)

    row = await world.database.read(
        lambda tx: tx.fetch_one("SELECT tries, attempts, status FROM deliveries")
    )
    assert row is not None
    assert (row["tries"], row["attempts"], row["status"]) == (0, 9, "pending")

"""What a caller may have an inbox told of, and how the filter of an alert is written back."""

import pytest

from storage.accounts.tenants import set_tenant
from tests.admin_api.alerts.alert_calls import ALERTS, HOOK, INBOX, NEWS, Record, change, made, task
from tests.admin_api.teamwork.team import delete, fields, get, post, thread_with
from tests.builders import (
    AGENT,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_OWNER,
    World,
    token_with,
)

ALL_NEWS: dict[str, tuple[str, ...]] = {
    "message.received": ("email:read",),
    "thread.note_added": ("email:read",),
    "contact.share_received": ("contacts:read",),
    "task.created": ("task:read", "email:read"),
    "list.member_added": ("email:read",),
}


@pytest.mark.parametrize("name", ALL_NEWS)
async def test_a_token_names_only_types_that_it_may_read(world: World, name: str) -> None:
    body = {"events": [name, "zz"], "delivery": HOOK, "inbox_id": SALES}
    hook = {"webhook_url": HOOK["target"], "webhook_events": [name, "zz"]}
    path = f"{ALERTS}{(await made(world, events=[name]))['alert_id']}/"
    for scope in (None, "email:read", "contacts:read", "task:read", "context:read"):
        scopes = ["alerts:write", *([scope] if scope else [])]
        async with world.client(secret=await token_with(world, SALES, *scopes)) as api:
            answers = [
                await api.post(ALERTS, json=body),
                await api.patch(path, json={"events": [name, "zz"]}),
                await api.patch(INBOX, json=hook),
            ]
        wanted = 400 if scope in ALL_NEWS[name] else 403
        assert {answer.status_code for answer in answers} == {wanted}
        codes = {answer.json()["code"] for answer in answers}
        assert codes == {"invalid_fields" if wanted == 400 else "missing_scope"}


async def test_where_events_go_is_changed_by_who_may_read_them(world: World) -> None:
    path = f"{ALERTS}{(await made(world))['alert_id']}/"
    await change(world, INBOX, webhook_url=HOOK["target"], webhook_events=NEWS)
    elsewhere = "https://elsewhere.example.test/"
    async with world.client(secret=await token_with(world, SALES, "alerts:write")) as api:
        refused: tuple[Record, ...] = (
            {"delivery": task("{from}")},
            {"filter": {}},
            {"enabled": True},
            {"x": 1},
        )
        for body in refused:
            answer = await api.patch(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
        moved = await api.patch(INBOX, json={"webhook_url": elsewhere})
        assert (moved.status_code, moved.json()["code"]) == (403, "missing_scope")
        allowed: tuple[tuple[str, Record], ...] = (
            (path, {}),
            (path, {"enabled": False}),
            (INBOX, {"webhook_events": []}),
            (INBOX, {"webhook_url": elsewhere}),
            (INBOX, {"webhook_url": None}),
        )
        for there, body in allowed:
            assert (await api.patch(there, json=body)).status_code == 200
        assert (await api.delete(path)).status_code == 204


@pytest.mark.parametrize(
    ("plan", "governance", "name", "code"),
    [
        ("free", "full", "thread.note_added", "plan_required"),
        ("startup", "none", "list.member_added", "governance_required"),
    ],
)
async def test_a_type_takes_the_plan_and_the_governance_of_reading_it(
    world: World, plan: str, governance: str, name: str, code: str
) -> None:
    key = world.tenant_id
    await world.database.write(
        lambda tx: set_tenant(tx, tenant_id=key, plan=plan, governance=governance)
    )
    for who in (SALES, TENANT_OWNER):
        for events in ([name], [*NEWS, name]):
            asked = {"events": events, "delivery": HOOK, "inbox_id": SALES}
            refused = await post(world, who, ALERTS, **asked)
            assert (refused.status_code, refused.json()["code"]) == (403, code)
    refused = await change(world, INBOX, webhook_url=HOOK["target"], webhook_events=[name])
    assert (refused.status_code, refused.json()["code"]) == (403, code)
    assert (await post(world, SALES, ALERTS, events=NEWS, delivery=HOOK)).status_code == 201


async def test_every_spelling_that_is_shown_is_taken(world: World) -> None:
    path = f"{ALERTS}{(await made(world))['alert_id']}/"
    shown = {"list_id": world.ids[TEAM], "assignee": world.ids[AGENT]}
    for chosen in (
        shown,
        {"list_id": TEAM, "assignee": AGENT},
        {"list_id": TEAM.upper(), "assignee": AGENT.upper()},
    ):
        assert (await change(world, path, filter=chosen)).json()["filter"] == shown
    for chosen, kept in (
        ({"assignee": "me"}, {"assignee": world.ids[SALES]}),
        ({"assignee": "none"}, {"assignee": "none"}),
        ({"from": '"Odd One"@Sender.test'}, {"from": "odd one@sender.test"}),
        ({"from": "@MÜNCHEN.test"}, {"from": "@xn--mnchen-3ya.test"}),
    ):
        for sent in (chosen, kept):
            assert (await change(world, path, filter=sent)).json()["filter"] == kept


async def test_what_is_gone_stays_in_the_filter_that_has_it_and_nowhere_else(
    world: World,
) -> None:
    thread = (await thread_with(world, SALES)).split("/")[-2]
    chosen = {"list_id": world.ids[TEAM], "assignee": world.ids[SUPPORT], "thread_id": thread}
    record = await made(world, filter=chosen)
    path = f"{ALERTS}{record['alert_id']}/"
    (message,) = (await get(world, SALES, "/v1/messages/", thread_id=thread))["results"]
    for gone, who in (
        (f"/v1/distribution-lists/{world.ids[TEAM]}/", TENANT_OWNER),
        (f"/v1/inboxes/{SUPPORT}/", TENANT_OWNER),
        (f"/v1/messages/{message['message_id']}/", SALES),
        (f"/v1/messages/{message['message_id']}/", SALES),
    ):
        assert await delete(world, who, gone) == 204

    assert (await get(world, SALES, path))["filter"] == chosen
    assert (await change(world, path, filter=chosen)).json()["filter"] == chosen
    every = ["filter.list_id", "filter.assignee", "filter.thread_id"]
    fresh = await post(world, SALES, ALERTS, events=NEWS, delivery=HOOK, filter=chosen)
    assert sorted(fields(fresh)) == sorted(every)
    odd = await change(world, path, filter=chosen, odd=1)
    assert fields(odd) == ["odd"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (
            {"delivery": 1, "enabled": 1, "filter": {"thread_id": "zz"}},
            ["delivery", "enabled", "filter.thread_id"],
        ),
        (
            {"delivery": {"type": "webhook", "target": "ftp://x"}, "filter": {"from": 1}},
            ["filter.from", "delivery.target"],
        ),
        (
            {"events": ["thread.closed"], "filter": {"from": "@x.test", "assignee": "x"}},
            ["filter.from", "filter.assignee"],
        ),
    ],
)
async def test_faults_of_a_change_are_told_together(
    world: World, body: Record, wrong: list[str]
) -> None:
    path = f"{ALERTS}{(await made(world))['alert_id']}/"
    assert fields(await change(world, path, **body)) == wrong

"""Every type of event, made to happen, and held against what the catalogue says of it."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from admin_api.access.event_access import ACCESS
from storage.database import Tx
from storage.events.catalogue import EVENT_TYPES
from tests.admin_api.drafts.letters import held_letter
from tests.admin_api.teamwork.team import Record, agenda, delete, get, post, thread_with
from tests.builders import (
    AGENT,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_OWNER,
    World,
    deliver,
    receive,
    token_with,
)
from tests.storage.outbound.queued import claimed, enqueued
from tests.support.checks import check
from tests.support.post_room import parse_waiting
from tests.support.reports import report

TYPES = "/v1/events/types/"
SHARES = "/v1/contacts/shares/"

Make = Callable[[World], Coroutine[Any, Any, object]]


async def told(world: World, who: str, **query: str) -> list[Record]:
    page = await get(world, who, "/v1/events/", **query)
    assert page["cursor"] is None
    found: list[Record] = page["results"]
    return found


async def types_told(world: World, who: str) -> list[str]:
    return [one["type"] for one in await told(world, who)]


async def send(world: World) -> object:
    return await deliver(world, TEAM.lower())


async def assign(world: World) -> object:
    return await post(world, SALES, await thread_with(world, SALES.lower()) + "assign/", to=SUPPORT)


async def unassign(world: World) -> object:
    thread = await thread_with(world, SALES.lower())
    await post(world, SALES, thread + "assign/", to=SUPPORT)
    return await delete(world, SALES, thread + "assign/")


async def annotate(world: World) -> object:
    thread = await thread_with(world, TEAM.lower())
    return await post(world, SALES, thread + "notes/", body="x", mentions=[SUPPORT])


async def set_status(world: World, thread: str, status: str) -> None:
    async with world.client(SALES) as api:
        assert (await api.patch(thread, json={"status": status})).status_code == 200


async def close(world: World) -> None:
    await set_status(world, await thread_with(world, TEAM.lower()), "closed")


async def reopen(world: World) -> None:
    thread = await thread_with(world, TEAM.lower())
    await set_status(world, thread, "closed")
    await set_status(world, thread, "open")


async def reopen_by_mail(world: World) -> object:
    thread = await thread_with(world, TEAM.lower(), name="<first@sender.test>")
    await set_status(world, thread, "closed")
    return await deliver(world, TEAM.lower(), body=b"Again", references=("<first@sender.test>",))


async def check_one(world: World) -> None:
    await check(world, await deliver(world, TEAM.lower()), "verified")


async def share(world: World) -> Any:  # noqa: ANN401
    asked = {"type": "request", "to_inbox_id": SUPPORT, "contact_address": "ann@people.test"}
    return (await post(world, SALES, SHARES, **asked)).json()


async def decline(world: World) -> object:
    return await post(world, SUPPORT, f"{SHARES}{(await share(world))['share_id']}/decline/")


async def hand_over(world: World) -> object:
    card = (await post(world, SALES, "/v1/contacts/", full_name="Ann")).json()
    return await post(world, SALES, f"/v1/contacts/{card['id']}/handoff/", to_inbox_id=SUPPORT)


async def make_task(world: World) -> Any:  # noqa: ANN401
    return (await post(world, SUPPORT, "/v1/tasks/", title="Call")).json()


async def complete_task(world: World) -> object:
    task = f"/v1/tasks/{(await make_task(world))['task_id']}/"
    async with world.client(SUPPORT) as api:
        return await api.patch(task, json={"completed": True})


async def leave(world: World) -> object:
    path = f"/v1/distribution-lists/{world.ids[TEAM]}/members/{SUPPORT}/"
    return await delete(world, TENANT_OWNER, path)


async def join(world: World) -> object:
    await leave(world)
    path = f"/v1/distribution-lists/{world.ids[TEAM]}/members/"
    return await post(world, TENANT_OWNER, path, inbox_id=SUPPORT)


async def mark_read(world: World) -> object:
    await send(world)
    (message, *_) = (await get(world, SUPPORT, "/v1/messages/"))["results"]
    async with world.client(SUPPORT) as api:
        return await api.patch(f"/v1/messages/{message['message_id']}/", json={"is_read": True})


async def send_letter(world: World) -> object:
    await enqueued(world)
    return await claimed(world)


async def bounce_letter(world: World) -> object:
    letter = await enqueued(world)
    await world.database.write(
        lambda tx: tx.execute("DELETE FROM letter_recipients WHERE kind = 'bcc'", {})
    )
    (one,) = await claimed(world)
    to = one.reverse_path(verp=True)
    said = report(("grace@sender.test", "failed", "5.1.1", "no such user"), to=to)
    await receive(world, to, body=said)
    await parse_waiting(world.database, world.clock())
    return letter


async def ask_approval(world: World) -> str:
    approval, _ = await held_letter(world, who=SUPPORT)
    return approval


async def reject(world: World) -> object:
    path = f"/v1/approvals/{await ask_approval(world)}/reject/"
    return await post(world, TENANT_OWNER, path, reason="No.")


# What makes each type happen to Support; the last event of that type is the one.
CAUSES: dict[str, list[Make]] = {
    "message.received": [send],
    "message.changed": [mark_read],
    "message.checked": [check_one],
    "message.sent": [send_letter],
    "message.bounced": [bounce_letter],
    "thread.assigned": [assign],
    "thread.unassigned": [unassign],
    "thread.note_added": [annotate],
    "thread.mentioned": [annotate],
    "thread.closed": [close],
    "thread.reopened": [reopen, reopen_by_mail],
    "contact.share_received": [share],
    "contact.share_resolved": [decline],
    "contact.handoff_received": [hand_over],
    "task.created": [make_task, assign, annotate, share, hand_over],
    "task.completed": [complete_task, unassign, decline],
    "approval.requested": [ask_approval],
    "approval.resolved": [reject],
    "list.member_added": [join],
    "list.member_removed": [leave],
}


def test_every_type_is_made_here() -> None:
    assert CAUSES.keys() == EVENT_TYPES.keys()


def test_the_catalogue_and_the_table_of_access_name_the_same_types() -> None:
    assert set(ACCESS) == set(EVENT_TYPES)


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        pytest.param(kind, make, id=f"{kind} by {make.__name__}")
        for kind, causes in CAUSES.items()
        for make in causes
    ],
)
async def test_what_happens_is_told_as_the_catalogue_says(
    world: World, kind: str, make: Make
) -> None:
    before = [one["event_id"] for one in await told(world, SUPPORT)]
    await make(world)

    found = await told(world, SUPPORT, types=kind)
    new = [one for one in found if one["event_id"] not in before]

    assert len(new) == 1
    event = {name: value for name, value in new[0].items() if name != "event_id"}
    Draft202012Validator(EVENT_TYPES[kind].schema).validate(event)
    assert event["data"]["inbox_id"] == world.ids[SUPPORT]
    assert [one for one in await told(world, AGENT) if one["type"] != "list.member_added"] == []


async def test_the_catalogue_needs_no_credential_and_its_examples_are_good(world: World) -> None:
    async with world.client() as nobody:
        answer = await nobody.get(TYPES)

    assert answer.status_code == 200
    found = {one["type"]: one for one in answer.json()}
    assert found.keys() == EVENT_TYPES.keys()
    for kind, one in found.items():
        assert one["description"].endswith(".")
        assert one["scopes"]
        Draft202012Validator.check_schema(one["schema"])
        Draft202012Validator(one["schema"]).validate(one["example"])
        assert one["example"]["type"] == kind
        for more in ({"subject": "Hello"}, {"text": "x"}):
            bad = one["example"] | {"data": one["example"]["data"] | more}
            assert not Draft202012Validator(one["schema"]).is_valid(bad)


async def test_both_parties_are_told_what_became_of_a_share(world: World) -> None:
    await decline(world)

    assert (await types_told(world, SALES))[-1] == "contact.share_resolved"
    assert (await types_told(world, SUPPORT))[-1] == "contact.share_resolved"


async def test_a_list_that_goes_tells_its_members(world: World) -> None:
    await delete(world, TENANT_OWNER, f"/v1/distribution-lists/{world.ids[TEAM]}/")

    assert (await types_told(world, SALES))[-1] == "list.member_removed"
    assert (await types_told(world, SUPPORT))[-1] == "list.member_removed"


async def test_an_inbox_that_comes_back_hears_what_its_end_did(world: World) -> None:
    await assign(world)
    await delete(world, TENANT_OWNER, f"/v1/inboxes/{SUPPORT}/")
    await post(world, TENANT_OWNER, f"/v1/inboxes/{SUPPORT}/restore/")
    secret = await token_with(world, SUPPORT, "email:read", "task:read")

    async with world.client(secret=secret) as api:
        types = [one["type"] for one in (await api.get("/v1/events/")).json()["results"]]

    assert types[-3:] == ["list.member_removed", "thread.unassigned", "task.completed"]


async def test_who_deletes_the_copy_or_the_note_is_told_no_more(world: World) -> None:
    thread = await thread_with(world, TEAM.lower())
    note = (await post(world, SALES, thread + "notes/", body="x", mentions=[AGENT])).json()
    task = (await agenda(world, AGENT))[0]
    assert await types_told(world, AGENT) == [
        "thread.note_added",
        "thread.mentioned",
        "task.created",
    ]

    assert await delete(world, SALES, f"{thread}notes/{note['note_id']}/") == 204
    assert [one["data"]["task_id"] for one in await told(world, AGENT)] == [task["task_id"]]

    (message,) = (await get(world, SUPPORT, "/v1/messages/"))["results"]
    for _ in range(2):
        await delete(world, SUPPORT, f"/v1/messages/{message['message_id']}/")
    assert "message.received" not in await types_told(world, SUPPORT)
    assert "message.received" in await types_told(world, SALES)


async def test_a_forged_reference_tells_nobody_of_a_thread(world: World) -> None:
    thread = await thread_with(world, SALES.lower(), name="<secret@sender.test>")
    await set_status(world, thread, "closed")
    await deliver(world, AGENT.lower(), body=b"Forged", references=("<secret@sender.test>",))
    await set_status(world, thread, "closed")
    await post(world, SALES, thread + "notes/", body="x")

    assert await types_told(world, AGENT) == ["message.received"]
    assert "thread.reopened" not in await types_told(world, SALES)
    assert "thread.closed" in await types_told(world, SALES)


async def test_a_token_is_told_of_what_it_may_read(world: World) -> None:
    await annotate(world)
    await share(world)
    expected = {
        "email:read": {name for name, access in ACCESS.items() if "email" in str(access)},
        "contacts:read": {name for name in EVENT_TYPES if name.startswith("contact.")},
        "task:read": {name for name in EVENT_TYPES if name.startswith("task.")},
    }
    for scope, kinds in expected.items():
        async with world.client(secret=await token_with(world, SUPPORT, scope)) as api:
            found = {one["type"] for one in (await api.get("/v1/events/")).json()["results"]}
            assert found
            assert found <= kinds
            for kind in EVENT_TYPES:
                answer = await api.get("/v1/events/", params={"types": kind})
                assert answer.status_code == (200 if kind in kinds else 403)


async def test_pages_lead_on_and_what_is_too_old_is_said_to_be(world: World) -> None:
    sent = [await deliver(world, SALES.lower()) for _ in range(7)]
    query = {"types": "message.received,thread.closed", "limit": "3"}
    first = await get(world, SALES, "/v1/events/", **query)
    second = await get(world, SALES, "/v1/events/", **query, cursor=first["cursor"])
    third = await get(world, SALES, "/v1/events/", **query, cursor=second["cursor"])
    pages = [*first["results"], *second["results"], *third["results"]]

    assert [one["data"]["message_id"] for one in pages] == sent
    assert third["cursor"] is None
    behind = await told(world, SALES, after=pages[4]["event_id"])
    assert [one["data"]["message_id"] for one in behind] == sent[5:]

    world.clock.advance(8 * 24 * 3600 * 1_000_000)
    assert await told(world, SALES) == []
    async with world.client(SALES) as api:
        answer = await api.get("/v1/events/", params={"after": pages[4]["event_id"]})
        assert (answer.status_code, answer.json()["code"]) == (400, "position_expired")
        for wrong in ({"after": "msg_x"}, {"types": "message.flown"}, {"types": ""}):
            assert (await api.get("/v1/events/", params=wrong)).status_code == 400


async def test_the_plan_counts_for_events_too(world: World) -> None:
    await annotate(world)

    async def downgrade(tx: Tx) -> None:
        await tx.execute("UPDATE tenants SET plan = 'free'")

    await world.database.write(downgrade)
    assert "thread.note_added" not in await types_told(world, SUPPORT)
    async with world.client(SUPPORT) as api:
        answer = await api.get("/v1/events/", params={"types": "thread.note_added"})
        assert (answer.status_code, answer.json()["code"]) == (403, "plan_required")

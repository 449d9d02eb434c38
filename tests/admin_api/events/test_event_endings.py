"""What is not told: private mail by the side of a forged one, and what is gone by now."""

import pytest

from admin_api.access.event_access import ACCESS
from storage.clock import DAY
from storage.events.catalogue import EVENT_TYPES, Terms, needs_of
from storage.ids import lowest_at, to_text
from tests.admin_api.events.streams import STREAM, streaming
from tests.admin_api.events.test_event_types import (
    SHARES,
    close,
    join,
    make_task,
    set_status,
    share,
    told,
    types_told,
)
from tests.admin_api.teamwork.team import agenda, delete, fields, get, post, status, thread_with
from tests.builders import AGENT, SALES, SUPPORT, TEAM, TENANT_OWNER, World, deliver, token_with

SECRET = ("<secret@sender.test>",)
EVENTS = "/v1/events/"
JOINED = "list.member_added"  # which every world begins with


async def forged_into(world: World) -> str:
    """The thread of private mail to Sales, into which Support got a forged message."""
    thread = await thread_with(world, SALES.lower(), name=SECRET[0])
    await deliver(world, SUPPORT.lower(), body=b"Forged", references=SECRET)
    return thread


async def test_a_forged_message_tells_nobody_when_private_mail_comes(world: World) -> None:
    thread = await forged_into(world)
    await set_status(world, thread, "closed")
    async with streaming(world, SUPPORT) as stream:
        await deliver(world, SALES.lower(), body=b"Answer", references=SECRET)
        assert await stream.silent()

    assert await types_told(world, SUPPORT) == [JOINED, "message.received"]
    assert (await get(world, SUPPORT, thread + "history/")) == []
    assert (await types_told(world, SALES))[-2:] == ["thread.reopened", "message.received"]
    acts = [one["type"] for one in await get(world, SALES, thread + "history/")]
    assert acts == ["closed", "reopened"]


async def test_who_gets_the_mail_that_reopens_a_known_thread_is_told(world: World) -> None:
    thread = await forged_into(world)
    await set_status(world, thread, "closed")
    await deliver(world, TEAM.lower(), body=b"To all", references=SECRET)

    assert "thread.reopened" in await types_told(world, SUPPORT)
    assert "thread.reopened" not in await types_told(world, AGENT)


async def test_of_a_thread_that_is_gone_not_even_ones_own_acts_are_told(world: World) -> None:
    thread = await forged_into(world)
    async with world.client(SUPPORT) as api:
        await api.patch(thread, json={"status": "closed"})
        await api.patch(thread, json={"status": "open"})
    assert "thread.closed" in await types_told(world, SUPPORT)
    (message,) = (await get(world, SUPPORT, "/v1/messages/"))["results"]
    for _ in range(2):
        await delete(world, SUPPORT, f"/v1/messages/{message['message_id']}/")

    assert await status(world, SUPPORT, thread) == 404
    # To the trash, and permanently: the end of the copy itself.
    assert await types_told(world, SUPPORT) == [JOINED, *["message.changed"] * 2]


async def test_a_task_that_is_deleted_is_told_no_more(world: World) -> None:
    task = await make_task(world)
    assert await types_told(world, SUPPORT) == [JOINED, "task.created"]
    await delete(world, SUPPORT, f"/v1/tasks/{task['task_id']}/")

    assert await types_told(world, SUPPORT) == [JOINED]


async def test_a_share_that_is_withdrawn_is_told_by_its_end_alone(world: World) -> None:
    made = await share(world)
    assert "contact.share_received" in await types_told(world, SUPPORT)
    assert await delete(world, SALES, f"{SHARES}{made['share_id']}/") == 204

    kinds = await types_told(world, SUPPORT)
    assert "contact.share_received" not in kinds
    assert "contact.share_resolved" in kinds


async def test_a_card_that_was_deleted_is_told_no_more(world: World) -> None:
    card = (await post(world, SALES, "/v1/contacts/", full_name="Ann")).json()
    await post(world, SALES, f"/v1/contacts/{card['id']}/handoff/", to_inbox_id=SUPPORT)
    (event,) = await told(world, SUPPORT, types="contact.handoff_received")
    await delete(world, SUPPORT, f"/v1/contacts/{event['data']['contact_id']}/")

    assert await told(world, SUPPORT, types="contact.handoff_received") == []
    assert [one["type"] for one in await agenda(world, SUPPORT)] == ["contact_handoff"]


async def test_a_list_that_is_deleted_is_told_by_its_end_alone(world: World) -> None:
    await join(world)
    before = await types_told(world, SUPPORT)
    assert before == [JOINED, "list.member_removed", JOINED]
    await delete(world, TENANT_OWNER, f"/v1/distribution-lists/{world.ids[TEAM]}/")

    assert await types_told(world, SUPPORT) == ["list.member_removed", "list.member_removed"]


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_what_a_type_takes_is_what_reading_takes(name: str) -> None:
    access = ACCESS[name]
    assert needs_of(name) == Terms(access.plan, access.governance)


@pytest.mark.parametrize("path", [EVENTS, STREAM])
async def test_what_may_not_be_read_is_refused_before_any_fault(world: World, path: str) -> None:
    secret = await token_with(world, SALES, "contacts:read")
    query = {"types": "message.received", "limit": "0", "foo": "1"}
    async with world.client(secret=secret) as api:
        answer = await api.get(path, params=query)

    assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


async def test_the_stream_names_all_faults(world: World) -> None:
    query, header = {"foo": "1", "types": "z", "after": "p"}, {"Last-Event-ID": "bad"}
    async with world.client(SALES) as api:
        answer = await api.get(STREAM, params=query, headers=header)
        old = {"Last-Event-ID": to_text("evt", lowest_at(world.clock() - 8 * DAY))}
        gone = await api.get(STREAM, params={"foo": "1"}, headers=old)

    assert sorted(fields(answer)) == ["Last-Event-ID", "after", "foo", "types"]
    assert sorted(fields(gone)) == ["Last-Event-ID", "foo"]


async def test_a_place_that_was_never_given_is_refused(world: World) -> None:
    await close(world)
    last = (await told(world, SALES))[-1]["event_id"]
    future = to_text("evt", lowest_at(world.clock() + DAY))
    async with world.client(SALES) as api:
        listed = await api.get(EVENTS, params={"after": future, "limit": "0"})
        begun = await api.get(STREAM, params={"after": future})
        resumed = await api.get(STREAM, headers={"Last-Event-ID": future})

    assert sorted(fields(listed)) == ["after", "limit"]
    assert fields(begun) == ["after"]
    assert fields(resumed) == ["Last-Event-ID"]
    assert await told(world, SALES, after=last) == []


async def test_a_listing_goes_on_by_one_place_only(world: World) -> None:
    for _ in range(3):
        await deliver(world, SALES.lower())
    first = await get(world, SALES, EVENTS, limit="1")
    both = {"cursor": first["cursor"], "after": first["results"][0]["event_id"]}
    async with world.client(SALES) as api:
        answer = await api.get(EVENTS, params=both)

    assert fields(answer) == ["after"]

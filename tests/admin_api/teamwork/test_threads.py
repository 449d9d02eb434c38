"""Threads over HTTP: who sees them, and what is told of them."""

import pytest

from tests.admin_api.teamwork.team import (
    THREADS,
    delete,
    events,
    fields,
    get,
    post,
    status,
    thread_with,
)
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    MEMBER,
    SALES,
    SUPPORT,
    TENANT_OWNER,
    World,
    deliver,
    token_with,
)


async def test_a_thread_is_told_from_what_its_reader_sees(world: World) -> None:
    thread = await thread_with(world, "team@example.test", subject="Price?", name="<1@x.test>")
    await deliver(world, "sales@example.test", subject="Secret", references=("<1@x.test>",))
    sales, support = await get(world, SALES, thread), await get(world, SUPPORT, thread)
    assert (sales["message_count"], support["message_count"]) == (2, 1)
    assert sales["subject"] == support["subject"] == "Price?"
    assert [one["subject"] for one in sales["messages"]] == ["Price?", "Secret"]
    assert sales["last_message_at"] > support["last_message_at"]
    assert sales["last_message_at"] == sales["messages"][1]["received_at"]
    assert {one["email"] for one in sales["participants"]} == {
        "grace@sender.test",
        "team@example.test",
    }
    assert (sales["status"], sales["assignee"], sales["note_count"]) == ("open", None, 0)
    assert await status(world, AGENT, thread) == 404
    assert await status(world, FOREIGN_INBOX, thread) == 404
    (listed,) = (await get(world, SUPPORT, THREADS))["results"]
    assert listed == {key: value for key, value in support.items() if key != "messages"}


async def test_a_forged_reference_shows_nobody_anything(world: World) -> None:
    thread = await thread_with(world, "sales@example.test", subject="Secret", name="<1@x.test>")
    await post(world, SALES, thread + "notes/", body="For us only")
    await deliver(world, "support@example.test", subject="Forged", references=("<1@x.test>",))
    seen = await get(world, SUPPORT, thread)
    assert (seen["subject"], seen["message_count"], seen["note_count"]) == ("Forged", 1, 0)
    assert await get(world, SUPPORT, thread + "notes/") == []
    assert (await get(world, SALES, thread))["message_count"] == 1
    other = await thread_with(
        world, FOREIGN_INBOX, tenant="Other", subject="Forged", references=("<1@x.test>",)
    )
    assert other != thread


async def test_an_opened_message_has_neither_state_nor_routes(world: World) -> None:
    thread = await thread_with(world, "sales@example.test")
    await post(world, SALES, thread + "assign/", to=AGENT)
    (item,) = (await get(world, AGENT, thread))["messages"]
    path = f"/v1/messages/{item['message_id']}/"
    whole = await get(world, AGENT, path)
    for one in (item, whole):
        assert [one[key] for key in ("folder", "is_read", "is_flagged", "via")] == [None] * 4
    assert whole["envelope"] is None
    async with world.client(AGENT) as api:
        raw = await api.get(path + "raw/")
        assert raw.content.startswith(b"From: Grace")
        for answer in (await api.patch(path, json={"is_read": True}), await api.delete(path)):
            assert (answer.status_code, answer.json()["code"]) == (409, "no_copy")
        assert (await api.get("/v1/messages/")).json()["results"] == []
    assert await status(world, SUPPORT, path) == 404


async def test_what_one_merely_sees_one_cannot_pass_on(world: World) -> None:
    thread = await thread_with(world, "sales@example.test", subject="Secret")
    await post(world, SALES, thread + "assign/", to=AGENT)
    note = (await post(world, AGENT, thread + "notes/", body="Look", mentions=[SUPPORT])).json()
    assert await status(world, SUPPORT, thread) == 404
    assert await get(world, SUPPORT, thread + "notes/") == [note]  # it was written to them
    (task,) = await get(world, SUPPORT, "/v1/agenda/")
    assert task["title"] == "[Mentioned] (no subject)"
    await post(world, AGENT, thread + "assign/", to=SUPPORT)
    assert await status(world, SUPPORT, thread) == 404
    assert await delete(world, SUPPORT, thread + "assign/") == 404


async def test_later_mail_is_opened_while_the_assignment_lasts(world: World) -> None:
    thread = await thread_with(world, "sales@example.test", name="<1@x.test>")
    await post(world, SALES, thread + "assign/", to=AGENT)
    await deliver(world, "sales@example.test", references=("<1@x.test>",), body=b"second")
    await deliver(world, "support@example.test", references=("<1@x.test>",), body=b"theirs")
    assert (await get(world, AGENT, thread))["message_count"] == 2
    assert await delete(world, SALES, thread + "assign/") == 204
    await deliver(world, "sales@example.test", references=("<1@x.test>",), body=b"third")
    assert (await get(world, AGENT, thread))["message_count"] == 2
    assert (await get(world, SALES, thread))["message_count"] == 3
    for message in (await get(world, SALES, thread))["messages"][:2]:
        for _ in range(2):  # to trash, then for good
            await delete(world, SALES, f"/v1/messages/{message['message_id']}/")
    assert await status(world, AGENT, thread) == 404, "the content went with its last copy"


async def test_status_is_changed_told_and_undone_by_new_mail(world: World) -> None:
    thread = await thread_with(world, "team@example.test", name="<1@x.test>")
    async with world.client(SALES) as api:
        for _ in range(2):
            closed = await api.patch(thread, json={"status": "closed"})
            assert (closed.status_code, closed.json()["status"]) == (200, "closed")
        for body in ({"status": "gone"}, {"status": None}, {}, {"status": "open", "subject": "x"}):
            assert (await api.patch(thread, json=body)).status_code == 400
    await deliver(world, "team@example.test", references=("<1@x.test>",), body=b"again")
    assert (await get(world, SUPPORT, thread))["status"] == "open"
    async with world.client(TENANT_OWNER) as api:
        await api.patch(thread, json={"status": "closed", "inbox_id": SALES})
    assert await events(world) == [
        ("thread.closed", None),
        ("thread.reopened", None),
        ("thread.closed", None),
    ]
    history = await get(world, SUPPORT, thread + "history/")
    assert [(one["type"], one["by"] and one["by"]["address"]) for one in history] == [
        ("closed", SALES),
        ("reopened", None),
        ("closed", SALES),
    ]
    assert [one["user_id"] for one in history] == [None, None, world.ids[TENANT_OWNER]]


async def test_threads_are_listed_by_who_has_them_and_how_they_stand(world: World) -> None:
    paths = [
        await thread_with(world, "team@example.test", body=str(number).encode())
        for number in range(4)
    ]
    ids = [path.split("/")[-2] for path in paths]
    await post(world, SALES, paths[0] + "assign/", to=SALES)
    await post(world, SALES, paths[1] + "assign/", to=SUPPORT)
    async with world.client(SALES) as api:
        await api.patch(paths[2], json={"status": "closed"})

    async def listed(who: str, **query: str) -> list[int]:
        found: list[int] = []
        query |= {"limit": "1"}
        while True:
            page = await get(world, who, THREADS, **query)
            found += [ids.index(one["thread_id"]) for one in page["results"]]
            if page["cursor"] is None:
                return found
            query["cursor"] = page["cursor"]

    assert await listed(SALES) == [3, 2, 1, 0]
    assert await listed(SALES, assigned_to="me") == [0]
    assert await listed(SUPPORT, assigned_to="me") == [1]
    assert await listed(SALES, assigned_to="Support@EXAMPLE.test") == [1]
    assert await listed(SALES, assigned_to="none") == [3, 2]
    assert await listed(SALES, status="closed") == [2]
    assert await listed(SALES, status="open", assigned_to="none") == [3]
    assert await listed(SALES, status="closed", assigned_to="me") == []
    assert await listed(SALES, list_id=world.ids["Team@example.test"]) == [3, 2, 1, 0]
    assert await listed(SALES, list_id="TEAM@example.test") == [3, 2, 1, 0]
    assert await listed(SALES, q="hello") == [3, 2, 1, 0]
    assert await listed(SALES, q="hello", status="closed") == [2]
    assert await listed(SALES, q="hello", assigned_to="me") == [0]
    assert await listed(SALES, q="nowhere") == []
    assert await listed(AGENT) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"assigned_to": "team@example.test"}, "assigned_to"),
        ({"assigned_to": FOREIGN_INBOX}, "assigned_to"),
        ({"status": "x"}, "status"),
        ({"list_id": "x"}, "list_id"),
        ({"list_id": "lst_" + "0" * 26}, "list_id"),
        ({"list_id": "all@other.test"}, "list_id"),
        ({"q": "after:yesterday"}, "q"),
        ({"limit": "0"}, "limit"),
        ({"cursor": "x"}, "cursor"),
    ],
)
async def test_a_condition_that_means_nothing_is_400(
    world: World, query: dict[str, str], field: str
) -> None:
    async with world.client(SALES) as api:
        assert fields(await api.get(THREADS, params=query)) == [field]


async def test_a_list_is_a_condition_by_ones_own_copy_only(world: World) -> None:
    """Agent's copy came by its own address; that the list got one too is none of its business."""
    await deliver(world, "agent@example.test", "team@example.test")
    team = world.ids["Team@example.test"]
    assert (await get(world, AGENT, THREADS, list_id=team))["results"] == []
    assert len((await get(world, SALES, THREADS, list_id=team))["results"]) == 1


async def test_a_session_names_its_inbox_and_a_token_needs_the_scope(world: World) -> None:
    thread = await thread_with(world, "support@example.test")
    async with world.client(MEMBER) as api:
        answer = await api.get(thread)
        assert (answer.status_code, answer.json()["code"]) == (400, "inbox_required")
        assert (await api.get(thread, params={"inbox_id": SUPPORT})).status_code == 200
        assert (await api.get(thread, params={"inbox_id": SALES})).status_code == 404
    secret = await token_with(world, SUPPORT, "email:read")
    async with world.client(secret=secret) as api:
        assert (await api.get(thread)).status_code == 200
        assert (await api.patch(thread, json={"status": "closed"})).status_code == 403

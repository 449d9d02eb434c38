"""Tasks and the agenda over HTTP."""

import re

import pytest

from tests.admin_api.teamwork.team import (
    agenda,
    delete,
    events,
    fields,
    get,
    post,
    status,
    thread_with,
)
from tests.builders import AGENT, FOREIGN_INBOX, SALES, SUPPORT, World, token_with


async def own_task(world: World, **body: object) -> str:
    answer = await post(world, SALES, "/v1/tasks/", **{"title": "Call", **body})
    assert answer.status_code == 201, answer.text
    return f"/v1/tasks/{answer.json()['task_id']}/"


async def change(world: World, who: str, path: str, **body: object) -> dict[str, object]:
    async with world.client(who) as api:
        answer = await api.patch(path, json=body)
    return {"status": answer.status_code, **answer.json()} | {"http": answer.status_code}


async def test_a_due_time_takes_the_small_letters_of_rfc_3339(world: World) -> None:
    for typed in ("2030-01-31t09:00:00z", "2030-01-31T10:00:00+01:00"):
        task = await get(world, SALES, await own_task(world, due_at=typed))
        assert task["due_at"] == "2030-01-31T09:00:00.000Z", typed


async def test_the_agenda_begins_with_the_pending_then_goes_by_due_time(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    late = await own_task(world, title="late", due_at="2030-01-01T00:00:00+02:00")
    await own_task(world, title="soon", due_at="2027-01-01T00:00:00Z")
    await own_task(world, title="pending")
    await post(world, SUPPORT, thread + "assign/", to=SALES)
    done = await own_task(world, title="done")
    await change(world, SALES, done, completed=True)
    titles = ["[Assigned] Hello", "pending", "soon", "late"]
    tasks = await agenda(world, SALES)
    assert [task["title"] for task in tasks] == titles
    assert [task["pending"] for task in tasks] == [True, True, False, False]
    assert tasks[3]["due_at"] == "2029-12-31T22:00:00.000Z"
    assert await get(world, SALES, late) == tasks[3]
    everything = await agenda(world, SALES, include_completed="true")
    assert [task["title"] for task in everything] == [*titles, "done"]
    assert everything[4]["pending"] is False
    assert everything[4]["completed_at"] is not None


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_the_agenda_comes_page_by_page(world: World, limit: int) -> None:
    for number in range(3):
        await own_task(world, title=f"pending {number}")
        await own_task(world, title=f"dated {number}", due_at="2027-01-01T00:00:00Z")
        done = await own_task(world, title=f"done {number}")
        await change(world, SALES, done, completed=True)
    whole = await agenda(world, SALES, include_completed="true")
    path: str | None = f"/v1/agenda/?include_completed=true&limit={limit}"
    found = []
    async with world.client(SALES) as api:
        while path:
            answer = await api.get(path)
            found += answer.json()
            assert len(answer.json()) <= limit
            link = re.fullmatch(r'<(.*)>; rel="next"', answer.headers.get("link", ""))
            path = link and link[1]
    assert found == whole
    assert len(whole) == 9


async def test_an_own_task_can_be_rewritten_completed_reopened_and_deleted(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    path = await own_task(world, description="old", due_at="2027-01-01T00:00:00Z")
    changed = await change(
        world, SALES, path, title="New", description=None, thread_id=thread.split("/")[-2]
    )
    assert [changed[key] for key in ("title", "description", "due_at")] == [
        "New",
        None,
        "2027-01-01T00:00:00.000Z",
    ]
    assert changed["thread_id"] == thread.split("/")[-2]
    assert (await change(world, SALES, path, due_at=None))["pending"] is True
    for _ in range(2):
        assert (await change(world, SALES, path, completed=True))["completed_at"] is not None
    assert (await change(world, SALES, path, completed=False))["completed_at"] is None
    assert await events(world) == [("task.created", SALES), ("task.completed", SALES)]
    assert await delete(world, SALES, path) == 204
    assert await status(world, SALES, path) == 404


async def test_what_others_gave_can_be_completed_only(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    await post(world, SALES, thread + "assign/", to=SUPPORT)
    await post(world, SALES, thread + "notes/", body="x", mentions=[SUPPORT])
    for task in await agenda(world, SUPPORT):
        path = f"/v1/tasks/{task['task_id']}/"
        for body in ({"title": "x"}, {"completed": True, "due_at": None}):
            refused = await change(world, SUPPORT, path, **body)
            assert (refused["http"], refused["code"]) == (403, "not_author")
        assert await delete(world, SUPPORT, path) == 403
        assert await status(world, SALES, path) == 404, "it is the receiver's"
        assert (await change(world, SUPPORT, path, completed=True))["http"] == 200
    assert await agenda(world, SUPPORT) == []
    assert (await get(world, SALES, thread))["assignee"]["address"] == SUPPORT


async def test_with_email_write_alone_one_completes_what_one_was_given(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    await post(world, SALES, thread + "assign/", to=SUPPORT)
    (task,) = await agenda(world, SUPPORT)
    answer = await post(world, SUPPORT, "/v1/tasks/", title="own")
    own = f"/v1/tasks/{answer.json()['task_id']}/"
    given = f"/v1/tasks/{task['task_id']}/"
    async with world.client(secret=await token_with(world, SUPPORT, "email:write")) as api:
        for path, body in (
            (own, {"completed": True}),
            (given, {"completed": False}),
            (given, {"title": "x"}),
        ):
            refused = await api.patch(path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
        assert (await api.patch(given, json={"completed": True})).status_code == 200
        assert (await api.get(given)).status_code == 403
        assert (await api.delete(own)).status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": "a\nb"}, "title"),
        ({"title": "x", "due_at": "tomorrow"}, "due_at"),
        ({"title": "x", "due_at": "1969-12-31T23:59:59Z"}, "due_at"),
        ({"title": "x", "due_at": "9999-12-31T23:59:59-23:59"}, "due_at"),
        ({"title": "x", "description": 1}, "description"),
        ({"title": "x", "thread_id": "thr_" + "0" * 26}, "thread_id"),
        ({"title": "x", "thread_id": "x"}, "thread_id"),
        ({"title": "x", "created_by": "x"}, "created_by"),
        ({"title": "x", "type": "assignment"}, "type"),
    ],
)
async def test_a_task_that_is_none_is_400(
    world: World, body: dict[str, object], field: str
) -> None:
    assert fields(await post(world, SALES, "/v1/tasks/", **body)) == [field]


async def test_a_thread_that_is_not_seen_is_as_one_that_is_not_there(world: World) -> None:
    theirs = await thread_with(world, "support@example.test")
    foreign = await thread_with(world, FOREIGN_INBOX, tenant="Other")
    named = [theirs.split("/")[-2], foreign.split("/")[-2], "thr_" + "0" * 26, "x"]
    answers = [await post(world, SALES, "/v1/tasks/", title="x", thread_id=one) for one in named]
    assert {one.content for one in answers} == {answers[0].content}
    path = await own_task(world)
    for one in named:
        assert (await change(world, SALES, path, thread_id=one))["http"] == 400


async def test_an_agenda_is_one_inboxs(world: World) -> None:
    path = await own_task(world)
    assert await agenda(world, AGENT) == []
    for who in (AGENT, FOREIGN_INBOX):
        assert await status(world, who, path) == 404
    async with world.client(SALES) as api:
        for cursor in ("x", "A" * 33, "_" * 34):
            answer = await api.get("/v1/agenda/", params={"cursor": cursor})
            assert answer.status_code == 400

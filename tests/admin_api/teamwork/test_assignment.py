"""Assigning threads over HTTP, and handing them over."""

import asyncio

import pytest

from storage.database import Tx
from storage.maintenance.inbox_removal import delete_inbox
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
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    MEMBER,
    SALES,
    SUPPORT,
    TENANT_OWNER,
    World,
)

NOBODY = [
    "unknown@example.test",
    FOREIGN_INBOX,
    "team@example.test",
    "support+x@example.test",
    MEMBER,
    "nonsense",
]


async def test_an_assigned_thread_is_on_the_agenda_with_the_note(world: World) -> None:
    thread = await thread_with(world, "team@example.test", subject="Renewal")
    answer = await post(
        world, SALES, thread + "assign/", to="SUPPORT@example.test", note="Needs legal review"
    )
    assert (answer.status_code, answer.json()) == (200, {"assigned": True, "to": SUPPORT})
    (task,) = await agenda(world, SUPPORT)
    expected = {
        "type": "assignment",
        "title": "[Assigned] Renewal",
        "description": "Needs legal review",
        "pending": True,
        "due_at": None,
        "thread_id": thread.split("/")[-2],
        "created_by": world.ids[SALES],
    }
    assert {key: task[key] for key in expected} == expected
    assignee = {"inbox_id": world.ids[SUPPORT], "address": SUPPORT}
    assert (await get(world, SALES, thread))["assignee"] == assignee
    assert await events(world) == [("thread.assigned", SUPPORT), ("task.created", SUPPORT)]


async def test_a_forged_reference_tells_nothing_of_who_has_a_private_thread(world: World) -> None:
    thread = await thread_with(world, SALES, name="private@client.test")
    await post(world, SALES, thread + "assign/", to=AGENT)
    async with world.client(SALES) as api:
        await api.patch(thread, json={"status": "closed"})
    assert await thread_with(world, SUPPORT, references=("private@client.test",)) == thread

    seen = await get(world, SUPPORT, thread)
    assert seen["assignee"] is None
    assert await get(world, SUPPORT, thread + "history/") == []
    found = await get(world, SUPPORT, "/v1/messages/threads/", assigned_to=AGENT)
    assert found["results"] == []
    found = await get(world, SUPPORT, "/v1/messages/threads/", assigned_to="none")
    assert len(found["results"]) == 1
    assert await delete(world, SUPPORT, thread + "assign/") == 204

    assert (await get(world, SALES, thread))["assignee"]["address"] == AGENT
    assert len(await agenda(world, AGENT)) == 1
    kinds = [entry["type"] for entry in await get(world, AGENT, thread + "history/")]
    assert kinds[:2] == ["assigned", "closed"]


async def test_the_same_again_makes_no_second_task(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    for text in ("first", None, "second"):
        await post(world, SALES, thread + "assign/", to=SUPPORT, note=text)
    (task,) = await agenda(world, SUPPORT)
    assert task["description"] == "second"
    async with world.client(SUPPORT) as api:
        await api.patch(f"/v1/tasks/{task['task_id']}/", json={"completed": True})
    await post(world, SALES, thread + "assign/", to=SUPPORT)
    (again,) = await agenda(world, SUPPORT, include_completed="true")
    assert again == task, "it is the same one, open again"
    assert [one["type"] for one in await get(world, SALES, thread + "history/")] == ["assigned"] * 4


async def test_who_had_it_before_is_done_with_it(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    await post(world, SALES, thread + "assign/", to=SUPPORT)
    await post(world, SUPPORT, thread + "assign/", to=AGENT)
    assert await agenda(world, SUPPORT) == []
    assert len(await agenda(world, AGENT)) == 1
    assert await delete(world, AGENT, thread + "assign/") == 204
    assert await delete(world, AGENT, thread + "assign/") == 204
    assert await agenda(world, AGENT) == []
    assert (await get(world, SALES, thread))["assignee"] is None
    history = await get(world, SALES, thread + "history/")
    told = [(one["type"], one["assignee"]["address"], one["by"]["address"]) for one in history]
    assert told == [
        ("assigned", SUPPORT, SALES),
        ("assigned", AGENT, SUPPORT),
        ("unassigned", AGENT, AGENT),
    ]
    assert await events(world) == [
        ("thread.assigned", SUPPORT),
        ("task.created", SUPPORT),
        ("thread.unassigned", SUPPORT),
        ("task.completed", SUPPORT),
        ("thread.assigned", AGENT),
        ("task.created", AGENT),
        ("thread.unassigned", AGENT),
        ("task.completed", AGENT),
    ]


async def test_to_nobody_known_is_400_and_changes_nothing(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    answers = [await post(world, SALES, thread + "assign/", to=one) for one in NOBODY]
    answers += [await post(world, SALES, thread + "handoff/", to=one, note="x") for one in NOBODY]
    assert {one.content for one in answers} == {answers[0].content}
    assert fields(answers[0]) == ["to"]
    assert (await get(world, SALES, thread))["assignee"] is None
    assert await get(world, SALES, thread + "notes/") == []
    assert await events(world) == []
    for body, field in (({}, "to"), ({"to": SUPPORT, "note": 1}, "note"), ({"to": None}, "to")):
        assert fields(await post(world, SALES, thread + "assign/", **body)) == [field]


async def test_assigning_to_oneself_works_and_opens_nothing(world: World) -> None:
    thread = await thread_with(world, "team@example.test", name="<1@x.test>")
    await post(world, SALES, thread + "assign/", to=SALES)
    assert len(await agenda(world, SALES)) == 1
    await thread_with(world, "support@example.test", references=("<1@x.test>",), body=b"2")
    assert (await get(world, SALES, thread))["message_count"] == 1


async def test_each_who_assigns_opens_their_own_for_as_long_as_it_lasts(world: World) -> None:
    thread = await thread_with(world, "sales@example.test", name="<1@x.test>")
    refers = {"references": ("<1@x.test>",)}
    await thread_with(world, "support@example.test", body=b"2", **refers)
    await post(world, SALES, thread + "assign/", to=AGENT)
    assert (await get(world, AGENT, thread))["message_count"] == 1
    await post(world, SUPPORT, thread + "assign/", to=AGENT)
    assert (await get(world, AGENT, thread))["message_count"] == 2
    await thread_with(world, "sales@example.test", body=b"3", **refers)
    await thread_with(world, "support@example.test", body=b"4", **refers)
    assert (await get(world, AGENT, thread))["message_count"] == 4
    await post(world, SALES, thread + "assign/", to=SUPPORT)
    await thread_with(world, "sales@example.test", body=b"5", **refers)
    assert (await get(world, AGENT, thread))["message_count"] == 4
    assert (await get(world, SUPPORT, thread))["message_count"] == 5


async def test_of_parallel_assignments_the_last_wins_and_all_are_on_record(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    receivers = [SALES, SUPPORT, AGENT] * 6
    answers = await asyncio.gather(
        *(post(world, SALES, thread + "assign/", to=one) for one in receivers)
    )
    assert {answer.status_code for answer in answers} == {200}
    history = await get(world, SALES, thread + "history/")
    assert len(history) == len(receivers)
    last = history[-1]["assignee"]
    assert (await get(world, SALES, thread))["assignee"] == last
    for one in (SALES, SUPPORT, AGENT):
        assert len(await agenda(world, one)) == (1 if one == last["address"] else 0)


async def test_a_deleted_inbox_has_no_thread_in_hand(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    await post(world, SALES, thread + "assign/", to=AGENT)

    async def remove(tx: Tx) -> None:
        inbox_id, now = world.raw[AGENT], world.clock()
        await delete_inbox(tx, tenant_id=world.tenant_id, inbox_id=inbox_id, now=now)

    await world.database.write(remove)
    assert (await get(world, SALES, thread))["assignee"] is None
    history = await get(world, SALES, thread + "history/")
    assert [one["type"] for one in history] == ["assigned", "unassigned"]


async def test_a_handover_is_one_act_with_one_task(world: World) -> None:
    thread = await thread_with(world, "sales@example.test", subject="Renewal")
    answer = await post(world, SALES, thread + "handoff/", to=AGENT, note="Yours now")
    note = answer.json()["note"]
    assert answer.status_code == 200
    assert answer.json() == {"assigned": True, "to": AGENT, "note": note}
    assert (note["body"], note["mentions"]) == ("Yours now", [AGENT])
    (task,) = await agenda(world, AGENT)
    told = [task[key] for key in ("type", "title", "description", "note_id")]
    assert told == ["assignment", "[Assigned] Renewal", "Yours now", note["note_id"]]
    assert await get(world, AGENT, thread + "notes/") == [note]
    assert [kind for kind, _ in await events(world)] == [
        "thread.note_added",
        "thread.mentioned",
        "thread.assigned",
        "task.created",
    ]
    assert await delete(world, SALES, f"{thread}notes/{note['note_id']}/") == 204
    (task,) = await agenda(world, AGENT)
    assert (task["description"], task["note_id"]) == (None, None)


async def test_a_handover_without_a_note_leaves_none(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    answer = await post(world, SALES, thread + "handoff/", to=SUPPORT)
    assert answer.json() == {"assigned": True, "to": SUPPORT, "note": None}
    assert await get(world, SALES, thread + "notes/") == []
    assert len(await agenda(world, SUPPORT)) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"to": SUPPORT, "note": ""}, "note"),
        ({"to": SUPPORT, "note": "x" * 10_001}, "note"),
        ({"to": SUPPORT, "share_contact": True}, "share_contact"),
        ({"note": "x"}, "to"),
    ],
)
async def test_a_handover_with_a_bad_part_does_not_happen(
    world: World, body: dict[str, object], field: str
) -> None:
    thread = await thread_with(world, "team@example.test")
    assert fields(await post(world, SALES, thread + "handoff/", **body)) == [field]
    assert await events(world) == []


async def test_the_person_who_acts_is_on_record(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    await post(world, TENANT_OWNER, thread + "assign/", to=AGENT, inbox_id=SUPPORT)
    (entry,) = await get(world, SALES, thread + "history/")
    assert (entry["by"]["address"], entry["user_id"]) == (SUPPORT, world.ids[TENANT_OWNER])
    assert await status(world, FOREIGN_INBOX, thread + "history/") == 404

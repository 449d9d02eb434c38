"""Notes and mentions over HTTP."""

import asyncio

import pytest

from gateway.jobs import retention
from storage.accounts import tenants
from storage.address import parse_address
from storage.clock import DAY
from storage.database import Tx
from storage.directory import inboxes
from storage.directory.domains import trust_domain
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
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
)

GOOD = {"body": "@alice@example.com review this before replying"}


async def test_a_note_is_as_typed_and_seen_by_who_sees_the_mail(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    body = " *Ünï\r\n<script>{x}</script> "
    answer = await post(world, SALES, thread + "notes/", body=body)
    note = answer.json()
    assert answer.status_code == 201
    assert note == {
        "note_id": note["note_id"],
        "author_inbox_id": world.ids[SALES],
        "body": body,
        "mentions": [],
        "created_at": note["created_at"],
    }
    assert await get(world, SUPPORT, thread + "notes/") == [note]
    assert (await get(world, SUPPORT, thread))["note_count"] == 1
    assert await status(world, AGENT, thread + "notes/") == 404
    assert (await post(world, AGENT, thread + "notes/", **GOOD)).status_code == 404
    assert await status(world, FOREIGN_INBOX, thread + "notes/") == 404


async def test_a_mention_opens_the_thread_and_makes_one_task(world: World) -> None:
    thread = await thread_with(world, "team@example.test", subject="Renewal")
    mentions = ["AGENT@Example.Test", SALES, "agent@example.test.", '"agent"@EXAMPLE.test']
    note = (await post(world, SALES, thread + "notes/", body="CANARY", mentions=mentions)).json()
    assert note["mentions"] == [AGENT]
    assert (await get(world, AGENT, thread))["message_count"] == 1
    (task,) = await agenda(world, AGENT)
    expected = {
        "type": "mention",
        "title": "[Mentioned] Renewal",
        "description": None,
        "pending": True,
        "due_at": None,
        "thread_id": thread.split("/")[-2],
        "note_id": note["note_id"],
        "created_by": world.ids[SALES],
        "completed_at": None,
    }
    assert {key: task[key] for key in expected} == expected
    assert await agenda(world, SALES) == []
    assert await events(world) == [
        ("thread.note_added", None),
        ("thread.mentioned", AGENT),
        ("task.created", AGENT),
    ]


async def test_an_address_is_found_in_any_spelling_of_its_domain(world: World) -> None:
    async def work(tx: Tx) -> None:
        now = world.clock()
        await trust_domain(tx, tenant_id=world.tenant_id, name="xn--bcher-kva.example", now=now)
        await inboxes.create_inbox(
            tx,
            tenant_id=world.tenant_id,
            address=parse_address("Lea@bücher.example"),
            display_name="",
            owner_user_id=None,
            now=now,
        )

    await world.database.write(work)
    thread = await thread_with(world, "team@example.test")
    for spelling in ("lea@xn--bcher-kva.example", "LEA@BÜCHER.example", "lea@bu\u0308cher.example"):
        answer = await post(world, SALES, thread + "notes/", body="x", mentions=[spelling])
        assert answer.json()["mentions"] == ["Lea@bücher.example"]


async def test_whom_nobody_can_mention_all_look_alike(world: World) -> None:
    thread = await thread_with(world, "team@example.test")

    async def remove(tx: Tx) -> None:
        inbox_id, now = world.raw[AGENT], world.clock()
        await delete_inbox(tx, tenant_id=world.tenant_id, inbox_id=inbox_id, now=now)

    await world.database.write(remove)
    nobody = [
        "unknown@example.test",
        FOREIGN_INBOX,
        "team@example.test",
        "sales+tag@example.test",
        MEMBER,
        AGENT,
        "nonsense",
        world.ids[SUPPORT],
    ]
    answers = [
        await post(world, SALES, thread + "notes/", body="x", mentions=[SUPPORT, one])
        for one in nobody
    ]
    assert {one.content for one in answers} == {answers[0].content}
    assert fields(answers[0]) == ["mentions[1]"]
    several = await post(world, SALES, thread + "notes/", body="x", mentions=nobody[:3])
    assert fields(several) == ["mentions[0]", "mentions[1]", "mentions[2]"]
    assert await get(world, SALES, thread + "notes/") == []
    assert await agenda(world, SUPPORT) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"body": ""}, "body"),
        ({"body": " \n\u00a0"}, "body"),
        ({"body": "x" * 10_001}, "body"),
        ({"body": None}, "body"),
        ({"body": 1}, "body"),
        ({"body": "x", "mentions": "a@b.c"}, "mentions"),
        ({"body": "x", "mentions": [1]}, "mentions[0]"),
        ({"body": "x", "tenant_id": "x"}, "tenant_id"),
        ({"body": "x", "author_inbox_id": "x"}, "author_inbox_id"),
    ],
)
async def test_a_note_that_is_none_is_400(
    world: World, body: dict[str, object], field: str
) -> None:
    thread = await thread_with(world, "team@example.test")
    assert fields(await post(world, SALES, thread + "notes/", **body)) == [field]


async def test_only_the_author_deletes_a_note_and_with_it_what_it_opened(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    note = (await post(world, SALES, thread + "notes/", body="x", mentions=[AGENT])).json()
    path = f"{thread}notes/{note['note_id']}/"
    other = await thread_with(world, "team@example.test", body=b"other")
    async with world.client(SUPPORT) as api:
        answer = await api.delete(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_author")
    assert await delete(world, FOREIGN_INBOX, path) == 404
    assert await delete(world, SALES, f"{other}notes/{note['note_id']}/") == 404
    assert await delete(world, SALES, path) == 204
    assert await delete(world, SALES, path) == 404
    assert await status(world, AGENT, thread) == 404
    (task,) = await agenda(world, AGENT)
    assert (task["title"], task["note_id"]) == ("[Mentioned] Hello", None)


async def test_of_an_inboxs_people_the_writer_and_the_owner_delete(world: World) -> None:
    thread = await thread_with(world, "team@example.test")

    async def written_by(who: str) -> str:
        body = {"body": "x", "inbox_id": SUPPORT}
        return str((await post(world, who, thread + "notes/", **body)).json()["note_id"])

    async def deleted_by(who: str, note_id: str) -> int:
        return await delete(world, who, f"{thread}notes/{note_id}/", inbox_id=SUPPORT)

    assert await deleted_by(TENANT_ADMIN, await written_by(TENANT_ADMIN)) == 204
    by_owner = await written_by(TENANT_OWNER)
    assert await deleted_by(TENANT_ADMIN, by_owner) == 403
    assert await deleted_by(MEMBER, by_owner) == 204  # owns the inbox
    by_member = await written_by(MEMBER)
    assert await deleted_by(TENANT_OWNER, by_member) == 403
    assert await delete(world, SUPPORT, f"{thread}notes/{by_member}/") == 204  # its token


async def test_after_90_days_a_note_is_gone_and_its_task_is_not(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    await post(world, SALES, thread + "notes/", body="CANARY", mentions=[AGENT])
    world.clock.advance(90 * DAY - 1)
    assert len(await get(world, AGENT, thread + "notes/")) == 1
    world.clock.advance(1)
    assert await get(world, SALES, thread + "notes/") == []
    assert (await get(world, SALES, thread))["note_count"] == 0
    for removed in (False, True):
        if removed:
            await retention.one_round(world.database, world.content, now=world.clock())
        assert await status(world, AGENT, thread) == 404
        (task,) = await agenda(world, AGENT)
        assert (task["description"], task["note_id"]) == (None, None)
    for table in ("notes", "note_mentions", "note_messages"):
        rows = await world.database.read(lambda tx, t=table: tx.fetch_all(f"SELECT * FROM {t}"))  # type: ignore[misc]
        assert rows == []


async def test_a_note_is_seen_by_who_sees_what_its_author_saw(world: World) -> None:
    thread = await thread_with(world, "sales@example.test", name="<1@x.test>")
    await post(world, SALES, thread + "notes/", body="before")
    await thread_with(world, "team@example.test", references=("<1@x.test>",), body=b"2")
    await post(world, SALES, thread + "notes/", body="after")
    assert [note["body"] for note in await get(world, SUPPORT, thread + "notes/")] == ["after"]
    await post(world, SUPPORT, thread + "notes/", body="theirs")
    bodies = [note["body"] for note in await get(world, SALES, thread + "notes/")]
    assert bodies == ["before", "after", "theirs"]


async def test_notes_come_page_by_page(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    for number in range(3):
        await post(world, SALES, thread + "notes/", body=str(number))
    async with world.client(SUPPORT) as api:
        first = await api.get(thread + "notes/", params={"limit": "2"})
        link = first.headers["link"]
        second = await api.get(link[1 : link.index(">")])
    assert [note["body"] for note in first.json()] == ["0", "1"]
    assert [note["body"] for note in second.json()] == ["2"]
    assert "link" not in second.headers


async def test_without_the_plan_notes_assignment_and_templates_are_refused(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    await post(world, SALES, thread + "notes/", body="x")
    await world.database.write(
        lambda tx: tenants.set_tenant(tx, tenant_id=world.tenant_id, plan="free", governance="full")
    )
    async with world.client(SALES) as api:
        for method, path, body in (
            ("GET", thread + "notes/", None),
            ("POST", thread + "notes/", {"body": "x"}),
            ("POST", thread + "assign/", {"to": SALES}),
            ("DELETE", thread + "assign/", None),
            ("POST", thread + "handoff/", {"to": SALES}),
            ("GET", "/v1/templates/", None),
        ):
            answer = await api.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "plan_required"), path
        assert (await api.get(thread)).status_code == 200
        assert (await api.get("/v1/agenda/")).status_code == 200


async def test_many_notes_at_once_are_all_there(world: World) -> None:
    thread = await thread_with(world, "team@example.test")
    answers = await asyncio.gather(
        *(post(world, SALES, thread + "notes/", body="x", mentions=[SUPPORT]) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len(await agenda(world, SUPPORT)) == 20

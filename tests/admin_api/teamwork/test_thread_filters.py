"""What a row of the thread list tells, and by what threads and messages are found."""

import pytest

from tests.admin_api.teamwork.team import THREADS, get, post, thread_with
from tests.builders import AGENT, FOREIGN_INBOX, SALES, SUPPORT, World, deliver

MESSAGES = "/v1/messages/"


async def subjects(world: World, who: str, path: str = THREADS, **query: str) -> str:
    async with world.client(who) as api:
        answer = await api.get(path, params={"limit": "1", **query})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found = page["results"]
        while page["cursor"]:
            query["cursor"] = page["cursor"]
            page = (await api.get(path, params={"limit": "1", **query})).json()
            found += page["results"]
    return " ".join(one["subject"] for one in found)


async def mark(world: World, message: str, **change: object) -> None:
    async with world.client(SALES) as api:
        assert (await api.patch(f"{MESSAGES}{message}/", json=change)).status_code == 200


async def messages_of(world: World) -> dict[str, str]:
    """Four threads of Sales, oldest first: unread, read, flagged in the archive, closed."""
    found = {
        name: await deliver(world, "sales@example.test", subject=name, name=f"<{name}@x.test>")
        for name in ("new", "old", "starred", "done")
    }
    await mark(world, found["old"], is_read=True)
    await mark(world, found["starred"], is_read=True, is_flagged=True, folder="archive")
    async with world.client(SALES) as api:
        for thread in (await api.get(THREADS)).json()["results"]:
            if thread["subject"] == "done":
                await api.patch(THREADS + thread["thread_id"] + "/", json={"status": "closed"})
            if thread["subject"] == "old":
                await api.post(THREADS + thread["thread_id"] + "/assign/", json={"to": SUPPORT})
    return found


async def test_a_row_tells_of_its_newest_message_and_of_the_copies_of_the_inbox(
    world: World,
) -> None:
    thread = await thread_with(world, "team@example.test", subject="Price?", name="<1@x.test>")
    await deliver(world, "sales@example.test", references=("<1@x.test>",), subject="Secret")
    (item, newer) = (await get(world, SALES, thread))["messages"]
    await mark(world, item["message_id"], is_read=True, is_flagged=True, folder="archive")

    (row,) = (await get(world, SALES, THREADS))["results"]
    assert (row["unread_count"], row["is_flagged"]) == (1, True)
    assert (row["folders"], row["has_attachments"]) == (["inbox", "archive"], False)
    assert [one["address"] for one in row["via"]] == ["Sales@example.test", "Team@example.test"]
    assert (row["last_from"], row["preview"]) == (newer["from"], newer["preview"])

    (row,) = (await get(world, SUPPORT, THREADS))["results"]
    assert (row["unread_count"], row["is_flagged"], row["folders"]) == (1, False, ["inbox"])
    assert [one["address"] for one in row["via"]] == ["Team@example.test"]

    await post(world, SALES, thread + "assign/", to=AGENT)
    (row,) = (await get(world, AGENT, THREADS))["results"]
    assert (row["unread_count"], row["folders"], row["via"]) == (0, [], [])


async def test_threads_are_found_by_folder_and_marks(world: World) -> None:
    await messages_of(world)
    for query, expected in {
        "": "done starred old new",
        "folder=inbox": "done old new",
        "folder=archive": "starred",
        "unread=true": "done new",
        "unread=false": "starred old",
        "flagged=true": "starred",
        "flagged=false": "done old new",
        "folder=inbox&unread=true&status=open": "new",
        "folder=inbox&assigned_to=none": "done new",
        f"folder=inbox&assigned_to={SUPPORT}": "old",
        f"folder=archive&assigned_to={SUPPORT}": "",
        "folder=trash": "",
        "q=is:unread": "done new",
        "q=is:read": "starred old",
        "q=is:flagged in:archive": "starred",
        "q=is:flagged in:inbox": "",
        "q=is:open is:unread": "new",
        "q=is:closed": "done",
        "q=is:open is:closed": "",
        "q=is:read is:unread": "",
        "q=in:inbox in:archive": "",
        f"q=assigned:{SUPPORT}": "old",
        "q=assigned:me": "",
        "q=assigned:none": "done starred new",
        "q=assigned:none assigned:me": "",
        "q=in:inbox subject:new": "new",
        "q=in:archive subject:new": "",
        "q=is:closed subject:done": "done",
        "status=open&q=is:closed": "",
    }.items():
        asked = dict(part.split("=", 1) for part in query.split("&") if part)
        assert await subjects(world, SALES, **asked) == expected, query
    assert await subjects(world, SUPPORT, q="assigned:me") == "old"
    assert await subjects(world, SUPPORT, folder="inbox") == "", "it was opened, not delivered"


async def test_messages_take_the_same_operators(world: World) -> None:
    await messages_of(world)
    for query, expected in {
        "q=is:unread": "done new",
        "q=in:archive": "starred",
        "q=in:archive&folder=inbox": "",
        "q=is:flagged&folder=all": "starred",
        "q=is:flagged": "",
        "q=is:closed": "done",
        f"q=assigned:{SUPPORT}": "old",
        "q=assigned:me": "",
        "q=assigned:none&folder=all": "done starred new",
        "q=is:read is:unread": "",
        "q=IS:Unread sender": "done new",
        "unread=true": "done new",
        "unread=false": "old",
    }.items():
        asked = dict(part.split("=", 1) for part in query.split("&"))
        assert await subjects(world, SALES, MESSAGES, **asked) == expected, query


@pytest.mark.parametrize("path", [THREADS, MESSAGES])
async def test_an_operator_with_an_unknown_value_is_a_fault_of_q(world: World, path: str) -> None:
    async with world.client(SALES) as api:
        for text in (
            "is:new",
            "is:",
            "in:drafts",
            'in:""',
            "assigned:bob",
            "assigned:nobody@example.test",
            "assigned:team@example.test",
            f"assigned:{FOREIGN_INBOX}",
        ):
            answer = await api.get(path, params={"q": text})
            if text == "is:":
                assert answer.status_code == 200, "it is a word"
                continue
            assert answer.status_code == 400, text
            assert [one["field"] for one in answer.json()["errors"]] == ["q"], text

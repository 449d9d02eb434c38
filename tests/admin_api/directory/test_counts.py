"""What waits for an inbox, in numbers."""

import pytest

from storage.clock import MINUTE
from storage.database import Tx
from storage.mailbox.visibility import View
from storage.teamwork import counts
from tests.builders import (
    AGENT,
    MEMBER,
    SALES,
    SUPPORT,
    TEAM,
    TENANT_OWNER,
    World,
    deliver,
    token_with,
)
from tests.support.engines import Engine

THREADS = "/v1/messages/threads/"


async def counted(world: World, who: str = SALES, inbox: str = SALES) -> dict[str, object]:
    async with world.client(who) as api:
        answer = await api.get(f"/v1/inboxes/{inbox}/counts/")
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_counts_follow_marks_folders_assignments_and_tasks(world: World) -> None:
    one = await deliver(world, TEAM.lower(), subject="by the list")
    two = await deliver(world, "sales@example.test", subject="direct")
    three = await deliver(world, "sales@example.test", subject="junk")
    async with world.client(SALES) as api:
        await api.patch(f"/v1/messages/{three}/", json={"folder": "junk"})
        before = await counted(world)
        assert before["unread"] == {"inbox": 2, "archive": 0, "junk": 1, "trash": 0, "sent": 0}
        assert before["by_list"] == [{"list_id": world.ids[TEAM], "unread": 1}]
        assert (before["mine"], before["unassigned"], before["agenda"]) == (0, 2, 0)

        for thread in (await api.get(THREADS)).json()["results"]:
            path = THREADS + thread["thread_id"] + "/"
            if thread["subject"] == "direct":
                await api.post(path + "assign/", json={"to": SALES})
            if thread["subject"] == "by the list":
                await api.patch(path, json={"status": "closed"})
        await api.post("/v1/tasks/", json={"title": "Call"})
        await api.patch(f"/v1/messages/{one}/", json={"is_read": True})
        await api.patch(f"/v1/messages/{two}/", json={"folder": "archive"})
    after = await counted(world)
    assert after["unread"] == {"inbox": 0, "archive": 1, "junk": 1, "trash": 0, "sent": 0}
    assert after["by_list"] == [{"list_id": world.ids[TEAM], "unread": 0}]
    assert (after["mine"], after["unassigned"], after["agenda"]) == (1, 0, 2)
    assert (await counted(world, SUPPORT, SUPPORT))["unread"] == {
        "inbox": 1,
        "archive": 0,
        "junk": 0,
        "trash": 0,
        "sent": 0,
    }


async def test_a_count_ends_at_its_most(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "MOST", 2)
    for number in range(3):
        await deliver(world, TEAM.lower(), subject=f"{number}")
        async with world.client(SALES) as api:
            await api.post("/v1/tasks/", json={"title": "Call"})
    found = await counted(world)
    assert found["unread"] == {"inbox": 2, "archive": 0, "junk": 0, "trash": 0, "sent": 0}
    assert found["by_list"] == [{"list_id": world.ids[TEAM], "unread": 2}]
    assert (found["unassigned"], found["agenda"]) == (2, 2)


async def test_counts_are_exact_whatever_came_after(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread is old, and all mail behind it is read, closed or came otherwise."""
    monkeypatch.setattr(counts, "_LOOKED_AT", 2)
    await deliver(world, TEAM.lower(), subject="old")
    for number in range(4):
        await deliver(world, "sales@example.test", subject=f"{number}")
    async with world.client(SALES) as api:
        for thread in (await api.get(THREADS)).json()["results"][:4]:
            path = THREADS + thread["thread_id"] + "/"
            done = {"status": "closed"} if thread["subject"] in "012" else {"status": "open"}
            await api.patch(path, json=done)
            if thread["subject"] == "2":
                await api.post(path + "assign/", json={"to": SALES})
    found = await counted(world)
    assert found["by_list"] == [{"list_id": world.ids[TEAM], "unread": 1}]
    assert (found["mine"], found["unassigned"]) == (0, 2)

    # All open threads, from the other side; and as much is unread, from the mail of the list.
    monkeypatch.setattr(counts, "MOST", 4)
    await deliver(world, AGENT, subject="of nobody here")  # counts are kept until something is new
    found = await counted(world)
    assert found["by_list"] == [{"list_id": world.ids[TEAM], "unread": 1}]
    assert found["unassigned"] == 2


async def test_counts_are_for_who_may_act_for_the_inbox(world: World) -> None:
    narrow = await token_with(world, SALES, "contacts:read")
    for who, secret, inbox, status in (
        (TENANT_OWNER, None, SALES, 200),
        (TENANT_OWNER, None, SUPPORT, 200),
        (MEMBER, None, SUPPORT, 200),
        (MEMBER, None, SALES, 404),
        (SALES, None, SUPPORT, 404),
        (AGENT, None, AGENT, 200),
        (None, narrow, SALES, 403),
    ):
        async with world.client(who, secret=secret) as api:
            answer = await api.get(f"/v1/inboxes/{inbox}/counts/")
        assert answer.status_code == status, (who, inbox)


async def test_looking_at_anothers_counts_is_on_record(world: World) -> None:
    await counted(world, TENANT_OWNER, SUPPORT)
    async with world.client(TENANT_OWNER) as api:
        (entry,) = (await api.get("/v1/audit-log/")).json()["results"]
    assert entry["action"] == "inbox.acted_for"
    assert entry["details"]["path"].endswith("/counts/")


async def test_nothing_is_counted_twice_while_nothing_is_committed(
    world: World, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted_for: list[bytes] = []
    count_inbox = counts.count_inbox

    async def count(tx: Tx, *, view: View) -> counts.Counts:
        counted_for.append(view.inbox_id)
        return await count_inbox(tx, view=view)

    monkeypatch.setattr("admin_api.directory.counts.count_inbox", count)
    await deliver(world, SALES.lower(), subject="one")
    found = [await counted(world) for _ in range(3)]
    assert [one["unread"]["inbox"] for one in found] == [1, 1, 1]  # type: ignore[index]
    # PostgreSQL tells no number of its commits.
    assert len(counted_for) == (1 if engine.name == "sqlite" else 3)

    await counted(world, SUPPORT, SUPPORT)
    assert counted_for[-1] == world.raw[SUPPORT]
    async with world.client(MEMBER) as api:  # kept counts are for who may ask, too
        assert (await api.get(f"/v1/inboxes/{SALES}/counts/")).status_code == 404

    await deliver(world, SALES.lower(), subject="two")
    assert (await counted(world))["unread"]["inbox"] == 2  # type: ignore[index]
    before = len(counted_for)
    world.clock.advance(MINUTE)  # a grant may have ended meanwhile
    await counted(world)
    assert len(counted_for) == before + 1

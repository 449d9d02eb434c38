"""What tells another client of the same inbox that a copy is not what it was."""

from typing import Any

from tests.builders import SALES, SUPPORT, TEAM, TENANT_OWNER, World, deliver

MESSAGES = "/v1/messages/"


async def changes(world: World, who: str = SALES) -> list[list[str]]:
    async with world.client(who) as api:
        events = (await api.get("/v1/events/", params={"types": "message.changed"})).json()
    return [one["data"]["message_ids"] for one in events["results"]]


async def test_one_call_that_changes_copies_makes_one_event(world: World) -> None:
    one, two = [await deliver(world, TEAM.lower()) for _ in range(2)]
    async with world.client(SALES) as api:
        await api.patch(f"{MESSAGES}{one}/", json={"is_read": True})
        await api.patch(f"{MESSAGES}{one}/", json={"is_read": True})
        assert await changes(world) == [[one]], "the second call changed nothing"

        bulk: dict[str, Any] = {"message_ids": [two, one], "set": {"is_read": True}}
        await api.patch(MESSAGES, json=bulk)
        assert await changes(world) == [[one], [two]], "one was read before"
        bulk["set"] = {"folder": "archive", "is_flagged": True}
        await api.patch(MESSAGES, json=bulk)
        assert (await changes(world))[2:] == [[two, one]]

        for _ in range(2):  # to trash, then permanently
            await api.delete(f"{MESSAGES}{one}/")
        assert (await changes(world))[3:] == [[one], [one]]
    assert await changes(world, SUPPORT) == []


async def seen(world: World, who: str, message: str) -> tuple[Any, Any, Any]:
    """The readers as the message, the list of messages and the list of threads tell them."""

    def names(record: dict[str, Any]) -> list[str] | None:
        by = record["seen_by"]
        return None if by is None else [one["address"] for one in by]

    async with world.client(who) as api:
        single = (await api.get(f"{MESSAGES}{message}/")).json()
        (listed,) = (await api.get(MESSAGES)).json()["results"]
        (thread,) = (await api.get(MESSAGES + "threads/")).json()["results"]
    return names(single), names(listed), names(thread)


async def test_members_see_who_of_them_has_read_what_came_by_their_list(world: World) -> None:
    message = await deliver(world, TEAM.lower())
    assert await seen(world, SALES, message) == ([], [], [])
    async with world.client(SUPPORT) as api:
        await api.patch(f"{MESSAGES}{message}/", json={"is_read": True})
    (support,) = (await seen(world, SALES, message))[0]
    assert support.lower() == SUPPORT.lower()
    assert await seen(world, SALES, message) == ([support], [support], [support])
    assert await seen(world, SUPPORT, message) == ([], [], []), "their own mark is is_read"

    async with world.client(TENANT_OWNER) as api:
        path = f"/v1/distribution-lists/{world.ids[TEAM]}/"
        changed = await api.patch(path, json={"share_read_state": False})
        assert changed.json()["share_read_state"] is False
        assert (await seen(world, SALES, message)) == (None, None, None)
        await api.patch(path, json={"share_read_state": True})
        await api.delete(f"{path}members/{world.ids[SUPPORT]}/")
    assert await seen(world, SALES, message) == ([], [], [])
    assert await seen(world, SUPPORT, message) == (None, None, None), "no member any more"


async def test_a_direct_way_tells_nobody_anything(world: World) -> None:
    message = await deliver(world, "sales@example.test", "support@example.test")
    for who in (SALES, SUPPORT):
        async with world.client(who) as api:
            await api.patch(f"{MESSAGES}{message}/", json={"is_read": True})
        assert await seen(world, who, message) == (None, None, None)

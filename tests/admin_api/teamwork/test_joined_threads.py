"""Two threads that a later message shows to be one: joined, and nobody sees more for it."""

from __future__ import annotations

from tests.admin_api.teamwork.team import THREADS, agenda, events, get, post, status, thread_with
from tests.builders import AGENT, SALES, SUPPORT, World, deliver, receive_all
from tests.support.inputs import content

TEAM = "team@example.test"


async def join(world: World, *recipients: str) -> str:
    """Deliver the message between <a@x> and <c@x>, whose threads are two until then."""
    return await deliver(
        world, *(recipients or (TEAM,)), name="b@x", references=("a@x",), subject="Re: a"
    )


async def two_threads(world: World, first: str = TEAM, second: str = TEAM) -> tuple[str, str]:
    older = await thread_with(world, first, subject="a", name="a@x")
    younger = await thread_with(world, second, subject="c", name="c@x", references=("b@x",))
    assert older != younger
    return older, younger


async def test_the_older_id_is_answered_and_the_younger_still_works(world: World) -> None:
    older, younger = await two_threads(world)
    await join(world)

    whole = await get(world, SALES, older)
    assert whole == await get(world, SALES, younger)
    assert f"{THREADS}{whole['thread_id']}/" == older
    assert [one["subject"] for one in whole["messages"]] == ["a", "c", "Re: a"]
    assert {one["thread_id"] for one in whole["messages"]} == {whole["thread_id"]}
    assert len((await get(world, SALES, THREADS))["results"]) == 1
    named = younger.removeprefix(THREADS).strip("/")
    found = await get(world, SALES, "/v1/messages/", thread_id=named)
    assert len(found["results"]) == 3
    assert (await post(world, SALES, younger + "notes/", body="Both")).status_code == 201
    assert [one["body"] for one in await get(world, SALES, older + "notes/")] == ["Both"]


async def test_a_reply_to_either_half_joins_the_one_thread(world: World) -> None:
    older, _ = await two_threads(world)
    await join(world)
    await deliver(world, TEAM, name="d@x", references=("c@x",))
    await deliver(world, TEAM, name="e@x", references=("x@x", "b@x"))

    assert (await get(world, SALES, older))["message_count"] == 5


async def test_at_most_one_join_is_made_for_a_message_and_chains_hold(world: World) -> None:
    first, second = await two_threads(world)
    third = await thread_with(world, TEAM, subject="f", name="f@x")
    await deliver(world, TEAM, name="g@x", references=("f@x", "c@x", "a@x"))
    assert (await get(world, SALES, first))["message_count"] == 1
    await deliver(world, TEAM, name="h@x", references=("g@x", "a@x"))

    counts = {(await get(world, SALES, one))["message_count"] for one in (first, second, third)}
    assert counts == {5}


async def test_a_join_opens_nothing(world: World) -> None:
    older, younger = await two_threads(world, "sales@example.test", "support@example.test")
    await post(world, SALES, older + "notes/", body="For sales")
    await join(world, "sales@example.test")

    assert (await get(world, SALES, older))["message_count"] == 2
    mine = await get(world, SUPPORT, younger)
    assert (mine["subject"], mine["message_count"], mine["note_count"]) == ("c", 1, 0)
    assert await status(world, AGENT, older) == 404


async def test_what_was_assigned_in_either_half_stays_what_it_was(world: World) -> None:
    older, younger = await two_threads(world, "sales@example.test", "sales@example.test")
    await post(world, SALES, younger + "assign/", to="agent@example.test")
    await join(world, "sales@example.test")

    seen = await get(world, AGENT, older)
    assert [one["subject"] for one in seen["messages"]] == ["c", "Re: a"]
    await deliver(world, "sales@example.test", subject="later", references=("a@x",))
    seen = await get(world, AGENT, younger)
    assert [one["subject"] for one in seen["messages"]] == ["c", "Re: a", "later"]


async def test_who_was_assigned_last_has_it_and_the_other_task_is_done(world: World) -> None:
    older, younger = await two_threads(world)
    await post(world, SALES, older + "assign/", to="support@example.test")
    await post(world, SALES, younger + "assign/", to="agent@example.test")
    await join(world)

    assert (await get(world, SALES, older))["assignee"]["address"] == AGENT
    assert await agenda(world, SUPPORT) == []
    (task,) = await agenda(world, AGENT)
    assert f"{THREADS}{task['thread_id']}/" == older
    history = await get(world, SALES, older + "history/")
    assert [one["type"] for one in history] == ["assigned", "assigned"]


async def test_an_assignee_of_both_halves_has_one_open_task_however_often_assigned(
    world: World,
) -> None:
    older, younger = await two_threads(world)
    for thread in (older, younger, older):
        await post(world, SALES, thread + "assign/", to=AGENT)
    await join(world)
    assert len(await agenda(world, AGENT)) == 1
    await post(world, SALES, older + "assign/", to=AGENT, note="Once more")

    (task,) = await agenda(world, AGENT)
    assert task["description"] == "Once more"


async def test_open_when_one_was_open_and_a_join_is_no_event(world: World) -> None:
    older, younger = await two_threads(world)
    async with world.client(SALES) as api:
        await api.patch(older, json={"status": "closed"})
    before = await events(world)
    await join(world)
    assert await events(world) == before
    assert (await get(world, SALES, younger))["status"] == "open"


async def test_two_closed_threads_are_reopened_by_the_message(world: World) -> None:
    older, younger = await two_threads(world)
    async with world.client(SALES) as api:
        await api.patch(older, json={"status": "closed"})
        await api.patch(younger, json={"status": "closed"})
    await join(world)

    assert (await get(world, SALES, older))["status"] == "open"


async def test_a_message_id_that_comes_twice_joins_nothing(world: World) -> None:
    older = await thread_with(world, TEAM, subject="a", name="a@x")
    other = await thread_with(world, TEAM, subject="c", name="c@x")
    await deliver(world, TEAM, name="a@x", references=("c@x",))

    assert (await get(world, SALES, older))["message_count"] == 1
    assert (await get(world, SALES, other))["message_count"] == 2


async def test_another_tenants_thread_is_never_joined(world: World) -> None:
    older = await thread_with(world, TEAM, subject="a", name="a@x")
    await deliver(world, "desk@other.test", tenant="Other", name="c@x", references=("b@x",))
    await join(world)

    assert (await get(world, SALES, older))["message_count"] == 2


async def test_the_halves_may_come_in_one_transaction(world: World) -> None:
    names = ("out-of-order-1", "out-of-order-2", "out-of-order-3")
    await receive_all(world, TEAM, bodies=[content(name) for name in names])

    (thread,) = (await get(world, SALES, THREADS))["results"]
    assert thread["message_count"] == 3

"""Relationships, who knows whom, the graph and activity over HTTP."""

from itertools import pairwise
from typing import Any

import httpx2

from storage.clock import DAY, rfc3339
from storage.contacts.relationships import HALF_LIFE
from storage.directory.inboxes import update_inbox
from storage.ids import from_text
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    FOREIGN_LIST,
    SALES,
    SUPPORT,
    TEAM,
    World,
    count_all,
    deliver,
)

Record = dict[str, Any]  # one JSON object; the border of the API
LIST, GRAPH, ACTIVITY = "/v1/relationships/", "/v1/relationships/graph/", "/v1/activity/"
GRACE = "grace@sender.test"


async def one(api: httpx2.AsyncClient, address: str = GRACE) -> Record:
    answer = await api.get(f"{LIST}{address}/")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def listed(api: httpx2.AsyncClient, **query: str) -> list[Record]:
    answer = await api.get(LIST, params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


async def hide(world: World, inbox: str) -> None:
    await world.database.write(
        lambda tx: update_inbox(
            tx,
            tenant_id=world.tenant_id,
            inbox_id=world.raw[inbox],
            share_relationships=False,
        )
    )


async def test_every_copy_counts_for_its_inbox(world: World) -> None:
    began = world.clock()
    await deliver(world, TEAM.lower())
    await deliver(world, TEAM.lower(), SALES, count=True)
    await deliver(world, SALES, sender="GRACE@Sender.TEST", count=True)
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        mine, theirs = await one(api), await one(other)
        assert (mine["message_count"], theirs["message_count"]) == (3, 2)
        assert mine["address"] == GRACE
        assert mine["first_seen"] == rfc3339(began + 1_000_000)
        assert mine["last_seen"] == rfc3339(began + 3_000_000)
        assert mine["name"] == "Grace"
        assert (mine["source"], mine["authenticated"], mine["contact_id"]) == (None, None, None)
    async with world.client(AGENT) as third:
        assert await listed(third) == []


async def test_counting_again_counts_nothing_twice(world: World) -> None:
    for _ in range(3):
        await deliver(world, TEAM.lower(), count=True)
        await count_all(world)
    async with world.client(SALES) as api:
        assert (await one(api))["message_count"] == 3


async def test_a_copy_that_goes_before_it_was_counted_counts(world: World) -> None:
    first = await deliver(world, TEAM.lower())
    async with world.client(SALES) as api:
        for _ in range(2):
            await api.delete(f"/v1/messages/{first}/")
        await count_all(world)
        second = await deliver(world, TEAM.lower(), count=True)
        for _ in range(2):
            await api.delete(f"/v1/messages/{second}/")
        await count_all(world)
        assert (await one(api))["message_count"] == 2
    async with world.client(SUPPORT) as other:
        assert (await one(other))["message_count"] == 2


async def test_automatic_mail_makes_nobody_acquainted(world: World) -> None:
    await deliver(world, SALES, automatic=True, count=True)
    await deliver(world, SALES, reverse_path="", count=True)
    await deliver(world, SALES, sender="", reverse_path="x@y.test", count=True)
    async with world.client(SALES) as api:
        assert await listed(api) == []
        assert (await api.get(f"{LIST}{GRACE}/")).status_code == 404


async def test_strength_grows_with_mail_and_fades_with_time(world: World) -> None:
    async with world.client(SALES) as api:
        strengths = []
        for _ in range(10):
            await deliver(world, SALES, count=True)
            strengths.append(float(str((await one(api))["strength"])))
        assert all(0 < before < after < 1 for before, after in pairwise(strengths))
        world.clock.advance(HALF_LIFE)
        faded = float(str((await one(api))["strength"]))
        assert abs(faded - 5 / (5 + 5)) < 0.01
        world.clock.advance(20 * HALF_LIFE)
        assert float(str((await one(api))["strength"])) < 0.001


async def test_relationships_come_strongest_first_page_by_page(world: World) -> None:
    for number in range(5):
        for _ in range(number + 1):
            await deliver(world, SALES, sender=f"s{number}@x.test")
    await count_all(world)
    async with world.client(SALES) as api:
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await api.get(LIST, params={"limit": "2"} | cursor)).json()
            found += [one["address"] for one in page["results"]]
            if page["cursor"] is None:
                break
            cursor = {"cursor": page["cursor"]}
        assert found == [f"s{number}@x.test" for number in (4, 3, 2, 1, 0)]
        for wrong in ("x", "AAAA", "////"):
            assert (await api.get(LIST, params={"cursor": wrong})).status_code == 400


async def test_teammates_who_know_somebody_are_named_with_how_well(world: World) -> None:
    await deliver(world, SALES)
    await deliver(world, TEAM.lower())
    await deliver(world, FOREIGN_LIST, tenant="Other", count=True)
    async with (
        world.client(SALES) as api,
        world.client(AGENT) as other,
        world.client(FOREIGN_INBOX) as foreign,
    ):
        (known,) = (await one(api))["known_by"]
        assert (known["inbox_id"], known["address"]) == (world.ids[SUPPORT], SUPPORT)
        assert 0 < known["strength"] < float(str((await one(api))["strength"]))
        mine = await one(other, "Grace@SENDER.test")
        assert (mine["message_count"], mine["strength"], mine["first_seen"]) == (0, 0, None)
        inboxes = [known["inbox_id"] for known in mine["known_by"]]
        assert inboxes == [world.ids[SALES], world.ids[SUPPORT]]
        assert (await one(foreign))["known_by"] == []
        await hide(world, SUPPORT)
        assert (await one(api))["known_by"] == []
        await hide(world, SALES)
        assert (await other.get(f"{LIST}{GRACE}/")).status_code == 404
        assert (await one(api))["message_count"] == 2


async def test_the_graph_joins_inboxes_and_addresses_outside(world: World) -> None:
    for _ in range(5):
        await deliver(world, SALES)
    await deliver(world, TEAM.lower(), sender="bob@x.test")
    await deliver(world, SALES, sender=SUPPORT, count=True)
    async with world.client(AGENT) as api:
        graph = (await api.get(GRAPH)).json()
        edges = [(edge["source"], edge["target"]) for edge in graph["edges"]]
        assert edges[0] == (world.ids[SALES], GRACE)
        assert sorted(edges[1:]) == sorted(
            [(world.ids[SALES], "bob@x.test"), (world.ids[SUPPORT], "bob@x.test")]
        )
        kinds = {node["id"]: node["type"] for node in graph["nodes"]}
        assert kinds == {
            world.ids[SALES]: "inbox",
            world.ids[SUPPORT]: "inbox",
            GRACE: "address",
            "bob@x.test": "address",
        }
        strong = (await api.get(GRAPH, params={"min_strength": "0.4"})).json()
        assert [edge["target"] for edge in strong["edges"]] == [GRACE]
        assert len((await api.get(GRAPH, params={"limit": "1"})).json()["edges"]) == 1
        assert (await api.get(GRAPH, params={"min_strength": "1"})).json()["edges"] == []
        for wrong in ("1.1", "x", "-1", "nan", "²"):
            query = {"min_strength": wrong}
            assert (await api.get(GRAPH, params=query)).status_code == 400, wrong
        await hide(world, SALES)
        graph = (await api.get(GRAPH)).json()
        assert [edge["source"] for edge in graph["edges"]] == [world.ids[SUPPORT]]


async def activity(api: httpx2.AsyncClient, **query: str) -> list[Record]:
    answer = await api.get(ACTIVITY, params={"address": GRACE} | query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


async def test_activity_holds_what_happened_each_once_newest_first(world: World) -> None:
    message = await deliver(world, TEAM.lower(), count=True)
    async with world.client(SALES) as api, world.client(AGENT) as other:
        thread = (await api.get(f"/v1/messages/{message}/")).json()["thread_id"]
        card = (await api.post("/v1/contacts/", json={"emails": [{"address": GRACE}]})).json()
        world.clock.advance(1_000_000)
        await api.post(f"/v1/messages/threads/{thread}/notes/", json={"body": "Secret."})
        await api.post(f"/v1/messages/threads/{thread}/assign/", json={"to": SUPPORT})
        share = (
            await api.post(
                "/v1/contacts/shares/",
                json={"type": "offer", "to_inbox_id": AGENT, "contact_id": card["id"]},
            )
        ).json()
        await other.post(f"/v1/contacts/shares/{share['share_id']}/accept/")
        await api.post(f"/v1/contacts/{card['id']}/handoff/", json={"to_inbox_id": SUPPORT})

        found = await activity(api)
        assert [entry["type"] for entry in found] == [
            "contact.handed_over",
            "contact.share_accepted",
            "contact.share_offered",
            "thread.assigned",
            "thread.note_added",
            "message.received",
        ]
        assert len({entry["id"] for entry in found}) == 6
        assert {entry["contact_address"] for entry in found} == {GRACE}
        assert {entry["contact_id"] for entry in found} == {card["id"]}
        assert found[-1]["resource_id"] == message
        assert found[-1]["summary"] == "Hello"
        assert "Secret" not in str(found)
        by_card = (await api.get(ACTIVITY, params={"contact_id": card["id"]})).json()["results"]
        assert by_card == found

        received = await activity(other)
        kinds = [entry["type"] for entry in received]
        assert kinds == ["contact.share_accepted", "contact.share_offered"]
        source = received[0]["metadata"]["source"]
        assert source["inbox_id"] == world.ids[SALES]
        async with world.client(SUPPORT) as third:
            kinds = [str(entry["type"]) for entry in await activity(third)]
            assert kinds == [
                "contact.handoff_received",
                "thread.assigned",
                "thread.note_added",
                "message.received",
            ]


async def test_activity_is_paged_bounded_and_kept_two_years(world: World) -> None:
    times = []
    for _ in range(5):
        await deliver(world, SALES, count=True)
        times.append(world.clock())
    async with world.client(SALES) as api:
        found: list[str] = []
        query = {"address": GRACE, "limit": "2"}
        while True:
            page = (await api.get(ACTIVITY, params=query)).json()
            found += [entry["resource_id"] for entry in page["results"]]
            if page["cursor"] is None:
                break
            query["cursor"] = page["cursor"]
        ids = [from_text("msg", one) or b"" for one in found]
        assert len(ids) == 5
        assert ids == sorted(ids, reverse=True)
        assert len(await activity(api, since=rfc3339(times[3]))) == 2
        for wrong in ({}, {"contact_id": "ctc_1"}, {"address": "x"}, {"since": "now"}):
            given = {"address": GRACE} | wrong if "since" in wrong else wrong
            assert (await api.get(ACTIVITY, params=given)).status_code == 400
        world.clock.advance(730 * DAY + 1)
        assert await activity(api) == []


async def test_activity_shows_nothing_that_the_inbox_does_not_see(world: World) -> None:
    message = await deliver(world, SALES, count=True)
    async with world.client(SALES) as api, world.client(AGENT) as other:
        thread = (await api.get(f"/v1/messages/{message}/")).json()["thread_id"]
        await api.post(f"/v1/messages/threads/{thread}/notes/", json={"body": "x"})
        assert await activity(other) == []
        await api.post(
            f"/v1/messages/threads/{thread}/notes/", json={"body": "y", "mentions": [AGENT]}
        )
        kinds = [entry["type"] for entry in await activity(other)]
        assert kinds == ["thread.note_added", "thread.note_added", "message.received"]

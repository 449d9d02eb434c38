"""Reading the audit log: filters, pages, one tenant."""

from typing import Any

from storage.clock import HOUR, rfc3339
from tests.builders import (
    AGENT,
    MEMBER,
    STRANGER,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
)

Entry = dict[str, Any]  # one JSON object; the border of the API

LOG = "/v1/audit-log/"


async def entries(world: World, who: str = TENANT_OWNER, **query: str) -> list[Entry]:
    async with world.client(who) as api:
        answer = await api.get(LOG, params=query)
    assert answer.status_code == 200, answer.text
    found: list[Entry] = answer.json()["results"]
    return found


async def test_the_log_is_found_by_who_what_whom_and_when(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        await api.post("/v1/templates/", json={"name": "One"})
        world.clock.advance(HOUR)
        await api.patch(f"/v1/users/{world.ids[MEMBER]}/", json={"name": "M"})
    async with world.client(TENANT_ADMIN) as api:
        assert (await api.get("/v1/agenda/", params={"inbox_id": AGENT})).status_code == 200
    at = rfc3339(world.clock())
    admin, member = world.ids[TENANT_ADMIN], world.ids[MEMBER]

    async def actions(**query: str) -> list[str]:
        return [entry["action"] for entry in await entries(world, **query)]

    assert await actions() == ["inbox.acted_for", "user.changed", "template.created"]
    assert await actions(actor=admin) == await actions(actor=TENANT_ADMIN) == ["inbox.acted_for"]
    assert await actions(action="user") == await actions(action="user.changed") == ["user.changed"]
    assert await actions(action="use") == await actions(actor="nobody") == []
    assert await actions(object=member) == ["user.changed"]
    assert await actions(inbox_id=AGENT) == ["inbox.acted_for"]
    assert await actions(inbox_id="nobody@example.test") == []
    assert await actions(since=at) == ["inbox.acted_for", "user.changed"]
    assert await actions(until=at) == ["template.created"]
    assert await actions(limit="1") == ["inbox.acted_for"]


async def test_pages_lead_on_without_gap_or_overlap(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        for number in range(5):
            await api.post("/v1/templates/", json={"name": str(number)})
        page = (await api.get(LOG, params={"limit": "2"})).json()
        seen = page["results"]
        while page["cursor"]:
            query = {"limit": "2", "cursor": page["cursor"]}
            page = (await api.get(LOG, params=query)).json()
            seen += page["results"]

    assert [entry["object"]["name"] for entry in seen] == ["4", "3", "2", "1", "0"]


async def test_nothing_of_another_tenant_is_in_it(world: World) -> None:
    async with world.client(STRANGER) as api:
        await api.post("/v1/templates/", json={"name": "Theirs"})

    assert await entries(world) == []
    assert [entry["object"]["name"] for entry in await entries(world, STRANGER)] == ["Theirs"]
    theirs = await entries(world, actor=STRANGER)
    assert theirs == []

"""Bare arrays: whole without a limit, else page by page along the Link header."""

import re

import httpx2
import pytest

from storage.database import Tx
from storage.directory.domains import add_domain
from tests.builders import TEAM, TENANT_OWNER, World

PATHS = [
    "/v1/users/",
    "/v1/domains/",
    "/v1/inboxes/",
    "/v1/tokens/",
    "/v1/templates/",
    "/v1/distribution-lists/",
    "/v1/distribution-lists/{list}/members/",
]


def next_of(answer: httpx2.Response) -> str | None:
    link = answer.headers.get("link")
    if link is None:
        return None
    found = re.fullmatch(r'<(.*)>; rel="next"', link)
    assert found
    return found[1]


async def fill(world: World, api: httpx2.AsyncClient) -> None:
    async def domain(tx: Tx) -> None:
        await add_domain(tx, tenant_id=world.tenant_id, name="spare.test", now=1)

    await world.database.write(domain)
    for name in ("One", "Two"):
        await api.post("/v1/templates/", json={"name": name})
        address = f"{name.lower()}@example.test"
        await api.post("/v1/distribution-lists/", json={"address": address, "name": name})


@pytest.mark.parametrize("path", PATHS)
async def test_pages_lead_through_all_that_the_whole_array_has(world: World, path: str) -> None:
    async with world.client(TENANT_OWNER) as api:
        await fill(world, api)
        path = path.format(list=world.ids[TEAM])
        whole = await api.get(path)
        assert len(whole.json()) >= 2
        assert next_of(whole) is None
        paged, url = [], f"{path}?limit=1"
        while url:
            answer = await api.get(url)
            assert len(answer.json()) == 1
            paged += answer.json()
            url = next_of(answer) or ""
        exact = await api.get(path, params={"limit": len(paged)})
    assert paged == whole.json()
    assert exact.json() == whole.json()
    assert next_of(exact) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "0"), ("limit", "201"), ("limit", "1.5"), ("cursor", "x"), ("cursor", "é" * 22)],
)
async def test_what_is_no_limit_or_cursor_is_400_on_it(world: World, name: str, value: str) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.get("/v1/inboxes/", params={name: value})
    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["errors"]] == [name]


async def test_the_way_on_survives_what_is_deleted_and_added(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        await fill(world, api)
        first = await api.get("/v1/templates/", params={"limit": 1})
        await api.delete(f"/v1/templates/{first.json()[0]['template_id']}/")
        await api.post("/v1/templates/", json={"name": "Three"})
        rest = await api.get(next_of(first) or "")
        names = [one["name"] for one in first.json() + rest.json()]
        rest = await api.get(next_of(rest) or "")
    assert names + [one["name"] for one in rest.json()] == ["One", "Two", "Three"]

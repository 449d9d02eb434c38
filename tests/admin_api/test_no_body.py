"""Calls that have nothing to say in a body: what comes in one is judged all the same."""

import re

import pytest

from admin_api.routes import ROUTES
from tests.admin_api.test_routes import TABLE, ids
from tests.builders import FOREIGN_INBOX, SALES, SUPPORT, TENANT_OWNER, World

JSON = {"Content-Type": "application/json"}
BARE = [
    f"{route.method} {route.path}" for route in ROUTES if route.reads_json and not route.payload
]


async def path_of(world: World, key: str) -> str:
    """The path, of something that is there."""
    row, names = TABLE[key], await ids(world, own=True)
    path = key.partition(" ")[2]
    return re.sub(r"\{(\w+)\}", lambda found: names[row.names[found[1]]], path)


async def call(
    world: World, key: str, path: str, who: str, content: bytes, *, query: str = ""
) -> tuple[int, str, list[str]]:
    """Status, code and the fields at fault."""
    method, params = key.partition(" ")[0], {"inbox_id": query} if query else {}
    async with world.client(who) as api:
        answer = await api.request(method, path, params=params, content=content, headers=JSON)
    problem = answer.json() if answer.content and answer.status_code >= 400 else {}
    fields = [fault["field"] for fault in problem.get("errors", [])]
    return answer.status_code, problem.get("code", ""), fields


def session_inbox(key: str) -> str:
    return SALES if TABLE[key].acts else ""


@pytest.mark.parametrize("key", BARE)
async def test_what_it_does_not_know_is_refused_and_nothing_is_fine(
    furnished: World, key: str
) -> None:
    path = await path_of(furnished, key)
    for content in (b"{", b"[]", b'"x"', b"nope"):
        found = await call(furnished, key, path, TENANT_OWNER, content, query=session_inbox(key))
        assert found[:2] == (400, "malformed_json")
    found = await call(furnished, key, path, TENANT_OWNER, b'{"x": 1}', query=session_inbox(key))
    assert found == (400, "invalid_fields", ["x"])
    content = b"" if key.endswith("logout/") or key.startswith("DELETE") else b"{}"
    found = await call(furnished, key, path, TENANT_OWNER, content, query=session_inbox(key))
    assert found[0] == TABLE[key].status


@pytest.mark.parametrize("key", [key for key in BARE if TABLE[key].acts])
async def test_a_session_names_its_inbox_in_the_body_or_in_the_query(
    furnished: World, key: str
) -> None:
    path = await path_of(furnished, key)
    odd = await call(furnished, key, path, TENANT_OWNER, b'{"inbox_id": 1, "x": 1}')
    assert odd == (400, "invalid_fields", ["inbox_id", "x"])
    for inbox, status in ((FOREIGN_INBOX, 404), (SALES, TABLE[key].status)):
        found = await call(
            furnished, key, path, TENANT_OWNER, f'{{"inbox_id": "{inbox}"}}'.encode()
        )
        assert found[0] == status


@pytest.mark.parametrize("key", [key for key in BARE if TABLE[key].scopes is not None])
async def test_a_token_may_only_name_its_own_inbox(furnished: World, key: str) -> None:
    path = await path_of(furnished, key)
    for named in (SUPPORT, furnished.ids[SUPPORT], FOREIGN_INBOX, "nope"):
        found = await call(
            furnished, key, path, SALES, f'{{"inbox_id": "{named}", "x": 1}}'.encode()
        )
        assert found[:2] == (403, "inbox_mismatch")
    found = await call(
        furnished, key, path, SALES, f'{{"inbox_id": "{furnished.ids[SALES]}"}}'.encode()
    )
    assert found[0] == TABLE[key].status


async def test_what_comes_is_json_or_415_and_nothing_needs_no_type(world: World) -> None:
    path = f"/v1/inboxes/{SALES}/webhook-secret/"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with world.client(SALES) as api:
        assert (await api.post(path, content=b"x=1", headers=form)).status_code == 415
        assert (await api.post(path, content=b"{}")).status_code == 415
        assert (await api.post(path, content=b"", headers=form)).status_code == 409
        large = await api.post(path, content=b" " * (256 * 1024 + 1), headers=JSON)
        assert large.status_code == 413


async def test_with_a_key_another_body_is_another_call(furnished: World) -> None:
    key = "POST /v1/alerts/{alert_id}/webhook-secret/"
    path = await path_of(furnished, key)
    once = JSON | {"Idempotency-Key": "once"}
    async with furnished.client(SALES) as api:
        assert (await api.post(path, headers=once)).status_code == 200
        again = await api.post(path, content=b"{}", headers=once)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert (await api.post(path, content=b'{"x": 1}', headers=once)).status_code == 409

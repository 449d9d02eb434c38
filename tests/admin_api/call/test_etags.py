"""ETag and If-Match: what somebody else changed meanwhile is not overwritten."""

import asyncio

import httpx2
import pytest

from admin_api.routes import ROUTES
from tests.builders import MEMBER, SALES, TEAM, TENANT_OWNER, World, deliver

STALE = '"0123456789abcdef"'


async def paths(world: World, api: httpx2.AsyncClient) -> dict[str, tuple[str, dict[str, object]]]:
    """A path of each kind that can be read and changed, with a change."""
    message = await deliver(world, "sales@example.test")
    act = f"?inbox_id={SALES}"
    thread = (await api.get(f"/v1/messages/{message}/{act}")).json()["thread_id"]
    task = (await api.post("/v1/tasks/", json={"title": "Call", "inbox_id": SALES})).json()
    template = (await api.post("/v1/templates/", json={"name": "One"})).json()
    return {
        "user": (f"/v1/users/{world.ids[MEMBER]}/", {"name": "New"}),
        "inbox": (f"/v1/inboxes/{world.ids[SALES]}/", {"display_name": "New"}),
        "list": (f"/v1/distribution-lists/{world.ids[TEAM]}/", {"name": "New"}),
        "message": (f"/v1/messages/{message}/{act}", {"is_read": True}),
        "thread": (f"/v1/messages/threads/{thread}/{act}", {"status": "closed"}),
        "task": (f"/v1/tasks/{task['task_id']}/{act}", {"title": "New"}),
        "template": (f"/v1/templates/{template['template_id']}/", {"name": "New"}),
    }


KINDS = ["user", "inbox", "list", "message", "thread", "task", "template"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_change_takes_what_was_read_and_refuses_what_is_older(
    world: World, kind: str
) -> None:
    async with world.client(TENANT_OWNER) as api:
        path, change = (await paths(world, api))[kind]
        before = (await api.get(path)).headers["etag"]
        assert (await api.get(path)).headers["etag"] == before
        wrong = await api.patch(path, json=change, headers={"If-Match": STALE})
        assert (wrong.status_code, wrong.json()["code"]) == (412, "precondition_failed")
        assert (await api.get(path)).headers["etag"] == before
        matching = {"If-Match": f'W/"x", {STALE}, {before}'}
        changed = await api.patch(path, json=change, headers=matching)
        assert changed.status_code == 200
        after = (await api.get(path)).headers["etag"]
        assert changed.headers["etag"] == after != before
        late = await api.patch(path, json=change, headers={"If-Match": before})
        assert late.status_code == 412
        any_ = await api.patch(path, json=change, headers={"If-Match": "*"})
        assert any_.status_code == 200


@pytest.mark.parametrize("kind", ["list", "message", "task", "template"])
async def test_a_deletion_takes_what_was_read_only(world: World, kind: str) -> None:
    async with world.client(TENANT_OWNER) as api:
        path, _ = (await paths(world, api))[kind]
        assert (await api.delete(path, headers={"If-Match": STALE})).status_code == 412
        tag = (await api.get(path)).headers["etag"]
        assert (await api.delete(path, headers={"If-Match": tag})).status_code == 204


async def test_412_comes_after_404_and_before_400_and_409(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        path, _ = (await paths(world, api))["template"]
        tag = (await api.get(path)).headers["etag"]
        headers = {"If-Match": STALE}
        unknown = f"/v1/templates/tpl_{'0' * 26}/"
        assert (await api.patch(unknown, json={}, headers=headers)).status_code == 404
        assert (await api.patch(unknown, json={}, headers={"If-Match": "*"})).status_code == 404
        assert (await api.patch(path, json={"odd": 1}, headers=headers)).status_code == 412
        fitting = {"If-Match": tag}
        assert (await api.patch(path, json={"odd": 1}, headers=fitting)).status_code == 400


async def test_403_comes_before_412(world: World) -> None:
    async with world.client(MEMBER) as api:
        path = f"/v1/inboxes/{world.ids[SALES]}/"
        answer = await api.patch(path, json={"display_name": "x"}, headers={"If-Match": STALE})
    assert answer.status_code == 403


async def test_what_nothing_shows_has_no_tag_to_match(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        path = f"/v1/tokens/{world.ids[f'token of {SALES}']}/"
        change = {"label": "New"}
        assert (await api.patch(path, json=change, headers={"If-Match": STALE})).status_code == 412
        assert (await api.patch(path, json=change, headers={"If-Match": "*"})).status_code == 200


@pytest.mark.parametrize("header", ["garbage", "", '"a" "b"', 'W/"*"', '"'])
async def test_a_condition_that_is_none_matches_nothing(world: World, header: str) -> None:
    async with world.client(TENANT_OWNER) as api:
        path = f"/v1/distribution-lists/{world.ids[TEAM]}/"
        answer = await api.patch(path, json={"name": "x"}, headers={"If-Match": header})
    assert answer.status_code == 412


async def test_of_two_that_read_the_same_one_change_wins(world: World) -> None:

    async with world.client(TENANT_OWNER) as api:
        path = f"/v1/distribution-lists/{world.ids[TEAM]}/"
        tag = (await api.get(path)).headers["etag"]
        answers = await asyncio.gather(
            *(
                api.patch(path, json={"name": f"Name {number}"}, headers={"If-Match": tag})
                for number in range(8)
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


def test_every_single_resource_that_can_change_is_shown() -> None:
    """Of the paths that end in a parameter; those that nothing shows are named here."""
    shown = {route.path for route in ROUTES if route.method == "GET"}
    changed = {route.path for route in ROUTES if route.method in ("PATCH", "DELETE")}
    assert {path for path in changed - shown if path.endswith("}/")} == {
        "/v1/tokens/{token_id}/",
        "/v1/distribution-lists/{list_id}/members/{inbox_id}/",
        "/v1/messages/threads/{thread_id}/notes/{note_id}/",
        "/v1/contacts/shares/{share_id}/",
        "/v1/sessions/{session_id}/",
    }

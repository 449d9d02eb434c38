"""Agent tokens over HTTP."""

import pytest

from storage.clock import DAY
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

GOOD = {"label": "crawler", "scopes": ["email:write", "email:read", "email:read"]}


async def create(world: World, who: str, **fields: object) -> tuple[int, dict[str, object]]:
    async with world.client(who) as api:
        answer = await api.post("/v1/tokens/", json=GOOD | fields)
    return answer.status_code, answer.json()


async def test_a_new_token_is_shown_once_and_works(world: World) -> None:
    status, made = await create(world, TENANT_ADMIN, inbox_id=world.ids[AGENT])
    secret = made.pop("token")
    assert status == 201
    assert made == {
        "token_id": made["token_id"],
        "inbox_id": world.ids[AGENT],
        "label": "crawler",
        "scopes": ["email:read", "email:write"],
        "status": "active",
        "created_by": world.ids[TENANT_ADMIN],
        "last_used_at": None,
        "expires_at": None,
        "created_at": "2027-01-15T08:00:00.000Z",
    }
    async with world.client(TENANT_ADMIN) as api:
        assert made in (await api.get("/v1/tokens/")).json()
    assert isinstance(secret, str) and secret.startswith("prt_")
    async with world.client(secret=secret) as api:
        assert (await api.get("/v1/messages/")).status_code == 200
        assert (await api.get("/v1/me/")).json()["token"]["last_used_at"] is not None


async def test_a_deleted_token_is_refused_from_the_next_call_on(world: World) -> None:
    async with world.client(TENANT_OWNER) as api, world.client(SALES) as agent:
        assert (await agent.get("/v1/me/")).status_code == 200
        path = f"/v1/tokens/{world.ids[f'token of {SALES}']}/"
        assert (await api.delete(path)).status_code == 204
        assert (await agent.get("/v1/me/")).status_code == 401
        assert (await api.delete(path)).status_code == 404


async def test_an_expired_token_looks_like_none(world: World) -> None:
    _, made = await create(
        world, TENANT_OWNER, inbox_id=SALES, expires_at="2027-01-15T09:00:01+01:00"
    )
    assert made["expires_at"] == "2027-01-15T08:00:01.000Z"
    async with world.client(secret=str(made["token"])) as agent:
        assert (await agent.get("/v1/me/")).status_code == 200
        world.clock.advance(DAY // 2)
        assert (await agent.get("/v1/me/")).status_code == 401
    async with world.client(TENANT_OWNER) as api:
        world.clock.advance(-DAY // 2 + DAY // 4)
        states = {
            token["label"]: token["status"] for token in (await api.get("/v1/tokens/")).json()
        }
    assert states == {"tests": "active", "crawler": "expired"}


async def test_an_owner_of_an_inbox_makes_sees_and_ends_its_tokens_only(world: World) -> None:
    assert (await create(world, MEMBER, inbox_id="SUPPORT@example.test"))[0] == 201
    async with world.client(MEMBER) as api:
        seen = {token["inbox_id"] for token in (await api.get("/v1/tokens/")).json()}
        assert seen == {world.ids[SUPPORT]}
        theirs = f"/v1/tokens/{world.ids[f'token of {SALES}']}/"
        assert (await api.delete(theirs)).status_code == 404
        own = f"/v1/tokens/{world.ids[f'token of {SUPPORT}']}/"
        assert (await api.delete(own)).status_code == 204


async def test_an_inbox_one_may_not_act_for_looks_like_none(world: World) -> None:
    refused = [
        await create(world, MEMBER, inbox_id=name)
        for name in (world.ids[SALES], SALES, FOREIGN_INBOX, "inb_" + "0" * 26, "nonsense")
    ]
    assert {status for status, _ in refused} == {400}
    assert len({str(body) for _, body in refused}) == 1
    assert refused[0][1]["errors"] == [
        {"field": "inbox_id", "message": "names no inbox of this tenant"}
    ]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["email:*"]}, "scopes[0]"),
        ({"scopes": "email:read"}, "scopes"),
        ({"label": ""}, "label"),
        ({"label": "two\nlines"}, "label"),
        ({"label": "x" * 201}, "label"),
        ({"label": 7}, "label"),
        ({"expires_at": "2027-01-15T07:59:59Z"}, "expires_at"),
        ({"expires_at": "2027-01-15"}, "expires_at"),
        ({"expires_at": 1800000000}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"created_by": "usr_x"}, "created_by"),
        ({"status": "active"}, "status"),
    ],
)
async def test_what_a_token_cannot_be_is_400_on_that_field(
    world: World, fields: dict[str, object], field: str
) -> None:
    status, body = await create(world, TENANT_OWNER, inbox_id=SALES, **fields)
    assert status == 400
    assert [fault["field"] for fault in body["errors"]] == [field]  # type: ignore[attr-defined]

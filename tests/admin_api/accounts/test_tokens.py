"""Agent tokens over HTTP."""

from typing import cast

import pytest

from storage.clock import DAY, SECOND
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
from tests.support.cases import cases

GOOD = {"label": "crawler", "scopes": ["email:write", "email:read", "email:read"]}


Body = dict[str, object]


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
        "requires_approval": [],
        "send_to": "participants",
        "send_rate": 30,
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
        {"field": "inbox_id", "message": "is not an inbox of this tenant"}
    ]


UNFIT: list[tuple[dict[str, object], str]] = [
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
    ({"requires_approval": ["email:read"]}, "requires_approval[0]"),
    ({"send_to": "everyone"}, "send_to"),
    ({"send_rate": -1}, "send_rate"),
    ({"send_rate": 10_001}, "send_rate"),
]


async def test_what_a_token_cannot_be_is_400_on_that_field(world: World) -> None:
    with cases() as case:
        for fields, field in UNFIT:
            with case(str(fields)):
                world.clock.elapsed += 1  # no limit of calls is reached
                status, body = await create(world, TENANT_OWNER, inbox_id=SALES, **fields)
                assert status == 400
                faults = cast(list[Body], body["errors"])
                assert [fault["field"] for fault in faults] == [field]


async def change(world: World, who: str, address: str, **fields: object) -> tuple[int, Body]:
    path = f"/v1/tokens/{world.ids[f'token of {address}']}/"
    async with world.client(who) as api:
        answer = await api.patch(path, json=fields)
    return answer.status_code, answer.json()


async def is_let_in(world: World, secret: str) -> bool:
    async with world.client(secret=secret) as api:
        return (await api.get("/v1/me/")).status_code == 200


async def test_a_paused_token_looks_like_none_until_it_is_resumed(world: World) -> None:
    for action, status in (
        ("resume", "active"),
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "active"),
    ):
        code, body = await change(world, TENANT_ADMIN, SALES, action=action)
        assert (code, body["status"]) == (200, status)
        assert "token" not in body
        assert await is_let_in(world, world.secrets[SALES]) == (status == "active")


async def test_a_rotated_token_has_a_new_secret_and_keeps_all_else(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        before = (await api.get("/v1/tokens/")).json()
    old = world.secrets[SUPPORT]
    code, body = await change(world, MEMBER, SUPPORT, action="rotate")
    secret = str(body.pop("token"))
    assert code == 200
    assert body in [one | {"created_by": world.ids[MEMBER]} for one in before]
    assert not await is_let_in(world, old)
    assert await is_let_in(world, secret)
    await change(world, MEMBER, SUPPORT, action="pause")
    code, body = await change(world, MEMBER, SUPPORT, action="rotate")
    assert body["status"] == "paused"
    assert not await is_let_in(world, str(body["token"]))


async def test_who_rotated_a_token_loses_it_with_the_inbox(world: World) -> None:
    _, body = await change(world, MEMBER, SUPPORT, action="rotate")
    async with world.client(TENANT_OWNER) as api:
        await api.patch(f"/v1/inboxes/{SUPPORT}/", json={"owner_user_id": None})
    assert not await is_let_in(world, str(body["token"]))


async def test_what_a_token_is_like_can_change(world: World) -> None:
    code, body = await change(
        world,
        TENANT_OWNER,
        SALES,
        label="new",
        scopes=["task:read"],
        expires_at="2027-01-15T08:00:01Z",
    )
    assert code == 200
    assert (body["label"], body["scopes"]) == ("new", ["task:read"])
    assert body["expires_at"] == "2027-01-15T08:00:01.000Z"
    async with world.client(SALES) as agent:
        assert (await agent.get("/v1/messages/")).json()["code"] == "missing_scope"
        world.clock.advance(SECOND)
        assert (await agent.get("/v1/me/")).status_code == 401
    code, body = await change(world, TENANT_OWNER, SALES, label="renamed while expired")
    assert (code, body["status"]) == (200, "expired")
    code, body = await change(world, TENANT_OWNER, SALES, expires_at=None)
    assert (body["label"], body["status"]) == ("renamed while expired", "active")
    assert await is_let_in(world, world.secrets[SALES])
    assert (await change(world, TENANT_OWNER, SALES))[1] == body | {
        "last_used_at": "2027-01-15T08:00:00.000Z"
    }


async def test_how_a_token_may_send_can_be_set_field_by_field(world: World) -> None:
    given = {"requires_approval": ["email:send"], "send_to": "anyone", "send_rate": 0}
    _, made = await create(world, TENANT_OWNER, inbox_id=SALES, **given)
    assert {name: made[name] for name in given} == given
    async with world.client(TENANT_OWNER) as api:
        path = f"/v1/tokens/{made['token_id']}/"
        steps: list[Body] = [{"send_rate": 5}, {"send_to": "contacts"}, {"requires_approval": []}]
        for step in steps:
            given |= step
            body = (await api.patch(path, json=step)).json()
            assert {name: body[name] for name in given} == given
        (entry, *_) = (await api.get("/v1/audit-log/", params={"action": "token.changed"})).json()[
            "results"
        ]
        assert entry["details"]["fields"] == ["requires_approval"]


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"action": "revoke"}, ["action"]),
        ({"action": "pause", "label": "x"}, ["action"]),
        ({"scopes": [], "label": ""}, ["label", "scopes"]),
        ({"expires_at": "2027-01-15T08:00:00Z"}, ["expires_at"]),
        ({"token_id": "tok_x", "status": "active"}, ["token_id", "status"]),
    ],
)
async def test_what_a_token_cannot_become_is_400_and_changes_nothing(
    world: World, fields: dict[str, object], faulty: list[str]
) -> None:
    code, body = await change(world, TENANT_OWNER, SALES, **fields)
    assert code == 400
    assert [fault["field"] for fault in body["errors"]] == faulty  # type: ignore[attr-defined]
    async with world.client(TENANT_OWNER) as api:
        labels = {one["label"] for one in (await api.get("/v1/tokens/")).json()}
    assert labels == {"tests"}
    assert await is_let_in(world, world.secrets[SALES])


async def test_a_token_never_changes_a_token(world: World) -> None:
    for fields in ({"action": "rotate"}, {"scopes": ["email:write"]}):
        code, body = await change(world, SALES, SALES, **fields)
        assert (code, body["code"]) == (403, "admin_required")

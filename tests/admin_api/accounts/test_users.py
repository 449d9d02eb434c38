"""Users over HTTP: who keeps them, and what goes with them."""

import asyncio

import pytest

from tests.builders import (
    AGENT,
    MEMBER,
    PASSWORD,
    SALES,
    STRANGER,
    SUPPORT,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
)

USERS = "/v1/users/"
NEW = {"email": "New@people.test", "name": "Nora", "role": "member", "password": "long enough"}


def path(world: World, email: str) -> str:
    return f"{USERS}{world.ids[email]}/"


async def signs_in(world: World, email: str, password: str) -> bool:
    async with world.client() as api:
        answer = await api.post("/auth/login/", json={"email": email, "password": password})
    return answer.status_code == 200


async def is_let_in(world: World, secret: str) -> bool:
    async with world.client(secret=secret) as api:
        return (await api.get("/v1/me/")).status_code == 200


async def make_token(world: World, who: str, inbox: str) -> str:
    async with world.client(who) as api:
        answer = await api.post(
            "/v1/tokens/", json={"inbox_id": inbox, "label": who, "scopes": ["email:read"]}
        )
    assert answer.status_code == 201
    return str(answer.json()["token"])


async def test_a_user_is_made_read_changed_and_deleted(world: World) -> None:
    async with world.client(TENANT_ADMIN) as api:
        made = await api.post(USERS, json=NEW)
        assert made.status_code == 201
        assert made.json() == {
            "user_id": made.json()["user_id"],
            "email": "New@people.test",
            "name": "Nora",
            "role": "member",
            "tenant_id": world.ids["Example"],
            "created_at": "2027-01-15T08:00:00.000Z",
        }
        own = f"{USERS}{made.json()['user_id']}/"
        assert (await api.get(own)).json() == made.json()
        assert await signs_in(world, "new@people.test", "long enough")
        changed = await api.patch(
            own, json={"email": "nora@people.test", "name": "", "role": "admin"}
        )
        assert changed.status_code == 200
        assert changed.json() == made.json() | {
            "email": "nora@people.test",
            "name": "",
            "role": "admin",
        }
        assert [user["email"] for user in (await api.get(USERS)).json()] == [
            TENANT_OWNER,
            TENANT_ADMIN,
            MEMBER,
            "nora@people.test",
        ]
        assert not await signs_in(world, "new@people.test", "long enough")
        assert await signs_in(world, "Nora@people.test", "long enough")
        assert (await api.delete(own)).status_code == 204
        assert (await api.get(own)).status_code == 404
        assert not await signs_in(world, "nora@people.test", "long enough")
        assert (await api.post(USERS, json=NEW)).status_code == 201


async def test_no_answer_shows_a_password(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        for text in ((await api.post(USERS, json=NEW)).text, (await api.get(USERS)).text):
            assert "long enough" not in text
            assert "argon2" not in text


@pytest.mark.parametrize("email", [MEMBER, "MIA@People.test", '"mia"@people.test', STRANGER])
async def test_an_email_address_that_is_taken_is_409_in_any_spelling(
    world: World, email: str
) -> None:
    async with world.client(TENANT_OWNER) as api:
        made = await api.post(USERS, json=NEW | {"email": email})
        assert (made.status_code, made.json()["code"]) == (409, "email_taken")
        changed = await api.patch(path(world, TENANT_ADMIN), json={"email": email})
        assert (changed.status_code, changed.json()["code"]) == (409, "email_taken")
        same = await api.patch(path(world, MEMBER), json={"email": MEMBER.upper()})
        assert (same.status_code, same.json()["email"]) == (200, MEMBER.upper())
        assert len((await api.get(USERS)).json()) == 3


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["email", "password"]),
        ({"email": "x", "password": "short"}, ["email", "password"]),
        (NEW | {"role": "king", "name": "a\nb"}, ["name", "role"]),
        (NEW | {"tenant_id": "tnt_x", "user_id": "usr_x"}, ["tenant_id", "user_id"]),
        (NEW | {"password": 12345678}, ["password"]),
        (NEW | {"password": "x" * 257}, ["password"]),
    ],
)
async def test_what_a_user_cannot_be_is_400_with_every_fault(
    world: World, body: dict[str, object], fields: list[str]
) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post(USERS, json=body)
        assert answer.status_code == 400
        assert [fault["field"] for fault in answer.json()["errors"]] == fields
        assert len((await api.get(USERS)).json()) == 3


async def test_the_last_owner_stays_an_owner(world: World) -> None:
    own = path(world, TENANT_OWNER)
    async with world.client(TENANT_OWNER) as api:
        for answer in (
            await api.delete(own),
            await api.patch(own, json={"role": "admin", "name": "Olga the former"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
        assert (await api.get(own)).json()["name"] == "Olga"
        assert (await api.patch(own, json={"role": "owner"})).status_code == 200
        assert (await api.patch(path(world, MEMBER), json={"role": "owner"})).status_code == 200
        assert (await api.patch(own, json={"role": "member"})).status_code == 200
        assert (await api.get(USERS)).status_code == 403


async def test_two_owners_who_leave_at_once_leave_one(world: World) -> None:
    async with world.client(TENANT_OWNER) as first, world.client(MEMBER) as second:
        await first.patch(path(world, MEMBER), json={"role": "owner"})
        answers = await asyncio.gather(
            first.delete(path(world, MEMBER)), second.delete(path(world, TENANT_OWNER))
        )
    assert sorted(answer.status_code for answer in answers)[0] == 204
    assert sum(answer.status_code == 204 for answer in answers) == 1


async def test_only_an_owner_has_to_do_with_owners(world: World) -> None:
    own = path(world, TENANT_OWNER)
    async with world.client(TENANT_ADMIN) as api:
        refused = [
            await api.post(USERS, json=NEW | {"role": "owner"}),
            await api.patch(path(world, MEMBER), json={"role": "owner"}),
            await api.patch(path(world, TENANT_ADMIN), json={"role": "owner"}),
            await api.patch(own, json={"password": "now I am you"}),
            await api.patch(own, json={"name": "x"}),
            await api.delete(own),
        ]
        assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {
            (403, "admin_required")
        }
        assert (await api.get(own)).status_code == 200
        assert (await api.patch(path(world, MEMBER), json={"role": "admin"})).status_code == 200
    assert await signs_in(world, TENANT_OWNER, PASSWORD)


async def test_a_new_password_ends_the_users_sessions(world: World) -> None:
    async with world.client(TENANT_ADMIN) as api:
        answer = await api.patch(path(world, MEMBER), json={"password": "set by Adam"})
        assert answer.status_code == 200
        assert not await is_let_in(world, world.secrets[MEMBER])
        assert await signs_in(world, MEMBER, "set by Adam")
        own = await api.patch(path(world, TENANT_ADMIN), json={"password": "set by myself"})
        assert own.status_code == 200
        assert (await api.get("/v1/me/")).status_code == 200


async def test_a_deleted_user_leaves_inboxes_but_no_credential(world: World) -> None:
    of_member = await make_token(world, MEMBER, SUPPORT)
    of_admin = await make_token(world, TENANT_ADMIN, SUPPORT)
    async with world.client(TENANT_OWNER) as api:
        assert (await api.delete(path(world, MEMBER))).status_code == 204
        inbox = (await api.get(f"/v1/inboxes/{SUPPORT}/")).json()
    assert inbox["owner_user_id"] is None
    assert not await is_let_in(world, world.secrets[MEMBER])
    assert not await is_let_in(world, of_member)
    assert await is_let_in(world, of_admin)
    assert await is_let_in(world, world.secrets[SUPPORT])  # the command line made it


async def test_who_is_demoted_loses_the_tokens_for_inboxes_of_others(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.patch(
            f"/v1/inboxes/{AGENT}/", json={"owner_user_id": world.ids[TENANT_ADMIN]}
        )
        assert answer.status_code == 200
        kept = await make_token(world, TENANT_ADMIN, AGENT)
        lost = await make_token(world, TENANT_ADMIN, SALES)
        assert (await api.patch(path(world, TENANT_ADMIN), json={"name": "A"})).status_code == 200
        assert await is_let_in(world, lost)
        answer = await api.patch(path(world, TENANT_ADMIN), json={"role": "member"})
        assert answer.status_code == 200
        assert await is_let_in(world, kept)
        assert not await is_let_in(world, lost)
        await api.patch(path(world, TENANT_ADMIN), json={"role": "admin"})
        assert not await is_let_in(world, lost)


async def test_another_tenants_users_are_not_seen(world: World) -> None:
    async with world.client(STRANGER) as api:
        assert [user["email"] for user in (await api.get(USERS)).json()] == [STRANGER]
        unknown = await api.get(f"{USERS}usr_{'0' * 26}/")
        foreign = await api.get(path(world, MEMBER))
    assert (unknown.status_code, unknown.content) == (404, foreign.content)

"""The list of inboxes, and one of them read and changed."""

from collections.abc import Mapping

import pytest

from storage.directory.resolve import Verdict, resolve
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    FOREIGN_LIST,
    MEMBER,
    SALES,
    STRANGER,
    SUPPORT,
    TEAM,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    token_with,
)
from tests.support.cases import cases

SETTINGS = {"default_timezone", "share_relationships", "webhook_url", "webhook_events"}


async def listed(world: World, who: str) -> dict[str, dict[str, object]]:
    async with world.client(who) as api:
        return {inbox["address"]: inbox for inbox in (await api.get("/v1/inboxes/")).json()}


async def test_a_record_has_the_addresses_of_the_lists_among_its_aliases(world: World) -> None:
    found = await listed(world, SALES)
    assert list(found) == [SALES, SUPPORT, AGENT]
    assert found[SALES] == {
        "inbox_id": world.ids[SALES],
        "address": SALES,
        "display_name": "",
        "owner_user_id": world.ids[TENANT_OWNER],
        "aliases": [{"address": TEAM, "list_id": world.ids[TEAM]}],
        "default_timezone": "UTC",
        "share_relationships": True,
        "webhook_url": None,
        "webhook_events": [],
        "signature": "",
        "created_at": "2027-01-15T08:00:00.000Z",
    }
    assert found[AGENT]["aliases"] == []


async def test_settings_are_shown_to_the_inbox_its_owner_and_admins(world: World) -> None:
    shown = {
        who: {
            address
            for address, inbox in (await listed(world, who)).items()
            if set(inbox) >= SETTINGS
        }
        for who in (SALES, MEMBER, TENANT_ADMIN, TENANT_OWNER)
    }
    everyone = {SALES, SUPPORT, AGENT}
    assert shown == {
        SALES: {SALES},
        MEMBER: {SUPPORT},
        TENANT_ADMIN: everyone,
        TENANT_OWNER: everyone,
    }
    assert not SETTINGS & set((await listed(world, SALES))[AGENT])


async def test_each_tenant_sees_its_own(world: World) -> None:
    found = await listed(world, FOREIGN_INBOX)
    assert list(found) == [FOREIGN_INBOX]
    assert found[FOREIGN_INBOX]["aliases"] == [
        {"address": FOREIGN_LIST, "list_id": world.ids[FOREIGN_LIST]}
    ]


async def test_any_scope_will_do(world: World) -> None:
    async with world.client(secret=await token_with(world, AGENT, "task:read")) as api:
        assert (await api.get("/v1/inboxes/")).status_code == 200


NEW = {"address": "New@Example.test"}
INBOXES = "/v1/inboxes/"


async def test_an_admin_makes_an_inbox_that_takes_mail_at_once(world: World) -> None:
    assert await verdict(world, "new") is Verdict.UNKNOWN
    async with world.client(TENANT_ADMIN) as api:
        made = await api.post(
            INBOXES,
            json=NEW | {"display_name": "New desk", "owner_user_id": world.ids[MEMBER]},
        )
        assert made.status_code == 201
        assert made.json() == {
            "inbox_id": made.json()["inbox_id"],
            "address": "New@Example.test",
            "display_name": "New desk",
            "owner_user_id": world.ids[MEMBER],
            "aliases": [],
            "default_timezone": "UTC",
            "share_relationships": True,
            "webhook_url": None,
            "webhook_events": [],
            "signature": "",
            "created_at": "2027-01-15T08:00:00.000Z",
        }
        for name in (made.json()["inbox_id"], "new@example.test", "NEW%40EXAMPLE.test."):
            assert (await api.get(f"{INBOXES}{name}/")).json() == made.json()
    assert await verdict(world, "new") is Verdict.ROUTE


async def verdict(world: World, local_part: str) -> Verdict:
    found = await world.database.read(
        lambda tx: resolve(tx, local_part=local_part, domain="example.test")
    )
    return found.verdict


async def test_an_address_with_the_dot_of_the_root_is_the_one_without(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        made = await api.post("/v1/inboxes/", json={"address": "Dot@Example.test."})
        assert (made.status_code, made.json()["address"]) == (201, "Dot@Example.test")
        again = await api.post("/v1/inboxes/", json={"address": "dot@example.test"})
        assert (again.status_code, again.json()["code"]) == (409, "address_taken")


@pytest.mark.parametrize("address", [SALES, "sales@EXAMPLE.test", '"team"@example.test', TEAM])
async def test_an_address_that_is_taken_is_409(world: World, address: str) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post(INBOXES, json={"address": address})
        assert (answer.status_code, answer.json()["code"]) == (409, "address_taken")
        assert len((await api.get(INBOXES)).json()) == 3


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["address"]),
        ({"address": "a+b@example.test", "display_name": "a\nb"}, ["address", "display_name"]),
        ({"address": "jürgen@example.test"}, ["address"]),
        ({"address": "new@other.test"}, ["address"]),
        ({"address": "new@sub.example.test"}, ["address"]),
        (NEW | {"owner_user_id": 7, "display_name": 1}, ["display_name", "owner_user_id"]),
        (NEW | {"webhook_url": "https://x.test", "webhook_events": []}, None),
        (NEW | {"tenant_id": "tnt_x", "created_by": "usr_x"}, None),
    ],
)
async def test_what_an_inbox_cannot_be_is_400(
    world: World, body: dict[str, object], fields: list[str] | None
) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post(INBOXES, json=body)
        assert answer.status_code == 400
        named = [fault["field"] for fault in answer.json()["errors"]]
        assert named == (fields or [name for name in body if name != "address"])
        assert len((await api.get(INBOXES)).json()) == 3


async def test_an_owner_is_a_user_of_the_tenant_and_others_look_alike(world: World) -> None:
    names = [world.ids[STRANGER], "usr_" + "0" * 26, "nonsense", world.ids[SALES], MEMBER]
    async with world.client(TENANT_OWNER) as api:
        answers = [await api.post(INBOXES, json=NEW | {"owner_user_id": name}) for name in names]
        answers += [
            await api.patch(f"{INBOXES}{SALES}/", json={"owner_user_id": name}) for name in names
        ]
    assert {answer.status_code for answer in answers} == {400}
    assert len({answer.content for answer in answers}) == 1
    assert [fault["field"] for fault in answers[0].json()["errors"]] == ["owner_user_id"]


async def test_settings_are_changed_and_what_is_left_out_stays(world: World) -> None:
    change = {
        "display_name": "Sales",
        "default_timezone": "America/Argentina/Buenos_Aires",
        "share_relationships": False,
    }
    path = f"{INBOXES}{world.ids[SALES]}/"
    async with world.client(TENANT_OWNER) as api:
        before = (await api.get(path)).json()
        for step in (*({name: value} for name, value in change.items()), {}):
            before |= step
            changed = await api.patch(path, json=step)
            assert (changed.status_code, changed.json()) == (200, before)
        assert (await api.get(path)).json() == before
        gone = await api.patch(path, json={"owner_user_id": None})
        assert gone.json() == before | {"owner_user_id": None}


UNFIT: list[Mapping[str, object]] = [
    *({"default_timezone": zone} for zone in ("Europe/Atlantis", "", "utc+1", "../x")),
    *({"share_relationships": value} for value in ("true", 1)),
    *({"display_name": value} for value in ("x" * 201, "a\u0085b")),
    *({"webhook_url": url} for url in ("hook.test", "http://hook.test/", "", 7)),
    *({"webhook_events": names} for names in (["message.received"], ["x"], [7])),
    *({"address": "other@example.test"}, {"created_at": "2027-01-15T08:00:00Z"}),
]


async def test_what_cannot_be_set_is_400_and_changes_nothing(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        before = (await api.get(f"{INBOXES}{SALES}/")).json()
        with cases() as case:
            for body in UNFIT:
                with case(str(body)):
                    world.clock.elapsed += 1  # no limit of calls is reached
                    answer = await api.patch(f"{INBOXES}{SALES}/", json=body)
                    assert answer.status_code == 400
                    faults = answer.json()["errors"]
                    assert [fault["field"].partition("[")[0] for fault in faults] == [*body]
                    assert (await api.get(f"{INBOXES}{SALES}/")).json() == before


async def test_settings_belong_to_the_inbox_its_owner_and_admins(world: World) -> None:
    own, other = f"{INBOXES}{SUPPORT}/", f"{INBOXES}{SALES}/"
    change = {"display_name": "Changed"}
    for who in (SUPPORT, MEMBER, TENANT_ADMIN):
        async with world.client(who) as api:
            assert (await api.patch(own, json=change)).status_code == 200
            assert set((await api.get(own)).json()) >= SETTINGS
    async with world.client(MEMBER) as api:
        seen = await api.get(other)
        assert (seen.status_code, SETTINGS & set(seen.json())) == (200, set())
        refused = await api.patch(other, json=change)
        assert (refused.status_code, refused.json()["code"]) == (403, "admin_required")
        given = await api.patch(own, json={"owner_user_id": world.ids[TENANT_OWNER]})
        assert (given.status_code, given.json()["code"]) == (403, "admin_required")


async def test_a_token_changes_its_own_inbox_only_whoever_else_is_there(world: World) -> None:
    async with world.client(SUPPORT) as api:
        answers = [
            await api.patch(f"{INBOXES}{name}/", json={"display_name": "Mine"})
            for name in (SALES, world.ids[SALES], FOREIGN_INBOX, "inb_" + "0" * 26, "nonsense")
        ]
        given = await api.patch(f"{INBOXES}{SUPPORT}/", json={"owner_user_id": None})
    assert {answer.json()["code"] for answer in answers} == {"inbox_mismatch"}
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    assert (given.status_code, given.json()["code"]) == (403, "admin_required")
    async with world.client(secret=await token_with(world, SUPPORT, "alerts:read")) as api:
        answer = await api.patch(f"{INBOXES}{SUPPORT}/", json={"display_name": "Mine"})
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


async def test_another_tenants_inbox_looks_like_none(world: World) -> None:
    names = (FOREIGN_INBOX, world.ids[FOREIGN_INBOX], TEAM, "inb_" + "0" * 26, "nonsense")
    async with world.client(TENANT_OWNER) as api:
        for method, rest in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "restore/")):
            answers = [
                await api.request(
                    method,
                    f"{INBOXES}{name}/{rest}",
                    json={"display_name": "x"} if method == "PATCH" else None,
                )
                for name in names
            ]
            assert {answer.status_code for answer in answers} == {404}
            assert len({answer.content for answer in answers}) == 1
    async with world.client(FOREIGN_INBOX) as api:
        assert (await api.get(f"{INBOXES}{FOREIGN_INBOX}/")).json()["display_name"] == ""


async def test_when_an_inbox_changes_its_owner_the_former_ones_tokens_end(world: World) -> None:
    async def token(who: str) -> str:
        async with world.client(who) as api:
            body = {"inbox_id": SUPPORT, "label": who, "scopes": ["email:read"]}
            return str((await api.post("/v1/tokens/", json=body)).json()["token"])

    async def works(secret: str) -> bool:
        async with world.client(secret=secret) as api:
            return (await api.get("/v1/me/")).status_code == 200

    of_owner, of_admin = await token(MEMBER), await token(TENANT_ADMIN)
    async with world.client(TENANT_ADMIN) as api:
        same = await api.patch(f"{INBOXES}{SUPPORT}/", json={"owner_user_id": world.ids[MEMBER]})
        assert same.status_code == 200
        assert await works(of_owner)
        new = await api.patch(
            f"{INBOXES}{SUPPORT}/", json={"owner_user_id": world.ids[TENANT_OWNER]}
        )
        assert new.status_code == 200
    assert not await works(of_owner)
    assert await works(of_admin)
    assert await works(world.secrets[SUPPORT])

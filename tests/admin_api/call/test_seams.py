"""What a newcomer meets: inbox_id on every call, null, empty bodies, fields that cannot change."""

import pytest

from admin_api.openapi.answers import described
from admin_api.routes import ROUTES
from storage.clock import DAY
from tests.builders import AGENT, FOREIGN_INBOX, MEMBER, SALES, SUPPORT, TENANT_OWNER, World

CHANGES = [route for route in ROUTES if route.method == "PATCH" and "{" in route.path]


async def test_a_session_may_name_its_inbox_on_calls_that_belong_to_none(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        for path in ("/v1/templates/", "/v1/distribution-lists/", "/v1/users/", "/v1/me/"):
            plain = await api.get(path)
            named = await api.get(path, params={"inbox_id": SALES})
            assert (named.status_code, named.content) == (200, plain.content)
            for foreign in (FOREIGN_INBOX, world.ids[FOREIGN_INBOX], "nobody@nowhere.test"):
                answer = await api.get(path, params={"inbox_id": foreign})
                assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        body = {"name": "x", "inbox_id": SALES}
        assert (await api.post("/v1/templates/", json=body)).status_code == 201
        answer = await api.post("/v1/templates/", json=body | {"inbox_id": FOREIGN_INBOX})
        assert answer.status_code == 404
        answer = await api.post("/v1/templates/", json=body | {"inbox_id": 7})
        assert [fault["field"] for fault in answer.json()["errors"]] == ["inbox_id"]


async def test_an_optional_field_that_is_null_counts_as_left_out(world: World) -> None:
    async with world.client(SALES) as api:
        card = {"full_name": "Grace", "emails": None, "organization": None, "labels": None}
        made = await api.post("/v1/contacts/", json=card)
        assert made.status_code == 201, made.text
        path = f"/v1/contacts/{made.json()['id']}/"
        changed = await api.patch(path, json={"full_name": None, "notes": "x"})
        assert (changed.status_code, changed.json()["full_name"]) == (200, "Grace")
        answer = await api.post("/v1/tasks/", json={"title": None})
        assert [fault["field"] for fault in answer.json()["errors"]] == ["title"]


async def test_a_body_that_may_be_left_out_may_be_empty(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post("/v1/templates/")
        assert answer.status_code == 201, answer.text
        answer = await api.post("/v1/distribution-lists/")
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("route", CHANGES, ids=[route.path for route in CHANGES])
def test_a_field_of_the_record_that_no_change_takes_is_known_as_such(route: object) -> None:
    (found,) = (one for one in CHANGES if one is route)
    assert found.payload is not None
    model = described(found).model
    assert model is not None
    shown = {field.alias or name for name, field in model.model_fields.items()}
    assert shown == {*found.payload.fixed}


async def test_a_field_that_cannot_be_changed_says_so(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        path = f"/v1/inboxes/{SALES}/"
        answer = await api.patch(path, json={"address": "x@example.com", "surprise": 1})
        faults = {fault["field"]: fault["message"] for fault in answer.json()["errors"]}
        assert faults == {"address": "cannot be changed", "surprise": "is not known here"}


async def test_a_path_that_no_call_has_says_so(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        unknown = (await api.get("/v1/mesages/")).json()
        nothing = (await api.get(f"/v1/users/{world.ids[SALES]}/")).json()
        assert unknown["detail"] == "No call has this path; /docs/ lists them all."
        assert nothing["code"] == unknown["code"] == "not_found"
        assert nothing["detail"] != unknown["detail"]


async def test_deleted_inboxes_are_listed_for_admins_until_their_mail_goes(world: World) -> None:
    async with world.client(TENANT_OWNER) as api, world.client(MEMBER) as member:
        assert (await api.get("/v1/inboxes/", params={"deleted": "true"})).json() == []
        await api.delete(f"/v1/inboxes/{AGENT}/")
        (gone,) = (await api.get("/v1/inboxes/", params={"deleted": "true"})).json()
        assert gone["address"] == AGENT
        assert gone["purge_at"] > gone["created_at"]
        assert AGENT not in {one["address"] for one in (await api.get("/v1/inboxes/")).json()}
        answer = await member.get("/v1/inboxes/", params={"deleted": "true"})
        assert (answer.status_code, answer.json()["code"]) == (403, "admin_required")
        assert (await member.get("/v1/inboxes/", params={"deleted": "false"})).status_code == 200
        world.clock.now += 31 * DAY
        async with world.client(SUPPORT) as token:
            answer = await token.get("/v1/inboxes/", params={"deleted": "true"})
            assert answer.status_code in (401, 403)


async def test_an_acting_inbox_that_is_null_is_left_out(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post("/v1/tasks/", json={"title": "x", "inbox_id": None})
        assert (answer.status_code, answer.json()["code"]) == (400, "inbox_required")

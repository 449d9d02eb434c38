"""All that is wrong with a call is told at once: its form, and what it names."""

import json
from dataclasses import dataclass, field
from itertools import product
from typing import get_args
from urllib.parse import quote

import pytest
from pydantic import BaseModel

from admin_api.call.references import marked
from admin_api.http.payload import ANYTHING_ELSE, Parameters, Payload, read
from admin_api.routes import ROUTES
from tests.admin_api.teamwork.team import post, thread_with
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    SALES,
    SUPPORT,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    deliver,
)
from tests.support.cases import cases

THREADS = "/v1/messages/threads/"
LONG = "x" * 20_000
NO_THREAD = "thr_" + "0" * 26
NO_MESSAGE = "msg_" + "0" * 26
NO_CARD = "ctc_" + "0" * 26


@dataclass(frozen=True)
class Case:
    """A call of which several fields are at fault in different ways; `faults` are all of them."""

    faults: tuple[str, ...]
    body: dict[str, object] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    who: str = SALES


CASES = {
    "POST /v1/inboxes/": Case(
        ("display_name", "address", "owner_user_id"),
        {"address": "a@elsewhere.test", "owner_user_id": "usr_x", "display_name": "\n"},
        who=TENANT_OWNER,
    ),
    "PATCH /v1/inboxes/{inbox}/": Case(
        ("default_timezone", "owner_user_id", "webhook_url"),
        {
            "owner_user_id": "usr_x",
            "default_timezone": "Nowhere",
            "webhook_url": "https://127.0.0.1/",
        },
        who=TENANT_OWNER,
    ),
    "POST /v1/tokens/": Case(
        ("label", "scopes[0]", "inbox_id", "expires_at"),
        {
            "inbox_id": FOREIGN_INBOX,
            "label": "",
            "scopes": ["none"],
            "expires_at": "2001-01-01T00:00:00Z",
        },
        who=TENANT_OWNER,
    ),
    "PATCH /v1/tokens/{token}/": Case(
        ("label", "action", "expires_at"),
        {"action": "pause", "label": "", "expires_at": "2001-01-01T00:00:00Z"},
        who=TENANT_OWNER,
    ),
    "POST /v1/distribution-lists/": Case(
        ("name", "address"), {"address": "a@elsewhere.test", "name": ""}, who=TENANT_OWNER
    ),
    "POST /v1/distribution-lists/{list}/members/": Case(
        ("odd", "inbox_id"), {"inbox_id": FOREIGN_INBOX, "odd": 1}, who=TENANT_OWNER
    ),
    "PATCH /v1/messages/": Case(
        ("message_ids[1]", "set", "message_ids[0]"), {"message_ids": ["msg_x", 1], "set": {}}
    ),
    "POST /v1/messages/threads/{thread}/notes/": Case(
        ("body", "mentions[1]", "mentions[0]", "mentions[2]"),
        {"body": LONG, "mentions": [FOREIGN_INBOX, "", "x", AGENT]},
    ),
    "POST /v1/messages/threads/{thread}/assign/": Case(
        ("note", "to"), {"to": FOREIGN_INBOX, "note": LONG}
    ),
    "POST /v1/messages/threads/{thread}/handoff/": Case(
        ("note", "to"), {"to": FOREIGN_INBOX, "note": ""}
    ),
    "POST /v1/messages/threads/{thread}/drafts/": Case(
        ("subject", "quote", "reply_to_message_id"),
        {"subject": "\n", "quote": "all", "reply_to_message_id": NO_MESSAGE},
    ),
    "PATCH /v1/drafts/{draft}/": Case(
        ("subject", "superseded", "reply_to_message_id"),
        {"subject": "\n", "superseded": True, "reply_to_message_id": NO_MESSAGE},
    ),
    "POST /v1/messages/": Case(
        ("text_body", "reply_to_message_id"), {"text_body": 1, "reply_to_message_id": NO_MESSAGE}
    ),
    "POST /v1/tasks/": Case(("title", "thread_id"), {"title": "", "thread_id": NO_THREAD}),
    "PATCH /v1/tasks/{task}/": Case(
        ("completed", "thread_id"), {"completed": "x", "thread_id": NO_THREAD}
    ),
    "POST /v1/templates/{template}/": Case(
        ("context", "thread_id"), {"context": 1, "thread_id": NO_THREAD}
    ),
    "POST /v1/contacts/{contact}/merge/": Case(
        ("odd", "contact_id"), {"contact_id": NO_CARD, "odd": 1}
    ),
    "POST /v1/contacts/{contact}/handoff/": Case(
        ("note", "to_inbox_id"), {"to_inbox_id": SALES, "note": LONG}
    ),
    "POST /v1/contacts/shares/": Case(
        ("include_notes", "note", "to_inbox_id", "contact_id"),
        {
            "type": "offer",
            "to_inbox_id": FOREIGN_INBOX,
            "contact_id": NO_CARD,
            "include_notes": 1,
            "note": "x",
        },
    ),
    "POST /v1/alerts/": Case(
        ("filter.from", "enabled", "delivery.target", "filter.list_id", "filter.thread_id"),
        {
            "events": ["message.received"],
            "delivery": {"type": "webhook", "target": "https://127.0.0.1/"},
            "filter": {"from": "x", "list_id": "x", "thread_id": NO_THREAD},
            "enabled": 1,
        },
    ),
    "PATCH /v1/alerts/{alert}/": Case(
        ("events", "delivery.target", "filter.assignee"),
        {
            "events": [],
            "delivery": {"type": "task", "target": "\n"},
            "filter": {"assignee": FOREIGN_INBOX},
        },
    ),
    "GET /v1/messages/": Case(
        ("q", "limit", "list_id", "thread_id"),
        query={"q": "after:x", "limit": "0", "list_id": "x", "thread_id": NO_THREAD},
    ),
    "GET /v1/messages/threads/": Case(
        ("status", "cursor", "assigned_to", "list_id"),
        query={"status": "x", "assigned_to": FOREIGN_INBOX, "list_id": "x", "cursor": "x"},
    ),
    "GET /v1/activity/": Case(("since", "contact_id"), query={"contact_id": NO_CARD, "since": "x"}),
}
MARKED = {
    f"{route.method} {route.path}"
    for route in ROUTES
    if marked(route.parameters) or (route.payload is not None and marked(route.payload))
}


def test_every_route_whose_input_names_something_has_a_case() -> None:
    assert {key.replace("_id}", "}") for key in MARKED} == set(CASES)


async def _names(world: World) -> dict[str, str]:
    thread = await thread_with(world, "sales@example.test")
    alert = {"events": ["message.received"], "delivery": {"type": "task", "target": "x"}}
    async with world.client(SALES) as api, world.client(TENANT_OWNER) as admin:
        return {
            "draft": (await api.post(thread + "drafts/", json={})).json()["draft_id"],
            "alert": (await api.post("/v1/alerts/", json=alert)).json()["alert_id"],
            "inbox": SALES,
            "list": world.ids["Team@example.test"],
            "token": world.ids[f"token of {SALES}"],
            "thread": thread.split("/")[-2],
            "task": (await api.post("/v1/tasks/", json={"title": "x"})).json()["task_id"],
            "template": (await admin.post("/v1/templates/", json={})).json()["template_id"],
            "contact": (await api.post("/v1/contacts/", json={"full_name": "x"})).json()["id"],
        }


async def test_faults_of_form_and_of_reference_are_told_together(world: World) -> None:
    names = await _names(world)
    with cases() as case:
        for number, (key, one) in enumerate(CASES.items()):
            for more in ({}, {"Idempotency-Key": f"once-{number}"}):
                with case(f"{key} {more}"):
                    await _all_are_told(world, key, names, one, more)


async def _all_are_told(
    world: World, key: str, names: dict[str, str], one: Case, more: dict[str, str]
) -> None:
    method, path = key.split(" ")
    world.clock.elapsed += 1  # no limit of calls is reached
    async with world.client(one.who) as api:
        answer = await api.request(
            method,
            path.format(**names),
            params=one.query,
            json=one.body or None,
            headers={"If-Match": "*"} | more,
        )
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "invalid_fields"
    assert [fault["field"] for fault in answer.json()["errors"]] == [*one.faults]


async def test_faults_that_only_the_store_knows_are_told_together(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        both = {"address": "a@elsewhere.test", "owner_user_id": "usr_x"}
        answer = await api.post("/v1/inboxes/", json=both)
        faults = {one["field"] for one in answer.json()["errors"]}
        assert faults == {"address", "owner_user_id"}
        taken = {"address": SALES, "owner_user_id": "usr_x"}
        answer = await api.post("/v1/inboxes/", json=taken)
        assert [one["field"] for one in answer.json()["errors"]] == ["owner_user_id"]
        assert (await api.post("/v1/inboxes/", json={"address": SALES})).status_code == 409


async def test_what_a_body_asks_for_and_may_not_is_403_before_its_faults(world: World) -> None:
    async with world.client(TENANT_ADMIN) as api:
        for method, path in (("POST", "/v1/users/"), ("PATCH", f"/v1/users/{'usr_' + '0' * 26}/")):
            answer = await api.request(method, path, json={"role": "owner", "name": 1})
            assert (answer.status_code, answer.json()["code"]) == (403, "admin_required")


async def test_one_inbox_in_two_spellings_is_one(world: World) -> None:
    spellings = (world.ids[SALES], SALES, SALES.upper())
    async with world.client(TENANT_OWNER) as api:
        for query, body in product(spellings, spellings):
            answer = await api.post(
                "/v1/tasks/", params={"inbox_id": query}, json={"inbox_id": body, "title": "x"}
            )
            assert answer.status_code == 201
        answer = await api.post(
            "/v1/tasks/", params={"inbox_id": SALES}, json={"inbox_id": SUPPORT, "title": ""}
        )
        assert [one["field"] for one in answer.json()["errors"]] == ["title", "inbox_id"]


@pytest.mark.parametrize(
    ("query", "body", "fields"),
    [
        ("", {"inbox_id": 5, "title": ""}, ["inbox_id", "title"]),
        ("inbox_id=%FF", {"title": "x"}, ["inbox_id"]),
        ("inbox_id=a%00", {"title": ""}, ["inbox_id", "title"]),
        (f"inbox_id={quote(SALES)}&inbox_id={quote(SALES)}", {"title": "x"}, ["inbox_id"]),
        (f"odd=%FF&inbox_id={quote(SALES)}", {"title": ""}, ["odd", "title"]),
        (f"%FF=1&inbox_id={quote(SALES)}", {"title": "x"}, ["(query)"]),
    ],
)
async def test_a_malformed_parameter_is_the_fault_of_that_one(
    world: World, query: str, body: dict[str, object], fields: list[str]
) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post(f"/v1/tasks/?{query}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_fields")
    assert [one["field"] for one in answer.json()["errors"]] == fields


async def test_without_an_inbox_the_other_faults_are_told_as_well(world: World) -> None:
    answer = await post(world, TENANT_OWNER, "/v1/tasks/", title="")
    assert (answer.status_code, answer.json()["code"]) == (400, "inbox_required")
    assert [one["field"] for one in answer.json()["errors"]] == ["inbox_id", "title"]


async def test_names_of_fields_that_may_be_an_id_or_a_secret_are_not_echoed(world: World) -> None:
    message_id = await deliver(world, SALES)
    for odd in (message_id, world.ids[SALES], world.secrets[SALES], SALES, "x" * 25):
        answer = await post(world, SALES, "/v1/tasks/", title="x", **{odd: 1})
        assert answer.json()["errors"] == [{"field": "(other)", "message": "is not known here"}]
        assert odd not in answer.text


VALUES: tuple[object, ...] = (
    *(None, True, 0, -1, 10**9, 0.5, -0.5, "", " ", "x", "\n", LONG, "0", "999999999", "1.5"),
    *({}, {"x": 1}, {LONG: LONG}, [], [1], [None], ["x"] * 5_000, [[]], [{}], [{"odd": 1}]),
    *([{"address": 1}], [{"number": 1}], [{"type": 1, "date": 1}]),
)


def _models() -> list[type[Payload] | type[Parameters]]:
    taken = [model for route in ROUTES for model in (route.parameters, route.payload) if model]
    return [*dict.fromkeys(taken)]


@pytest.mark.parametrize("model", _models(), ids=lambda model: model.__qualname__)
def test_every_kind_of_fault_has_a_sentence_of_ours(
    model: type[Payload] | type[Parameters],
) -> None:
    for name, info in model.model_fields.items():
        inner = [one for one in get_args(info.annotation) if isinstance(one, type)]
        nested = [
            {field: value}
            for one in (info.annotation, *inner)
            if isinstance(one, type) and issubclass(one, BaseModel)
            for field in one.model_fields
            for value in VALUES
        ]
        for value in (*VALUES, *nested):
            form = read(model, json.loads(json.dumps({info.alias or name: value})))
            for fault in form.faults:
                assert fault.message != ANYTHING_ELSE, (name, value, fault)
                assert "{" not in fault.message

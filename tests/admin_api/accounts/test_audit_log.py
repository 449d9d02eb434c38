"""The audit log: one entry for each change that belongs there, none for a refusal."""

import re
from ipaddress import ip_network
from typing import Any

import pytest

from admin_api.routes import ROUTES
from storage.accounts.audit_log import KEPT, OPERATOR, Act, record_act
from storage.clock import rfc3339
from storage.maintenance.retention import KINDS
from tests.admin_api.test_routes import TABLE, Row, ids
from tests.builders import (
    AGENT,
    MEMBER,
    PASSWORD,
    SALES,
    STRANGER,
    SUPPORT,
    TEAM,
    TENANT_ADMIN,
    TENANT_OWNER,
    World,
    deliver,
    open_world,
)
from tests.support.cases import cases
from tests.support.engines import Engine
from tests.support.retention import forgotten

Entry = dict[str, Any]  # one JSON object; the border of the API

LOG = "/v1/audit-log/"
MESSAGE_DELIVERIES = "GET /v1/messages/{message_id}/deliveries/"

# Every change of the API, with the one verb it leaves; None for what is nobody's but the inbox's.
ACTIONS: dict[str, str | None] = {
    "POST /auth/logout/": None,
    "POST /auth/change-password/": "user.password_changed",
    "DELETE /v1/sessions/": "user.sessions_ended",
    "DELETE /v1/sessions/{session_id}/": "user.sessions_ended",
    "POST /v1/users/": "user.created",
    "PATCH /v1/users/{user_id}/": "user.changed",
    "DELETE /v1/users/{user_id}/": "user.deleted",
    "POST /v1/domains/": "domain.added",
    "DELETE /v1/domains/{name}/": "domain.deleted",
    "POST /v1/domains/{name}/verify/": None,  # the records are not there: it changes nothing
    "POST /v1/inboxes/": "inbox.created",
    "PATCH /v1/inboxes/{inbox_id}/": "inbox.changed",
    "DELETE /v1/inboxes/{inbox_id}/": "inbox.deleted",
    "POST /v1/inboxes/{inbox_id}/webhook-secret/": None,  # 409: it has no webhook
    "POST /v1/inboxes/{inbox_id}/restore/": "inbox.restored",
    "POST /v1/tokens/": "token.created",
    "PATCH /v1/tokens/{token_id}/": "token.rotated",
    "DELETE /v1/tokens/{token_id}/": "token.revoked",
    "POST /v1/distribution-lists/": "list.created",
    "PATCH /v1/distribution-lists/{list_id}/": "list.renamed",
    "DELETE /v1/distribution-lists/{list_id}/": "list.deleted",
    "POST /v1/distribution-lists/{list_id}/members/": "list.member_added",
    "DELETE /v1/distribution-lists/{list_id}/members/{inbox_id}/": "list.member_removed",
    "PATCH /v1/messages/": None,
    "PATCH /v1/messages/{message_id}/": None,
    "DELETE /v1/messages/{message_id}/": None,
    "PATCH /v1/messages/threads/{thread_id}/": None,
    "POST /v1/messages/threads/{thread_id}/notes/": None,
    "DELETE /v1/messages/threads/{thread_id}/notes/{note_id}/": None,
    "POST /v1/messages/threads/{thread_id}/assign/": "thread.assigned",
    "DELETE /v1/messages/threads/{thread_id}/assign/": None,  # nobody has it
    "POST /v1/messages/threads/{thread_id}/handoff/": "thread.handed_off",
    "POST /v1/messages/threads/{thread_id}/drafts/": None,
    "PATCH /v1/drafts/{draft_id}/": None,
    "DELETE /v1/drafts/{draft_id}/": None,
    "POST /v1/uploads/": None,
    "POST /v1/messages/": None,
    "POST /v1/messages/{message_id}/cancel/": None,
    "POST /v1/messages/{message_id}/retry/": None,
    "POST /v1/approvals/{approval_id}/approve/": "approval.approved",
    "POST /v1/approvals/{approval_id}/reject/": "approval.rejected",
    "POST /v1/tasks/": None,
    "PATCH /v1/tasks/{task_id}/": None,
    "DELETE /v1/tasks/{task_id}/": None,
    "POST /v1/templates/": "template.created",
    "POST /v1/templates/{template_id}/": None,
    "PATCH /v1/templates/{template_id}/": "template.changed",
    "DELETE /v1/templates/{template_id}/": "template.deleted",
    "POST /v1/contacts/": None,
    "PATCH /v1/contacts/{contact_id}/": None,
    "DELETE /v1/contacts/{contact_id}/": None,
    "POST /v1/contacts/{contact_id}/merge/": None,
    "POST /v1/contacts/{contact_id}/unmerge/": None,
    "POST /v1/contacts/{contact_id}/handoff/": "contact.handed_over",
    "POST /v1/contacts/import/": None,
    "POST /v1/alerts/": "alert.created",
    "PATCH /v1/alerts/{alert_id}/": "alert.changed",
    "DELETE /v1/alerts/{alert_id}/": "alert.deleted",
    "POST /v1/alerts/{alert_id}/webhook-secret/": "alert.secret_renewed",
    "POST /v1/alerts/{alert_id}/deliveries/{delivery_id}/redeliver/": "alert.redelivered",
    "POST /v1/alerts/{alert_id}/test/": None,
    "POST /v1/contacts/shares/": "share.requested",
    "DELETE /v1/contacts/shares/{share_id}/": "share.withdrawn",
    "POST /v1/contacts/shares/{share_id}/accept/": None,  # 409: there is no such card
    "POST /v1/contacts/shares/{share_id}/decline/": "share.declined",
}
# What ends the session, or would not be there any more, or not yet.
ALONE = {
    "POST /auth/logout/",
    "POST /v1/contacts/{contact_id}/merge/",
    "POST /v1/inboxes/",
    "POST /v1/messages/threads/{thread_id}/assign/",
    "PATCH /v1/contacts/{contact_id}/",
    "DELETE /v1/alerts/{alert_id}/",
    "DELETE /v1/messages/threads/{thread_id}/assign/",
    "DELETE /v1/sessions/",
    "DELETE /v1/sessions/{session_id}/",
    "DELETE /v1/tasks/{task_id}/",
    "DELETE /v1/tokens/{token_id}/",
    "DELETE /v1/drafts/{draft_id}/",
    "POST /v1/approvals/{approval_id}/reject/",
}


async def entries(world: World, who: str = TENANT_OWNER, **query: str) -> list[Entry]:
    async with world.client(who) as api:
        answer = await api.get(LOG, params=query)
    assert answer.status_code == 200, answer.text
    found: list[Entry] = answer.json()["results"]
    return found


async def request(
    world: World,
    who: str,
    key: str,
    names: dict[str, str],
    **rest: Any,  # noqa: ANN401
) -> int:
    method, path = key.split(" ")
    path = re.sub(r"\{(\w+)\}", lambda found: names[found[1]], path)
    world.clock.elapsed += 1  # so that no rate of calls is reached
    async with world.client(who) as api:
        return (await api.request(method, path, **rest)).status_code


def named(row: Row, own: dict[str, str]) -> dict[str, str]:
    return {name: own[kind] for name, kind in row.names.items()}


async def clear(world: World) -> None:
    await world.database.write(lambda tx: tx.execute("DELETE FROM audit_log"))


def test_every_route_that_changes_something_says_what_it_leaves() -> None:
    changing = {
        f"{route.method} {route.path}"
        for route in ROUTES
        if route.method != "GET" and route.access.caller != "anybody"
    }
    assert changing == set(ACTIONS)


async def test_a_change_leaves_exactly_one_entry(furnished: World) -> None:
    with cases() as case:
        together = [key for key in ACTIONS if key not in ALONE]
        # What is part of another thing goes before it, and nothing before it was changed.
        for key in sorted(together, key=lambda key: (key.startswith("DELETE "), -len(key))):
            with case(key):
                await leaves_its_entry(furnished, key)


@pytest.mark.parametrize("key", sorted(ALONE))
async def test_a_change_that_others_would_hinder_leaves_one_too(furnished: World, key: str) -> None:
    await leaves_its_entry(furnished, key)


async def leaves_its_entry(world: World, key: str) -> None:
    row, action = TABLE[key], ACTIONS[key]
    names = named(row, await ids(world, own=True))
    query = row.query | ({"inbox_id": SALES} if row.acts else {})
    await clear(world)

    status = await request(world, TENANT_OWNER, key, names, params=query, **row.sent)

    assert status == row.status
    if key == "POST /auth/logout/":
        return
    found = await entries(world)
    assert [entry["action"] for entry in found] == ([action] if action else [])
    for entry in found:
        assert entry["actor"]["name"] == TENANT_OWNER
        assert entry["inbox_id"] == (world.ids[SALES] if row.acts else None)
        assert PASSWORD not in str(entry)


async def test_a_refusal_leaves_none(furnished: World) -> None:
    await clear(furnished)
    with cases() as case:
        for key in [key for key, action in ACTIONS.items() if action]:
            row = TABLE[key]
            names = named(row, await ids(furnished, own=True))
            query = {"inbox_id": SALES} if row.acts else {}
            with case(key):
                for who in (MEMBER, STRANGER, TENANT_OWNER):
                    surprise = {} if row.names and who != TENANT_OWNER else {"surprise": "1"}
                    status = await request(
                        furnished, who, key, names, params=query | surprise, **row.sent
                    )
                    assert status in (400, 403, 404)
                assert await entries(furnished, TENANT_ADMIN) == []


TAKEN = [
    pytest.param("POST", "/v1/users/", {"email": MEMBER, "password": PASSWORD}, id="user"),
    pytest.param("POST", "/v1/inboxes/", {"address": SALES}, id="inbox"),
    pytest.param("POST", "/v1/distribution-lists/", {"address": TEAM, "name": "x"}, id="list"),
    pytest.param("POST", "/v1/domains/", {"domain": "example.test"}, id="domain"),
    pytest.param("DELETE", "/v1/domains/example.test/", None, id="domain in use"),
]


@pytest.mark.parametrize(("method", "path", "body"), TAKEN)
async def test_a_conflict_leaves_none(
    world: World, method: str, path: str, body: dict[str, object] | None
) -> None:
    async with world.client(TENANT_OWNER) as api:
        answer = await api.request(method, path, json=body)

    assert answer.status_code == 409
    assert await entries(world) == []


async def test_an_entry_tells_who_did_what_to_whom_from_where(world: World) -> None:
    body = {"name": "Mia M.", "role": "admin", "password": "another long password"}
    async with world.client(TENANT_OWNER) as api:
        me = (await api.get("/v1/me/")).json()
        await api.patch(f"/v1/users/{world.ids[MEMBER]}/", json=body)

    (entry,) = await entries(world)
    assert entry.pop("entry_id").startswith("aud_")
    assert entry == {
        "action": "user.changed",
        "actor": {"type": "user", "id": world.ids[TENANT_OWNER], "name": TENANT_OWNER},
        "credential_id": me["session"]["session_id"],
        "client_ip": "127.0.0.1",
        "object": {"type": "user", "id": world.ids[MEMBER], "name": MEMBER},
        "inbox_id": None,
        "details": {"fields": ["name", "password", "role"], "role": "admin"},
        "created_at": rfc3339(world.clock()),
    }


async def test_a_token_acts_by_its_label_for_its_inbox(world: World) -> None:
    async with world.client(SALES) as api:
        await api.patch(f"/v1/inboxes/{SALES}/", json={"display_name": "Sales"})

    (entry,) = await entries(world)
    token = world.ids[f"token of {SALES}"]
    assert entry["actor"] == {"type": "token", "id": token, "name": "tests"}
    assert (entry["credential_id"], entry["inbox_id"]) == (token, world.ids[SALES])


async def test_an_admin_reading_in_an_inbox_of_another_owner_is_on_record(world: World) -> None:
    message = await deliver(world, SUPPORT)
    path = f"/v1/messages/{message}/"
    async with world.client(TENANT_ADMIN) as api:
        assert (await api.get(path, params={"inbox_id": SUPPORT})).status_code == 200
        assert (await api.get("/v1/agenda/", params={"inbox_id": AGENT})).status_code == 200
        assert (await api.get(path, params={"inbox_id": AGENT})).status_code == 404

    owners, members = await entries(world), [AGENT, SUPPORT]
    assert [entry["action"] for entry in owners] == ["inbox.acted_for"] * 2
    assert [entry["object"]["name"] for entry in owners] == members
    assert [entry["inbox_id"] for entry in owners] == [world.ids[name] for name in members]
    assert owners[1]["details"] == {"method": "GET", "path": path}


async def test_every_way_of_reading_in_a_foreign_inbox_is_on_record(world: World) -> None:
    message = await deliver(world, SUPPORT)
    paths = [
        "/v1/messages/wait/",
        f"/v1/messages/{message}/raw/",
        "/v1/messages/threads/",
        "/v1/contacts/export/",
        "/v1/activity/?address=grace@sender.test",
        "/v1/relationships/graph/",
        "/v1/events/",
        "/v1/alerts/",
    ]
    async with world.client(TENANT_ADMIN) as api:
        for path in paths:
            query = f"{'&' if '?' in path else '?'}inbox_id={SUPPORT}"
            assert (await api.get(path + query)).status_code == 200, path
        assert (await api.head(paths[1], params={"inbox_id": SUPPORT})).status_code == 200

    told = [entry["details"]["path"] for entry in await entries(world)]
    assert told == [paths[1], *(path.partition("?")[0] for path in reversed(paths))]


async def test_reading_in_an_inbox_of_ones_own_is_not(world: World) -> None:
    async with world.client(MEMBER) as api:
        assert (await api.get("/v1/messages/", params={"inbox_id": SUPPORT})).status_code == 200
    async with world.client(SALES) as api:
        assert (await api.get("/v1/messages/")).status_code == 200

    assert await entries(world) == []


async def test_a_change_for_a_foreign_inbox_leaves_one_entry_also_with_a_key(world: World) -> None:
    ask = {"type": "request", "to_inbox_id": AGENT, "contact_address": "x@y.test"}
    task = {"title": "Call", "inbox_id": SUPPORT}
    async with world.client(TENANT_ADMIN) as api:
        for _ in range(2):
            keyed = {"Idempotency-Key": "one"}
            share = ask | {"inbox_id": SUPPORT}
            await api.post("/v1/contacts/shares/", json=share, headers=keyed)
            await api.post("/v1/tasks/", json=task, headers=keyed)
        assert (await api.post("/v1/tasks/", json=task | {"title": ""})).status_code == 400

    found = await entries(world)
    assert [entry["action"] for entry in found] == ["inbox.acted_for", "share.requested"]
    assert {entry["inbox_id"] for entry in found} == {world.ids[SUPPORT]}


@pytest.mark.parametrize(
    ("trusted", "address"), [((), "127.0.0.1"), (("127.0.0.0/8",), "198.51.100.7")]
)
async def test_the_client_is_who_the_trusted_proxy_says(
    engine: Engine, trusted: tuple[str, ...], address: str
) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}
    networks = tuple(ip_network(one) for one in trusted)
    async with open_world(engine, trusted_proxies=networks) as world:
        async with world.client(TENANT_OWNER) as api:
            await api.post("/v1/templates/", json={"name": "One"}, headers=forwarded)
        (entry,) = await entries(world)
    assert entry["client_ip"] == address


async def test_what_changes_nothing_leaves_nothing(world: World) -> None:
    members = f"/v1/distribution-lists/{world.ids[TEAM]}/members/"
    async with world.client(TENANT_OWNER) as api:
        assert (await api.post(members, json={"inbox_id": SALES})).status_code == 200
        assert (await api.patch(f"/v1/users/{world.ids[MEMBER]}/", json={})).status_code == 200

    assert await entries(world) == []


async def test_entries_are_kept_a_year(world: World) -> None:
    act = Act("tenant.changed", "tenant", world.ids["Example"])
    now = world.clock()
    await world.database.write(
        lambda tx: record_act(tx, tenant_id=world.tenant_id, actor=OPERATOR, act=act, now=now)
    )
    assert await forgotten(world.database, "audit_log", now=now + KEPT - 1) == 0
    assert len(await entries(world, actor="operator")) == 1

    assert await forgotten(world.database, "audit_log", now=now + KEPT) == 1
    assert await entries(world) == []


def test_nothing_but_retention_takes_an_entry_out() -> None:
    """Of the statements that name the table one adds and none changes; retention has it in its list
    of kinds.
    """
    from pathlib import Path

    root = Path(__file__).parents[3]
    texts = [
        file.read_text()
        for layer in ("storage", "admin_api", "gateway")
        for file in (root / layer).rglob("*.py")
    ]
    found = re.findall(r"(INSERT INTO|UPDATE|DELETE FROM) audit_log\b", "\n".join(texts))
    assert found == ["INSERT INTO"]
    assert [kind.kept for kind in KINDS if kind.name == "audit_log"] == [KEPT]


async def test_the_change_and_its_entry_stand_or_fall_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr("admin_api.call.audit_trail.record_act", fail)
    async with world.client(TENANT_ADMIN) as api:
        made = await api.post("/v1/templates/", json={"name": "One"})
        read = await api.get("/v1/messages/", params={"inbox_id": SUPPORT})
    monkeypatch.undo()

    assert (made.status_code, read.status_code) == (500, 500)
    async with world.client(TENANT_ADMIN) as api:
        assert (await api.get("/v1/templates/")).json() == []


SAME: list[tuple[str, dict[str, object]]] = [
    ("PATCH /v1/users/{user_id}/", {"role": "member", "name": "Carol"}),
    ("PATCH /v1/inboxes/{inbox_id}/", {"display_name": "Sales", "webhook_events": []}),
    (
        "PATCH /v1/inboxes/{inbox_id}/",
        {"webhook_url": "https://hooks.example.test/", "webhook_events": ["message.received"]},
    ),
    ("PATCH /v1/tokens/{token_id}/", {"action": "pause"}),
    ("PATCH /v1/tokens/{token_id}/", {"label": "Other", "scopes": ["email:read"]}),
    ("PATCH /v1/distribution-lists/{list_id}/", {"name": "Other"}),
    ("PATCH /v1/templates/{template_id}/", {"name": "Other", "body": "{x}"}),
    ("PATCH /v1/alerts/{alert_id}/", {"enabled": False}),
    ("PATCH /v1/alerts/{alert_id}/", {"events": ["thread.closed"], "filter": {}}),
    ("POST /v1/messages/threads/{thread_id}/assign/", {"to": AGENT}),
]


@pytest.mark.parametrize(("key", "body"), SAME)
async def test_what_changes_nothing_leaves_no_entry(
    furnished: World, key: str, body: dict[str, object]
) -> None:
    row = TABLE[key]
    names, query = (
        named(row, await ids(furnished, own=True)),
        {"inbox_id": SALES} if row.acts else {},
    )
    await request(furnished, TENANT_OWNER, key, names, params=query, json=body)
    await clear(furnished)

    assert await request(furnished, TENANT_OWNER, key, names, params=query, json=body) == 200

    assert await entries(furnished) == []


async def test_fields_of_an_entry_are_those_that_changed(world: World) -> None:
    names = {"user_id": world.ids[MEMBER]}
    await clear(world)
    body = {"role": "member", "name": "Another"}
    await request(world, TENANT_OWNER, "PATCH /v1/users/{user_id}/", names, json=body)
    (entry,) = await entries(world)
    assert entry["details"] == {"fields": ["name"]}


async def test_an_admin_who_is_told_of_all_copies_of_a_message_is_on_record(world: World) -> None:
    names, key = {"message_id": await deliver(world, SUPPORT)}, MESSAGE_DELIVERIES
    await clear(world)

    assert await request(world, TENANT_OWNER, key, names) == 200
    assert await request(world, SUPPORT, key, names) == 200

    (entry,) = await entries(world)
    assert (entry["action"], entry["object"]["id"]) == ("message.explained", names["message_id"])
    assert entry["actor"]["name"] == TENANT_OWNER
    assert await request(world, TENANT_OWNER, key, {"message_id": "msg_" + "0" * 26}) == 404
    assert len(await entries(world)) == 1

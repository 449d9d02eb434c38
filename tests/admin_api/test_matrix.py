"""The matrix: every route, for every kind of caller, with every kind of id.

Each call carries a parameter that no route knows. So nothing is changed, and the answer tells how
far the caller got: 401, 403, 404 for what the path names, or 400 for that parameter.

A refusal of which no id is asked (401, 403 for a scope or a role) is made in code that knows no
engine. So on SQLite it is tried with every kind of id, and on PostgreSQL with one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from admin_api.routes import ROUTES
from storage.accounts import sessions, tenants, tokens
from storage.clock import DAY
from storage.database import Tx
from storage.ids import to_text
from tests.admin_api.test_routes import (
    NOTE,
    TABLE,
    TASK,
    UNKNOWN,
    WITH_FILE,
    Row,
    attachment_of,
    deleted_inbox,
    shared_work,
)
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
    count_all,
    deliver,
    token_with,
)
from tests.support.direct_calls import Answer, call_directly
from tests.support.engines import Engine

Ids = dict[str, str]

# What an inbox has for itself; everything else that a path names is the tenant's: whom a teammate
# knows, too, as long as that inbox shares its relationships.
OWN = {
    "message",
    "attachment",
    "thread",
    "note",
    "draft",
    "letter",
    "task",
    "contact",
    "share",
    "sent share",
    "alert",
    "delivery",
}
CHANGE_INBOX = ("PATCH /v1/inboxes/{inbox_id}/", "POST /v1/inboxes/{inbox_id}/webhook-secret/")
# What waits for an inbox, only who may act for it is told.
COUNTS = "GET /v1/inboxes/{inbox_id}/counts/"
# Its body names a type of event, which takes the right to read it.
NEW_ALERT = "POST /v1/alerts/"
# An inbox named for rendering counts only when a thread is named too.
RENDER = "POST /v1/templates/{template_id}/"


@dataclass(frozen=True)
class Caller:
    """Somebody with a valid credential. `scopes` are a token's; `acts_for` is a session's inbox,
    which may be one that is none of the caller's.
    """

    secret: str
    own: Ids
    scopes: frozenset[str] | None = None
    acts_for: str = ""
    admin: bool = False
    stranger: bool = False


async def ids_of(world: World, inbox: str, owner: str, *, tenant: str = "Example") -> Ids:
    """One of each kind that a path can name, of this inbox or of its tenant."""
    domain = inbox.rpartition("@")[2]
    address = f"gone.{inbox.partition('@')[0]}@{domain}"
    sender = f"grace.{inbox.partition('@')[0].lower()}@sender.test"
    message = await deliver(world, inbox.lower(), body=WITH_FILE, tenant=tenant, sender=sender)
    await count_all(world)
    return {
        "user": world.ids[STRANGER if tenant == "Other" else MEMBER],
        "domain": domain,
        "deleted inbox": await gone(world, world.raw[tenant], address),
        "list": world.ids[FOREIGN_LIST if tenant == "Other" else TEAM],
        "inbox": world.ids[inbox],
        "token of": world.ids[f"token of {inbox}"],
        "message": message,
        "attachment": await attachment_of(world, message, tenant),
        "sender": sender,
        **await shared_work(world, inbox, owner),
        **await contacts_of(world, inbox, owner),
    }


async def gone(world: World, tenant_id: bytes, address: str) -> str:
    return to_text("inb", await deleted_inbox(world, tenant_id, address))


async def contacts_of(world: World, inbox: str, owner: str) -> Ids:
    """A card of the inbox; a request to an inbox beside all others, and one from it."""
    ask = {"type": "request", "contact_address": "ann@people.test"}
    partner = f"partner@{inbox.rpartition('@')[2]}"
    shares = "/v1/contacts/shares/"
    async with world.client(inbox) as api, world.client(owner) as other:
        await other.post("/v1/inboxes/", json={"address": partner})
        card = (await api.post("/v1/contacts/", json={"full_name": "Ann"})).json()
        sent = (await api.post(shares, json=ask | {"to_inbox_id": partner})).json()
        back = ask | {"to_inbox_id": inbox, "inbox_id": partner}
        came = (await other.post(shares, json=back)).json()
    return {"contact": card["id"], "share": came["share_id"], "sent share": sent["share_id"]}


async def call(
    world: World, secret: str | None, key: str, names: Ids, *, acts_for: str = ""
) -> Answer:
    row, (method, path) = TABLE[key], key.split(" ")
    path = re.sub(r"\{(\w+)\}", lambda found: names[found[1]], path)
    query = {"surprise": "1"} | ({"inbox_id": acts_for} if row.acts and acts_for else {})
    world.clock.elapsed += 1  # limits are not what this is about
    return await call_directly(world.app, method, path, secret=secret, params=query, **row.sent)


async def invalid_secrets(world: World) -> dict[str, str | None]:
    """Credentials that are none, or none any more."""

    async def make(tx: Tx) -> dict[str, str | None]:
        key = {"tenant_id": world.tenant_id}
        made: dict[str, str | None] = {}
        now = world.clock()
        for name in ("paused", "revoked", "expired"):
            token, made[name] = await tokens.create_token(
                tx,
                tenant_id=world.tenant_id,
                inbox_id=world.raw[SALES],
                label=name,
                scopes=tokens.SCOPES,
                created_by=None,
                expires_at=now + 1 if name == "expired" else None,
                now=now,
            )
            if name == "paused":
                await tokens.set_paused(tx, **key, token_id=token.token_id, paused=True)
            if name == "revoked":
                await tokens.revoke_token(tx, **key, token_id=token.token_id)
        owner, long_ago = world.raw[TENANT_OWNER], now - 15 * DAY
        _, made["session that ended"] = await sessions.create_session(
            tx, tenant_id=key["tenant_id"], user_id=owner, now=long_ago
        )
        _, made["session of the page"] = await sessions.create_session(
            tx, tenant_id=key["tenant_id"], user_id=owner, now=now, kind="page"
        )
        return made

    found = await world.database.write(make)
    world.clock.advance(2)
    return {"none": None, "garbage": "garbage", "other kind": "prt_" + "x" * 43} | found


async def callers_of(world: World) -> dict[str, Caller]:
    sales = await ids_of(world, SALES, TENANT_OWNER)
    support = await ids_of(world, SUPPORT, TENANT_OWNER)
    foreign = await ids_of(world, FOREIGN_INBOX, STRANGER, tenant="Other")
    found = {
        "owner": Caller(world.secrets[TENANT_OWNER], sales, acts_for=SALES, admin=True),
        "admin": Caller(world.secrets[TENANT_ADMIN], sales, acts_for=SALES, admin=True),
        "member": Caller(world.secrets[MEMBER], support, acts_for=SUPPORT),
        "member for another": Caller(world.secrets[MEMBER], sales, acts_for=SALES, stranger=True),
        "other owner": Caller(world.secrets[STRANGER], foreign, acts_for=FOREIGN_INBOX, admin=True),
        "every scope": Caller(world.secrets[SALES], sales, scopes=frozenset(tokens.SCOPES)),
    }
    for scope in tokens.SCOPES:
        secret = await token_with(world, SALES, scope)
        found[f"only {scope}"] = Caller(secret, sales, scopes=frozenset({scope}))
    return found


def named(row: Row, ids: Ids) -> Ids:
    return {name: ids.get(kind, UNKNOWN[name]) for name, kind in row.names.items()}


def lacks_the_right(key: str, row: Row, caller: Caller) -> bool:
    """Tell whether the caller gets 403 whatever the path names."""
    if row.admin and not caller.admin:
        return True
    if caller.scopes is None:
        return False
    return row.scopes is None or not all(caller.scopes & one for one in _needed(key, row))


def expected(key: str, row: Row, caller: Caller, whose: str) -> int:
    """What the caller gets for ids that are `own`, of `other` inboxes, `foreign` or `unknown`."""
    token = caller.scopes is not None
    if lacks_the_right(key, row, caller):
        return 403
    if row.acts and caller.stranger and key != RENDER:
        return 404
    if not row.names:
        return 400
    if key in CHANGE_INBOX and token and whose != "own":
        return 403
    if whose in ("foreign", "unknown"):
        return 404
    return _within_the_tenant(key, row, caller, whose)


def _needed(key: str, row: Row) -> Iterator[set[str]]:
    """Of each of these a token needs one."""
    if row.scopes:
        yield {*row.scopes}
    if key == NEW_ALERT:
        yield {"email:read"}


def _within_the_tenant(key: str, row: Row, caller: Caller, whose: str) -> int:
    kinds = {*row.names.values()}
    if whose == "other" and kinds & OWN:
        return 404
    mine = whose == "own" and not caller.stranger
    if "session" in kinds:
        return 404  # it is nobody's here; one's own is in accounts/test_sessions.py
    # Of these the inbox is not named by the call: it is that of the token, or of the approval.
    if (kinds & {"token of", "approval"} or key == COUNTS) and not caller.admin and not mine:
        return 404
    if key in CHANGE_INBOX and not caller.admin and not mine:
        return 403
    return 400


def kinds_of_ids(row: Row, caller: Caller, other: Ids, foreign: Ids) -> Iterator[tuple[str, Ids]]:
    yield "own", named(row, caller.own)
    if row.names:
        yield "other", named(row, other)
        yield "foreign", named(row, foreign)
        yield "unknown", UNKNOWN


@pytest.mark.timeout(600)
async def test_who_gets_how_far_with_what(world: World, engine: Engine) -> None:
    with_every_id = engine.name == "sqlite"
    invalid, callers = await invalid_secrets(world), await callers_of(world)
    agent = await ids_of(world, AGENT, TENANT_OWNER)
    own, foreign = callers["owner"].own, callers["other owner"].own
    wrong: list[tuple[str, str, object]] = []
    for key, row in TABLE.items():
        for name, secret in invalid.items():
            for ids in (named(row, own), UNKNOWN)[: 2 if with_every_id else 1]:
                status = (await call(world, secret, key, ids)).status_code
                if status != (400 if row.public else 401):
                    wrong.append((key, name, status))
        for name, caller in callers.items() if not row.public else ():
            others = (own, own) if name == "other owner" else (agent, foreign)
            refusals = set()
            for whose, ids in kinds_of_ids(row, caller, *others):
                if name == "other owner" and whose == "other":
                    continue
                if whose != "own" and not with_every_id and lacks_the_right(key, row, caller):
                    continue
                secret, acts_for = caller.secret, caller.acts_for
                answer = await call(world, secret, key, ids, acts_for=acts_for)
                if answer.status_code != expected(key, row, caller, whose):
                    wrong.append((key, f"{name}, {whose}", answer.status_code))
                if answer.status_code == 404:
                    refusals.add(answer.content)
            if len(refusals) > 1:
                wrong.append((key, name, "404s differ"))
    assert not wrong, "\n".join(map(str, wrong))


async def test_after_a_downgrade_what_takes_more_is_refused_with_its_code(world: World) -> None:
    async def downgrade(tx: Tx) -> None:
        await tenants.set_tenant(tx, tenant_id=world.tenant_id, plan="free", governance="none")

    await world.database.write(downgrade)
    for route in ROUTES:
        key = f"{route.method} {route.path}"
        if TABLE[key].public:
            continue
        secret = world.secrets[TENANT_OWNER]
        answer = await call(world, secret, key, UNKNOWN, acts_for=SALES)
        if route.access.plan != "free":
            assert (answer.status_code, answer.code) == (403, "plan_required")
        elif route.access.governance != "none":
            assert (answer.status_code, answer.code) == (403, "governance_required")
        else:
            assert answer.status_code in (400, 404)


def test_every_kind_that_a_path_names_is_known_here() -> None:
    kinds = {kind for row in TABLE.values() for kind in row.names.values()}
    tenants_own = {
        "user",
        "session",
        "domain",
        "deleted inbox",
        "list",
        "inbox",
        "token of",
        "approval",
        "template",
        "sender",
    }
    assert kinds <= OWN | tenants_own
    assert {*NOTE.values(), *TASK.values()} <= OWN

"""Every route in one table: who may call it, and what the others hear."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from admin_api.call.router import Route
from admin_api.routes import ROUTES
from storage.accounts.sessions import create_session
from storage.accounts.tokens import SCOPES
from storage.address import parse_address
from storage.contacts import contacts
from storage.contacts.cards import Card
from storage.database import Tx
from storage.directory.domains import add_domain
from storage.directory.inboxes import create_inbox
from storage.ids import from_text, to_text
from storage.mailbox import parsed
from storage.maintenance.inbox_removal import delete_inbox
from tests.admin_api.drafts.letters import held_letter
from tests.builders import (
    AGENT,
    FOREIGN_INBOX,
    FOREIGN_LIST,
    MEMBER,
    PASSWORD,
    SALES,
    STRANGER,
    SUPPORT,
    TEAM,
    TENANT_OWNER,
    World,
    count_all,
    deliver,
    token_with,
)
from tests.support.cases import cases
from tests.support.post_room import parse_waiting

UNKNOWN = {
    "list_id": "lst_" + "0" * 26,
    "token_id": "tok_" + "0" * 26,
    "message_id": "msg_" + "0" * 26,
    "attachment_id": "att_" + "0" * 26,
    "inbox_id": "inb_" + "0" * 26,
    "user_id": "usr_" + "0" * 26,
    "name": "unknown.test",
    "thread_id": "thr_" + "0" * 26,
    "note_id": "note_" + "0" * 26,
    "task_id": "task_" + "0" * 26,
    "template_id": "tpl_" + "0" * 26,
    "contact_id": "ctc_" + "0" * 26,
    "share_id": "shr_" + "0" * 26,
    "alert_id": "alr_" + "0" * 26,
    "delivery_id": "dlv_" + "0" * 26,
    "address": "nobody@unknown.test",
    "session_id": "ses_" + "0" * 26,
    "draft_id": "drf_" + "0" * 26,
    "approval_id": "apr_" + "0" * 26,
}


@dataclass(frozen=True)
class Row:
    """What a route declares: the scopes of which a token needs one (None: no token may), whether
    only admins may, whether it belongs to an inbox; a body that is good, or a file; its parameters.
    `query` is a parameter that it needs, or one that ends a call which would not end.
    """

    scopes: tuple[str, ...] | None = ()
    admin: bool = False
    acts: bool = False
    public: bool = False
    body: dict[str, object] | None = None
    names: dict[str, str] = field(default_factory=dict)
    status: int = 200
    query: dict[str, str] = field(default_factory=dict)
    file: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def sent(self) -> dict[str, Any]:
        """The body as a client is given it."""
        if self.file is None:
            return {"json": self.body, "headers": self.headers}
        return {"content": self.file, "headers": {"Content-Type": "text/vcard"}}


READ = ("email:read",)
WRITE = ("email:write",)
THREAD = {"thread_id": "thread"}
NOTE = {"thread_id": "thread", "note_id": "note"}
TASK = {"task_id": "task"}
DRAFT = {"draft_id": "draft"}
APPROVAL, APPROVALS = {"approval_id": "approval"}, ("approvals:read",)
TEMPLATE = {"template_id": "template"}
CONTACT = {"contact_id": "contact"}
OTHER_MESSAGE = "msg_01kas3v9t2q5nq8x7d4m6c0wfe"
OTHER_CARD = "ctc_01kas3v9t2q5nq8x7d4m6c0wfe"
EVENTS = ("email:read", "contacts:read", "task:read", "approvals:read")
ALERTS_WRITE = ("alerts:write",)
ALERT: dict[str, object] = {
    "events": ["message.received"],
    "delivery": {"type": "webhook", "target": "https://hooks.example.test/"},
}
BOOK, BOOK_WRITE, CONTEXT = ("contacts:read",), ("contacts:write",), ("context:read",)

TABLE = {
    "GET /healthz": Row(public=True),
    "GET /readyz": Row(public=True),
    "GET /metrics": Row(public=True),
    "GET /docs": Row(public=True),
    "GET /v1/openapi.json": Row(public=True),
    "POST /auth/login/": Row(public=True, body={"email": "a@b.test", "password": "x"}, status=401),
    "POST /auth/logout/": Row(None, status=204),
    "POST /auth/change-password/": Row(
        None, body={"current_password": PASSWORD, "new_password": PASSWORD}, status=204
    ),
    "GET /v1/me/": Row(),
    "GET /v1/sessions/": Row(None),
    "DELETE /v1/sessions/": Row(None, status=204),
    "DELETE /v1/sessions/{session_id}/": Row(None, names={"session_id": "session"}, status=204),
    "GET /v1/audit-log/": Row(None, admin=True),
    "GET /v1/users/": Row(None, admin=True),
    "POST /v1/users/": Row(
        None, admin=True, body={"email": "new@people.test", "password": PASSWORD}, status=201
    ),
    "GET /v1/users/{user_id}/": Row(None, admin=True, names={"user_id": "user"}),
    "PATCH /v1/users/{user_id}/": Row(
        None, admin=True, body={"name": "New"}, names={"user_id": "user"}
    ),
    "DELETE /v1/users/{user_id}/": Row(None, admin=True, names={"user_id": "user"}, status=204),
    "GET /v1/domains/": Row(None, admin=True),
    "POST /v1/domains/": Row(None, admin=True, body={"domain": "new.test"}, status=201),
    "GET /v1/domains/{name}/": Row(None, admin=True, names={"name": "domain"}),
    "DELETE /v1/domains/{name}/": Row(None, admin=True, names={"name": "domain"}, status=204),
    "GET /v1/domains/{name}/check/": Row(None, admin=True, names={"name": "domain"}),
    "POST /v1/domains/{name}/verify/": Row(None, admin=True, names={"name": "domain"}),
    "GET /v1/inboxes/": Row(),
    "POST /v1/inboxes/": Row(None, admin=True, body={"address": "new@example.test"}, status=201),
    "GET /v1/inboxes/{inbox_id}/counts/": Row(READ, names={"inbox_id": "inbox"}),
    "GET /v1/inboxes/{inbox_id}/": Row(names={"inbox_id": "inbox"}),
    "PATCH /v1/inboxes/{inbox_id}/": Row(
        ("alerts:write",), body={"display_name": "New"}, names={"inbox_id": "inbox"}
    ),
    "DELETE /v1/inboxes/{inbox_id}/": Row(
        None, admin=True, names={"inbox_id": "inbox"}, status=204
    ),
    "POST /v1/inboxes/{inbox_id}/webhook-secret/": Row(
        ("alerts:write",), names={"inbox_id": "inbox"}, status=409
    ),
    "POST /v1/inboxes/{inbox_id}/restore/": Row(
        None, admin=True, names={"inbox_id": "deleted inbox"}
    ),
    "GET /v1/tokens/": Row(None),
    "POST /v1/tokens/": Row(
        None, body={"inbox_id": SALES, "label": "x", "scopes": ["email:read"]}, status=201
    ),
    "PATCH /v1/tokens/{token_id}/": Row(
        None, body={"action": "rotate"}, names={"token_id": "token of"}
    ),
    "DELETE /v1/tokens/{token_id}/": Row(None, names={"token_id": "token of"}, status=204),
    "GET /v1/distribution-lists/": Row(READ),
    "POST /v1/distribution-lists/": Row(
        None, admin=True, body={"address": "new@example.test", "name": "New"}, status=201
    ),
    "GET /v1/distribution-lists/{list_id}/": Row(READ, names={"list_id": "list"}),
    "PATCH /v1/distribution-lists/{list_id}/": Row(
        None, admin=True, body={"name": "New"}, names={"list_id": "list"}
    ),
    "DELETE /v1/distribution-lists/{list_id}/": Row(
        None, admin=True, names={"list_id": "list"}, status=204
    ),
    "GET /v1/distribution-lists/{list_id}/members/": Row(READ, names={"list_id": "list"}),
    "POST /v1/distribution-lists/{list_id}/members/": Row(
        None, admin=True, body={"inbox_id": AGENT}, names={"list_id": "list"}, status=201
    ),
    "DELETE /v1/distribution-lists/{list_id}/members/{inbox_id}/": Row(
        None, admin=True, names={"list_id": "list", "inbox_id": "inbox"}, status=204
    ),
    "GET /v1/messages/": Row(READ, acts=True),
    "POST /v1/messages/": Row(
        ("email:send",),
        acts=True,
        body={"reply_to_message_id": OTHER_MESSAGE, "text_body": "In March."},
        status=201,
    ),
    "POST /v1/messages/{message_id}/cancel/": Row(
        ("email:send",), acts=True, names={"message_id": "letter"}
    ),
    "POST /v1/messages/{message_id}/retry/": Row(
        ("email:send",), acts=True, names={"message_id": "letter"}, status=409
    ),
    "PATCH /v1/messages/": Row(
        WRITE, acts=True, body={"message_ids": [OTHER_MESSAGE], "set": {"is_read": True}}
    ),
    "GET /v1/messages/{message_id}/": Row(READ, acts=True, names={"message_id": "message"}),
    "PATCH /v1/messages/{message_id}/": Row(
        WRITE, acts=True, body={"is_read": True}, names={"message_id": "message"}
    ),
    "DELETE /v1/messages/{message_id}/": Row(
        WRITE, acts=True, names={"message_id": "message"}, status=204
    ),
    "GET /v1/messages/{message_id}/raw/": Row(READ, acts=True, names={"message_id": "message"}),
    "GET /v1/messages/{message_id}/attachments/{attachment_id}/": Row(
        READ, acts=True, names={"message_id": "message", "attachment_id": "attachment"}
    ),
    "GET /v1/messages/wait/": Row(READ, acts=True),
    "GET /v1/messages/{message_id}/deliveries/": Row(
        READ, acts=True, names={"message_id": "message"}
    ),
    "GET /v1/resolve/": Row(None, admin=True, status=400),
    "GET /v1/messages/threads/": Row(READ, acts=True),
    "GET /v1/messages/threads/{thread_id}/": Row(READ, acts=True, names=THREAD),
    "PATCH /v1/messages/threads/{thread_id}/": Row(
        WRITE, acts=True, body={"status": "closed"}, names=THREAD
    ),
    "GET /v1/messages/threads/{thread_id}/history/": Row(READ, acts=True, names=THREAD),
    "GET /v1/messages/threads/{thread_id}/notes/": Row(READ, acts=True, names=THREAD),
    "POST /v1/messages/threads/{thread_id}/notes/": Row(
        WRITE, acts=True, body={"body": "Call back."}, names=THREAD, status=201
    ),
    "DELETE /v1/messages/threads/{thread_id}/notes/{note_id}/": Row(
        WRITE, acts=True, names=NOTE, status=204
    ),
    "POST /v1/messages/threads/{thread_id}/assign/": Row(
        WRITE, acts=True, body={"to": SALES}, names=THREAD
    ),
    "DELETE /v1/messages/threads/{thread_id}/assign/": Row(
        WRITE, acts=True, names=THREAD, status=204
    ),
    "POST /v1/messages/threads/{thread_id}/handoff/": Row(
        WRITE, acts=True, body={"to": SALES, "note": "Yours."}, names=THREAD
    ),
    "GET /v1/agenda/": Row(("task:read", "email:read"), acts=True),
    "POST /v1/tasks/": Row(("task:write",), acts=True, body={"title": "Call"}, status=201),
    "GET /v1/tasks/{task_id}/": Row(("task:read",), acts=True, names=TASK),
    "PATCH /v1/tasks/{task_id}/": Row(
        ("task:write", "email:write"), acts=True, body={"completed": True}, names=TASK
    ),
    "DELETE /v1/tasks/{task_id}/": Row(("task:write",), acts=True, names=TASK, status=204),
    "GET /v1/templates/": Row(READ),
    "POST /v1/templates/": Row(None, admin=True, body={"name": "Follow-up"}, status=201),
    "GET /v1/templates/{template_id}/": Row(READ, names=TEMPLATE),
    "POST /v1/templates/{template_id}/": Row(
        READ, acts=True, body={"context": {"topic": "x"}}, names=TEMPLATE
    ),
    "PATCH /v1/templates/{template_id}/": Row(
        None, admin=True, body={"name": "New"}, names=TEMPLATE
    ),
    "DELETE /v1/templates/{template_id}/": Row(None, admin=True, names=TEMPLATE, status=204),
    "GET /v1/messages/threads/{thread_id}/drafts/": Row(WRITE, acts=True, names=THREAD),
    "POST /v1/messages/threads/{thread_id}/drafts/": Row(
        WRITE, acts=True, body={"text_body": "Dear Grace,"}, names=THREAD, status=201
    ),
    "GET /v1/drafts/{draft_id}/": Row(WRITE, acts=True, names=DRAFT),
    "PATCH /v1/drafts/{draft_id}/": Row(
        WRITE, acts=True, body={"subject": "Renewal"}, names=DRAFT, headers={"If-Match": "*"}
    ),
    "DELETE /v1/drafts/{draft_id}/": Row(WRITE, acts=True, names=DRAFT, status=204),
    "GET /v1/approvals/": Row(APPROVALS, acts=True),
    "GET /v1/approvals/{approval_id}/": Row(APPROVALS, names=APPROVAL),
    "POST /v1/approvals/{approval_id}/approve/": Row(
        None, body={"force": False}, names=APPROVAL, status=204
    ),
    "POST /v1/approvals/{approval_id}/reject/": Row(
        None, body={"reason": "Too dear."}, names=APPROVAL, status=204
    ),
    "POST /v1/uploads/": Row(
        ("email:send", "email:write"),
        acts=True,
        file=b"%PDF",
        query={"filename": "offer.pdf"},
        status=201,
    ),
    "GET /v1/contacts/": Row(BOOK, acts=True),
    "POST /v1/contacts/": Row(BOOK_WRITE, acts=True, body={"full_name": "Ann"}, status=201),
    "GET /v1/contacts/{contact_id}/": Row(BOOK, acts=True, names=CONTACT),
    "PATCH /v1/contacts/{contact_id}/": Row(
        BOOK_WRITE, acts=True, body={"notes": "Met."}, names=CONTACT
    ),
    "DELETE /v1/contacts/{contact_id}/": Row(BOOK_WRITE, acts=True, names=CONTACT, status=204),
    "POST /v1/contacts/{contact_id}/merge/": Row(
        BOOK_WRITE, acts=True, body={"contact_id": OTHER_CARD}, names=CONTACT
    ),
    "POST /v1/contacts/{contact_id}/unmerge/": Row(
        BOOK_WRITE, acts=True, names=CONTACT, status=409
    ),
    "POST /v1/contacts/{contact_id}/handoff/": Row(
        BOOK_WRITE, acts=True, body={"to_inbox_id": AGENT}, names=CONTACT
    ),
    "GET /v1/contacts/{contact_id}/vcard/": Row(BOOK, acts=True, names=CONTACT),
    "GET /v1/contacts/export/": Row(BOOK, acts=True),
    "POST /v1/contacts/import/": Row(
        BOOK_WRITE, acts=True, file=b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Cid\r\nEND:VCARD\r\n"
    ),
    "GET /v1/contacts/shares/": Row(BOOK, acts=True),
    "POST /v1/contacts/shares/": Row(
        BOOK_WRITE,
        acts=True,
        body={"type": "request", "to_inbox_id": AGENT, "contact_address": "x@y.test"},
        status=201,
    ),
    "DELETE /v1/contacts/shares/{share_id}/": Row(
        BOOK_WRITE, acts=True, names={"share_id": "sent share"}, status=204
    ),
    "POST /v1/contacts/shares/{share_id}/accept/": Row(
        BOOK_WRITE, acts=True, names={"share_id": "share"}, status=409
    ),
    "POST /v1/contacts/shares/{share_id}/decline/": Row(
        BOOK_WRITE, acts=True, names={"share_id": "share"}
    ),
    "GET /v1/alerts/": Row(("alerts:read",), acts=True),
    "POST /v1/alerts/": Row(ALERTS_WRITE, acts=True, body=ALERT, status=201),
    "GET /v1/alerts/{alert_id}/": Row(("alerts:read",), acts=True, names={"alert_id": "alert"}),
    "PATCH /v1/alerts/{alert_id}/": Row(
        ALERTS_WRITE, acts=True, body={"enabled": False}, names={"alert_id": "alert"}
    ),
    "DELETE /v1/alerts/{alert_id}/": Row(
        ALERTS_WRITE, acts=True, names={"alert_id": "alert"}, status=204
    ),
    "POST /v1/alerts/{alert_id}/webhook-secret/": Row(
        ALERTS_WRITE, acts=True, names={"alert_id": "alert"}
    ),
    "GET /v1/alerts/{alert_id}/deliveries/": Row(
        ("alerts:read",), acts=True, names={"alert_id": "alert"}
    ),
    "POST /v1/alerts/{alert_id}/deliveries/{delivery_id}/redeliver/": Row(
        ALERTS_WRITE, acts=True, names={"alert_id": "alert", "delivery_id": "delivery"}
    ),
    "POST /v1/alerts/{alert_id}/test/": Row(ALERTS_WRITE, acts=True, names={"alert_id": "alert"}),
    "GET /v1/activity/": Row(CONTEXT, acts=True, status=400),
    "GET /v1/relationships/": Row(CONTEXT, acts=True),
    "GET /v1/relationships/graph/": Row(CONTEXT, acts=True),
    "GET /v1/relationships/{address}/": Row(CONTEXT, acts=True, names={"address": "sender"}),
    "GET /v1/events/types/": Row(public=True),
    "GET /v1/events/": Row(EVENTS, acts=True),
    "GET /v1/events/stream/": Row(EVENTS, acts=True, status=400, query={"after": "evt_"}),
}
PATHS = [*TABLE.items()]
GUARDED = [(key, row) for key, row in TABLE.items() if not row.public]
NAMING = [(key, row) for key, row in TABLE.items() if row.names]
ADMIN = [(key, row) for key, row in TABLE.items() if row.admin]
NARROW = [(key, row) for key, row in GUARDED if row.scopes != ()]
# One that changes nothing can share its world with the others; one that does needs its own.
CHANGING = [pytest.param(key, row, id=key) for key, row in PATHS if not key.startswith("GET ")]
READING = [(key, row) for key, row in PATHS if key.startswith("GET ")]


def test_every_route_has_a_row_here() -> None:
    assert {f"{route.method} {route.path}" for route in ROUTES} == set(TABLE)


def test_what_a_route_declares_is_what_its_row_says() -> None:
    with cases() as case:
        for route in ROUTES:
            key = f"{route.method} {route.path}"
            with case(key):
                declares(route, TABLE[key])


def declares(route: Route, row: Row) -> None:
    caller = route.access.caller
    assert (caller == "anybody") == row.public
    assert (caller in ("session", "admin")) == (row.scopes is None)
    assert (caller == "admin") == row.admin
    assert route.access.scopes == (row.scopes or ())
    assert route.access.acts == row.acts
    assert (route.payload is not None) == (row.body is not None)
    # Where the path names nothing, it may be a place in what is listed that is found.
    assert route.locate is not None or not row.names


async def ids(world: World, *, own: bool) -> dict[str, str]:
    """For each kind of path parameter one of this tenant, or of the other."""
    if own in world.one_of_each:
        return world.one_of_each[own]
    inbox, shared = (SALES, TEAM) if own else (FOREIGN_INBOX, FOREIGN_LIST)
    if own:
        await deliver_as(world, OTHER_MESSAGE)
    tenant = "Example" if own else "Other"
    sender = "grace@sender.test" if own else "frank@sender.test"
    message = await deliver(world, shared.lower(), tenant=tenant, body=WITH_FILE, sender=sender)
    tenant_id, address = world.raw[tenant], f"gone@{inbox.rpartition('@')[2]}"
    spare = f"spare.{address.partition('@')[2]}"
    await world.database.write(lambda tx: add_domain(tx, tenant_id=tenant_id, name=spare, now=1))
    return {
        "user": world.ids[MEMBER if own else STRANGER],
        "session": await another_session(world, TENANT_OWNER if own else STRANGER),
        "domain": spare,
        "deleted inbox": to_text("inb", await deleted_inbox(world, tenant_id, address)),
        "list": world.ids[shared],
        "inbox": world.ids[inbox],
        "token of": world.ids[f"token of {inbox}"],
        "message": message,
        "attachment": await attachment_of(world, message, tenant),
        **await shared_work(world, inbox, TENANT_OWNER if own else STRANGER),
        **await shared_contacts(world, own=own),
    }


async def another_session(world: World, email: str) -> str:
    tenant_id = world.raw["Example" if email == TENANT_OWNER else "Other"]
    session, _ = await world.database.write(
        lambda tx: create_session(
            tx, tenant_id=tenant_id, user_id=world.raw[email], now=world.clock()
        )
    )
    return to_text("ses", session.session_id)


async def deliver_as(world: World, message_id: str) -> None:
    """A message to Sales that has the id which the example of a body names."""
    made = await deliver(world, SALES.lower())
    change = {"given": from_text("msg", message_id), "made": from_text("msg", made)}

    async def rename(tx: Tx) -> None:
        for table in ("messages", "contents", "routes", "copies"):
            await tx.execute(
                f"UPDATE {table} SET message_id = :given WHERE message_id = :made", change
            )

    await world.database.write(rename)


WITH_FILE = b"Content-Type: application/pdf; name=a.pdf\r\n\r\n%PDF"


async def attachment_of(world: World, message: str, tenant: str) -> str:
    await parse_waiting(world.database, world.clock())
    key = {"tenant_id": world.raw[tenant], "message_id": from_text("msg", message) or b""}
    (found,) = await world.database.read(lambda tx: parsed.list_attachments(tx, **key))
    return to_text("att", found.attachment_id)


async def shared_contacts(world: World, *, own: bool) -> dict[str, str]:
    """A card, a request for a card to this inbox and one from it, a sender who is known."""
    await count_all(world)
    if not own:
        async with world.client(FOREIGN_INBOX) as api:
            card = (await api.post("/v1/contacts/", json={"full_name": "Ann"})).json()
        none = "shr_" + "1" * 26
        sender = "frank@sender.test"
        return {"contact": card["id"], "share": none, "sent share": none, "sender": sender}
    await world.database.write(
        lambda tx: contacts.create_contact(
            tx,
            tenant_id=world.tenant_id,
            inbox_id=world.raw[SALES],
            card=Card(full_name="Bea"),
            most_contacts=10,
            contact_id=from_text("ctc", OTHER_CARD),
            now=world.clock(),
        )
    )
    ask = {"type": "request", "contact_address": "ann@people.test"}
    async with world.client(SALES) as api, world.client(SUPPORT) as other:
        card = (await api.post("/v1/contacts/", json={"full_name": "Ann"})).json()
        shares = "/v1/contacts/shares/"
        came = (await other.post(shares, json=ask | {"to_inbox_id": SALES})).json()
        sent = (await api.post(shares, json=ask | {"to_inbox_id": SUPPORT})).json()
    return {
        "contact": card["id"],
        "share": came["share_id"],
        "sent share": sent["share_id"],
        "sender": "grace@sender.test",
    }


async def shared_work(world: World, inbox: str, owner: str) -> dict[str, str]:
    """A thread with a note, a task of the inbox, an alert and a template."""
    async with world.client(inbox) as api, world.client(owner) as admin:
        (thread, *_) = (await api.get("/v1/messages/threads/")).json()["results"]
        notes = f"/v1/messages/threads/{thread['thread_id']}/notes/"
        note = (await api.post(notes, json={"body": "Mine."})).json()
        task = (await api.post("/v1/tasks/", json={"title": "Call"})).json()
        alert = (await api.post("/v1/alerts/", json=ALERT)).json()
        template = (await admin.post("/v1/templates/", json={"name": "Follow-up"})).json()
        drafts = f"/v1/messages/threads/{thread['thread_id']}/drafts/"
        draft = (await api.post(drafts, json={"text_body": "Dear Grace,"})).json()
    approval, letter = await held_letter(world, who=inbox)
    return {
        "draft": draft["draft_id"],
        "approval": approval,
        "letter": to_text("msg", letter),
        "alert": alert["alert_id"],
        "delivery": await owed(world, alert["alert_id"]),
        "thread": thread["thread_id"],
        "note": note["note_id"],
        "task": task["task_id"],
        "template": template["template_id"],
    }


async def owed(world: World, alert_id: str) -> str:
    """A delivery of the newest event to this alert, made as routing makes it."""

    async def work(tx: Tx) -> bytes:
        delivery_id = tx.new_id()
        await tx.execute(
            """
            INSERT INTO deliveries (delivery_id, tenant_id, alert_id, event_id, type, status,
                                    queued, created_at)
            SELECT :delivery_id, tenant_id, alert_id,
                   (SELECT event_id FROM events ORDER BY event_id DESC LIMIT 1),
                   'message.received', 'pending', :delivery_id, :now
            FROM alerts WHERE alert_id = :alert_id
            """,
            {
                "delivery_id": delivery_id,
                "alert_id": from_text("alr", alert_id),
                "now": world.clock(),
            },
        )
        return delivery_id

    return to_text("dlv", await world.database.write(work))


async def deleted_inbox(world: World, tenant_id: bytes, address: str) -> bytes:
    async def work(tx: Tx) -> bytes:
        inbox = await create_inbox(
            tx,
            tenant_id=tenant_id,
            address=parse_address(address),
            display_name="",
            owner_user_id=None,
            now=world.clock(),
        )
        await delete_inbox(tx, tenant_id=tenant_id, inbox_id=inbox.inbox_id, now=world.clock())
        return inbox.inbox_id

    return await world.database.write(work)


def path_of(key: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: names[found[1]], key.split()[1])


async def call(
    world: World,
    key: str,
    row: Row,
    names: dict[str, str],
    *,
    who: str | None = None,
    secret: str | None = None,
) -> tuple[int, bytes]:
    method, path = key.split(maxsplit=1)[0], path_of(key, names)
    world.clock.elapsed += 1  # so that no rate of calls is reached
    session = who is not None and who not in (SALES, FOREIGN_INBOX)
    query = row.query | ({"inbox_id": SALES} if row.acts and session else {})
    async with world.client(who, secret=secret) as api:
        answer = await api.request(method, path, params=query, **row.sent)
    return answer.status_code, answer.content


async def test_without_a_valid_credential_the_answer_is_401(world: World) -> None:
    with cases() as case:
        for key, row in GUARDED:
            for secret in (None, "garbage", "prt_" + "x" * 43, "prs_" + "x" * 43):
                with case(f"{key} with {secret}"):
                    status, body = await call(world, key, row, UNKNOWN, secret=secret)
                    assert status == 401
                    assert b'"code":"unauthorized"' in body


async def test_a_token_without_the_scope_gets_403(world: World) -> None:
    with cases() as case:
        for key, row in NARROW:
            scopes = [scope for scope in SCOPES if scope not in (row.scopes or ())]
            secret = await token_with(world, SALES, *scopes)
            with case(key):
                status, body = await call(world, key, row, UNKNOWN, secret=secret)
                assert status == 403
                code = b"missing_scope" if row.scopes else b"admin_required"
                assert b'"code":"%s"' % code in body


async def test_a_member_gets_403_where_an_admin_is_needed(world: World) -> None:
    with cases() as case:
        for key, row in ADMIN:
            with case(key):
                status, body = await call(world, key, row, UNKNOWN, who=MEMBER)
                assert status == 403
                assert b'"code":"admin_required"' in body


async def test_another_tenants_id_gets_the_answer_of_an_unknown_one(furnished: World) -> None:
    foreign = await ids(furnished, own=False)
    with cases() as case:
        for key, row in NAMING:
            names = {name: foreign[kind] for name, kind in row.names.items()}
            nonsense = dict.fromkeys(row.names, "nonsense")
            with case(key):
                theirs, unknown, unreadable = [
                    await call(furnished, key, row, named, who=TENANT_OWNER)
                    for named in (names, UNKNOWN, nonsense)
                ]
                assert theirs[0] == 404
                assert theirs == unknown == unreadable


async def test_what_the_path_names_is_looked_for_before_the_fields_are_judged(
    furnished: World,
) -> None:
    with cases() as case:
        for key, row in NAMING:
            with case(key):
                body = row.body and {"surprise": 1}
                query = {"surprise": "1"} | ({"inbox_id": SALES} if row.acts else {})
                async with furnished.client(TENANT_OWNER) as api:
                    path = path_of(key, UNKNOWN)
                    answer = await api.request(
                        key.split(maxsplit=1)[0], path, params=query, json=body
                    )
                assert answer.status_code == 404


async def test_a_read_refuses_what_it_does_not_know_and_answers_with_and_without_the_slash(
    furnished: World,
) -> None:
    with cases() as case:
        for key, row in READING:
            with case(key):
                await refused_first(furnished, key, row)
                await answered(furnished, key, row)
                await answered(furnished, key, row, slash=False)


@pytest.mark.parametrize(("key", "row"), CHANGING)
async def test_what_is_refused_changes_nothing_and_who_may_call_it_gets_the_answer(
    furnished: World, key: str, row: Row
) -> None:
    await refused_first(furnished, key, row)
    await answered(furnished, key, row, slash=key in SLASH)


SLASH = {key for number, (key, _) in enumerate(PATHS) if number % 2}
"""Those that are called with the slash; the others without."""


async def refused_first(world: World, key: str, row: Row) -> None:
    """An unknown parameter is 400; a foreign owner, who names what is ours, hears 404."""
    own = await ids(world, own=True)
    path = path_of(key, {name: own[kind] for name, kind in row.names.items()})
    method = key.split(maxsplit=1)[0]
    query = {"surprise": "1"} | ({"inbox_id": SALES} if row.acts else {})
    async with world.client(None if row.public else TENANT_OWNER) as api:
        answer = await api.request(method, path, params=query, **row.sent)
    assert answer.status_code == 400
    assert {"field": "surprise", "message": "is not known here"} in answer.json()["errors"]
    if row.names:
        async with world.client(STRANGER) as api:
            query = {"inbox_id": FOREIGN_INBOX} if row.acts else {}
            answer = await api.request(method, path, params=query, **row.sent)
        assert answer.status_code == 404


async def answered(world: World, key: str, row: Row, *, slash: bool = True) -> None:
    """Who may call it gets the answer, whichever form of the path is typed."""
    own = await ids(world, own=True)
    names = {name: own[kind] for name, kind in row.names.items()}
    who = None if row.public else (TENANT_OWNER if row.scopes is None else SALES)
    typed = key.removesuffix("/") + ("/" if slash else "")
    assert (await call(world, typed, row, names, who=who))[0] == row.status

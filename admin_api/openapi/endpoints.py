"""What the OpenAPI document says of each route beyond what its line in the route table says.

Every route has its entry here; a test holds that. `conflicts`, `refusals` and `faults` are the
codes of 409, 403 and 400 that the handler itself gives; `body` is a request that a test sends as it
stands here, `takes` the media type of one that is not JSON. `names` tells that a parameter names
what may not be there; `dns` that it is asked; `bearer` that the operator's token may be asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel

from admin_api.alerts import shapes as alert_schemas
from admin_api.contacts import shapes as contact_schemas
from admin_api.events import shapes as event_schemas
from admin_api.http import shapes as schemas
from admin_api.mailbox import shapes as mail_schemas


@dataclass(frozen=True, slots=True)
class Described:
    """What a route answers: a record of `model`, an array of them (`many`), or another type."""

    model: type[BaseModel] | None = None
    status: tuple[int, ...] = (200,)
    many: bool = False
    media_type: str = "application/json"
    body: dict[str, object] = field(default_factory=dict)
    conflicts: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    dns: bool = False
    takes: str | None = None
    names: bool = False
    bearer: bool = False


def _made(model: type[BaseModel], **body: object) -> Described:
    return Described(model, (201,), body=body)


NOTHING = Described(status=(204,))

DESCRIBED: dict[str, Described] = {
    "GET /healthz": Described(schemas.Health),
    "GET /readyz": Described(schemas.Health),
    "GET /metrics": Described(media_type="text/plain", bearer=True, names=True),
    "GET /docs": Described(media_type="text/html"),
    "GET /v1/openapi.json": Described(),
    "POST /auth/login/": Described(
        schemas.SignedIn, body={"email": "alice@people.example", "password": "a long password"}
    ),
    "POST /auth/logout/": NOTHING,
    "POST /auth/change-password/": Described(
        status=(204,),
        body={"current_password": "a long password", "new_password": "a longer password"},
    ),
    "GET /v1/me/": Described(schemas.Me),
    "GET /v1/audit-log/": Described(schemas.AuditPage),
    "GET /v1/users/": Described(schemas.AccountRecord, many=True),
    "POST /v1/users/": Described(
        schemas.AccountRecord,
        (201,),
        body={
            "email": "bob@people.example",
            "name": "Bob",
            "role": "member",
            "password": "a long password",
        },
        conflicts=("email_taken",),
    ),
    "GET /v1/users/{user_id}/": Described(schemas.AccountRecord),
    "PATCH /v1/users/{user_id}/": Described(
        schemas.AccountRecord,
        body={"name": "Alice Example", "role": "admin"},
        conflicts=("email_taken", "last_owner"),
    ),
    "DELETE /v1/users/{user_id}/": Described(status=(204,), conflicts=("last_owner",)),
    "GET /v1/domains/": Described(schemas.DomainRecord, many=True),
    "POST /v1/domains/": Described(
        schemas.DomainRecord,
        (201,),
        body={"domain": "mail.example.com"},
        conflicts=("domain_taken",),
    ),
    "GET /v1/domains/{name}/": Described(schemas.DomainRecord),
    "DELETE /v1/domains/{name}/": Described(status=(204,), conflicts=("domain_in_use",)),
    "GET /v1/domains/{name}/check/": Described(schemas.DomainCheck, dns=True),
    "POST /v1/domains/{name}/verify/": Described(
        schemas.VerifiedDomain, conflicts=("domain_taken",), dns=True
    ),
    "GET /v1/inboxes/": Described(schemas.InboxRecord, many=True),
    "POST /v1/inboxes/": Described(
        schemas.InboxRecord,
        (201,),
        body={"address": "carol@example.com", "display_name": "Carol"},
        faults=("domain_not_verified",),
        conflicts=("address_taken",),
    ),
    "GET /v1/inboxes/{inbox_id}/": Described(schemas.InboxRecord),
    "PATCH /v1/inboxes/{inbox_id}/": Described(
        schemas.ChangedInbox,
        body={"display_name": "Alice", "default_timezone": "Europe/Berlin"},
        refusals=("admin_required", "plan_required", "governance_required"),
    ),
    "DELETE /v1/inboxes/{inbox_id}/": NOTHING,
    "POST /v1/inboxes/{inbox_id}/webhook-secret/": Described(
        schemas.InboxSecret, conflicts=("no_webhook",), refusals=("admin_required",)
    ),
    "POST /v1/inboxes/{inbox_id}/restore/": Described(
        schemas.InboxRecord, conflicts=("not_deleted",)
    ),
    "GET /v1/tokens/": Described(schemas.TokenRecord, many=True),
    "POST /v1/tokens/": _made(
        schemas.ShownToken,
        inbox_id="alice@example.com",
        label="nightly report",
        scopes=["email:read", "email:write"],
    ),
    "PATCH /v1/tokens/{token_id}/": Described(schemas.ChangedToken, body={"action": "pause"}),
    "DELETE /v1/tokens/{token_id}/": NOTHING,
    "GET /v1/distribution-lists/": Described(schemas.ListRecord, many=True),
    "POST /v1/distribution-lists/": Described(
        schemas.ListRecord,
        (201,),
        body={"address": "support@example.com", "name": "Support Team"},
        faults=("domain_not_verified",),
        conflicts=("address_taken",),
    ),
    "GET /v1/distribution-lists/{list_id}/": Described(schemas.ListRecord),
    "PATCH /v1/distribution-lists/{list_id}/": Described(
        schemas.ListRecord, body={"name": "New name"}
    ),
    "DELETE /v1/distribution-lists/{list_id}/": NOTHING,
    "GET /v1/distribution-lists/{list_id}/members/": Described(schemas.MemberRecord, many=True),
    "POST /v1/distribution-lists/{list_id}/members/": Described(
        schemas.MemberRecord, (201, 200), body={"inbox_id": "alice@example.com"}
    ),
    "DELETE /v1/distribution-lists/{list_id}/members/{inbox_id}/": NOTHING,
    "GET /v1/messages/": Described(mail_schemas.MessagePage),
    "PATCH /v1/messages/": Described(
        mail_schemas.ChangedMessages,
        body={"message_ids": ["msg_01kas3v9t2q5nq8x7d4m6c0wfe"], "set": {"is_read": True}},
        conflicts=("no_copy",),
    ),
    "GET /v1/messages/{message_id}/": Described(mail_schemas.MessageRecord),
    "PATCH /v1/messages/{message_id}/": Described(
        mail_schemas.MessageRecord,
        body={"is_read": True, "folder": "archive"},
        conflicts=("no_copy",),
    ),
    "DELETE /v1/messages/{message_id}/": Described(status=(204,), conflicts=("no_copy",)),
    "GET /v1/messages/{message_id}/raw/": Described(media_type="message/rfc822"),
    "GET /v1/messages/{message_id}/attachments/{attachment_id}/": Described(media_type="*/*"),
    "GET /v1/messages/wait/": Described(mail_schemas.MessageRecord, (200, 204)),
    "GET /v1/messages/{message_id}/deliveries/": Described(mail_schemas.Deliveries),
    "GET /v1/resolve/": Described(mail_schemas.Resolved, names=True),
    "GET /v1/messages/threads/": Described(mail_schemas.ThreadPage),
    "GET /v1/messages/threads/{thread_id}/": Described(mail_schemas.WholeThread),
    "PATCH /v1/messages/threads/{thread_id}/": Described(
        mail_schemas.WholeThread, body={"status": "closed"}
    ),
    "GET /v1/messages/threads/{thread_id}/history/": Described(
        mail_schemas.HistoryRecord, many=True
    ),
    "GET /v1/messages/threads/{thread_id}/notes/": Described(mail_schemas.NoteRecord, many=True),
    "POST /v1/messages/threads/{thread_id}/notes/": _made(
        mail_schemas.NoteRecord,
        body="@alice@example.com review this before replying",
        mentions=["alice@example.com"],
    ),
    "DELETE /v1/messages/threads/{thread_id}/notes/{note_id}/": Described(
        status=(204,), refusals=("not_author",)
    ),
    "POST /v1/messages/threads/{thread_id}/assign/": Described(
        mail_schemas.Assigned, body={"to": "alice@example.com", "note": "Needs legal review"}
    ),
    "DELETE /v1/messages/threads/{thread_id}/assign/": NOTHING,
    "POST /v1/messages/threads/{thread_id}/handoff/": Described(
        contact_schemas.HandedOver,
        body={"to": "alice@example.com", "note": "Yours from here on."},
    ),
    "GET /v1/agenda/": Described(mail_schemas.TaskRecord, many=True),
    "POST /v1/tasks/": _made(
        mail_schemas.TaskRecord, title="Call back", due_at="2026-12-01T09:00:00Z"
    ),
    "GET /v1/tasks/{task_id}/": Described(mail_schemas.TaskRecord),
    "PATCH /v1/tasks/{task_id}/": Described(
        mail_schemas.TaskRecord, body={"completed": True}, refusals=("not_author",)
    ),
    "DELETE /v1/tasks/{task_id}/": Described(status=(204,), refusals=("not_author",)),
    "GET /v1/templates/": Described(mail_schemas.TemplateRecord, many=True),
    "POST /v1/templates/": _made(
        mail_schemas.TemplateRecord,
        name="Follow-up",
        subject="Following up on {topic}",
        body="Hi {first_name}, just following up",
        variables=["first_name", "topic"],
    ),
    "GET /v1/templates/{template_id}/": Described(mail_schemas.TemplateRecord),
    "POST /v1/templates/{template_id}/": Described(
        mail_schemas.RenderedTemplate,
        body={"context": {"first_name": "Alice", "topic": "your proposal"}},
    ),
    "PATCH /v1/templates/{template_id}/": Described(
        mail_schemas.TemplateRecord, body={"subject": "New subject", "variables": ["first_name"]}
    ),
    "DELETE /v1/templates/{template_id}/": NOTHING,
    "GET /v1/contacts/": Described(contact_schemas.ContactPage),
    "POST /v1/contacts/": Described(
        contact_schemas.ContactRecord,
        (201,),
        body={
            "full_name": "Grace Hopper",
            "emails": [{"label": "work", "address": "grace@sender.example"}],
            "anniversaries": [{"type": "birthday", "date": "1906-12-09"}],
        },
        conflicts=("address_taken",),
    ),
    "GET /v1/contacts/{contact_id}/": Described(contact_schemas.ContactRecord),
    "PATCH /v1/contacts/{contact_id}/": Described(
        contact_schemas.ContactRecord,
        body={"labels": ["vip"]},
        conflicts=("address_taken", "read_only"),
    ),
    "DELETE /v1/contacts/{contact_id}/": NOTHING,
    "POST /v1/contacts/{contact_id}/merge/": Described(
        contact_schemas.ContactRecord,
        body={"contact_id": "ctc_01kas3v9t2q5nq8x7d4m6c0wfe"},
        conflicts=("read_only",),
    ),
    "POST /v1/contacts/{contact_id}/unmerge/": Described(
        contact_schemas.ContactRecord, conflicts=("not_merged", "read_only", "address_taken")
    ),
    "POST /v1/contacts/{contact_id}/handoff/": Described(
        contact_schemas.ContactRecord,
        body={"to_inbox_id": "alice@example.com", "note": "She is yours."},
        conflicts=("read_only",),
    ),
    "GET /v1/contacts/{contact_id}/vcard/": Described(media_type="text/vcard"),
    "GET /v1/contacts/export/": Described(media_type="text/vcard"),
    "POST /v1/contacts/import/": Described(contact_schemas.ImportReport, takes="text/vcard"),
    "GET /v1/contacts/shares/": Described(contact_schemas.ShareRecord, many=True),
    "POST /v1/contacts/shares/": Described(
        contact_schemas.ShareRecord,
        (201, 200),
        body={
            "type": "offer",
            "to_inbox_id": "alice@example.com",
            "contact_id": "ctc_01kas3v9t2q5nq8x7d4m6c0wfe",
        },
    ),
    "DELETE /v1/contacts/shares/{share_id}/": Described(
        status=(204,), conflicts=("share_resolved",)
    ),
    "POST /v1/contacts/shares/{share_id}/accept/": Described(
        contact_schemas.ShareRecord, conflicts=("share_resolved", "contact_missing")
    ),
    "POST /v1/contacts/shares/{share_id}/decline/": Described(
        contact_schemas.ShareRecord, conflicts=("share_resolved",)
    ),
    "GET /v1/activity/": Described(contact_schemas.ActivityPage),
    "GET /v1/relationships/": Described(contact_schemas.RelationshipPage),
    "GET /v1/relationships/graph/": Described(contact_schemas.GraphRecord),
    "GET /v1/relationships/{address}/": Described(contact_schemas.RelationshipRecord),
    "GET /v1/alerts/": Described(alert_schemas.AlertRecord, many=True),
    "POST /v1/alerts/": Described(
        alert_schemas.ShownAlert,
        (201,),
        body={
            "events": ["message.received"],
            "delivery": {"type": "task", "target": "New mail from {from}"},
            "filter": {"from": "@sender.example"},
        },
        conflicts=("too_many_alerts",),
        refusals=("plan_required", "governance_required"),
    ),
    "GET /v1/alerts/{alert_id}/": Described(alert_schemas.AlertRecord),
    "PATCH /v1/alerts/{alert_id}/": Described(
        alert_schemas.ShownAlert,
        body={"enabled": False},
        conflicts=("inbox_webhook",),
        refusals=("plan_required", "governance_required"),
    ),
    "DELETE /v1/alerts/{alert_id}/": Described(status=(204,), conflicts=("inbox_webhook",)),
    "POST /v1/alerts/{alert_id}/webhook-secret/": Described(
        alert_schemas.ShownAlert, conflicts=("inbox_webhook", "no_webhook")
    ),
    "GET /v1/alerts/{alert_id}/deliveries/": Described(alert_schemas.DeliveryPage),
    "POST /v1/alerts/{alert_id}/deliveries/{delivery_id}/redeliver/": Described(
        alert_schemas.DeliveryRecord, conflicts=("alert_off", "event_gone")
    ),
    "POST /v1/alerts/{alert_id}/test/": Described(
        alert_schemas.TestResult, conflicts=("no_webhook",)
    ),
    "GET /v1/events/types/": Described(event_schemas.EventTypeRecord, many=True),
    "GET /v1/events/": Described(
        event_schemas.EventPage,
        refusals=("plan_required", "governance_required"),
        faults=("position_expired",),
    ),
    "GET /v1/events/stream/": Described(
        media_type="text/event-stream",
        refusals=("plan_required", "governance_required"),
        faults=("position_expired",),
    ),
}

"""The shape of every answer, for the OpenAPI document; tests hold real answers against it.

Each class is one record of `records.py`, each field with an example. Nothing is validated with
these while serving.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_EXAMPLE = "01kas3v9t2q5nq8x7d4m6c0wfe"


def _id(prefix: str) -> object:
    return Field(pattern=f"^{prefix}_[0-9a-hjkmnp-tv-z]{{26}}$", examples=[f"{prefix}_{_EXAMPLE}"])


TenantId = Annotated[str, _id("tnt")]
UserId = Annotated[str, _id("usr")]
InboxId = Annotated[str, _id("inb")]
DomainId = Annotated[str, _id("dom")]
ListId = Annotated[str, _id("lst")]
MemberId = Annotated[str, _id("mem")]
MessageId = Annotated[str, _id("msg")]
ThreadId = Annotated[str, _id("thr")]
NoteId = Annotated[str, _id("note")]
TaskId = Annotated[str, _id("task")]
TemplateId = Annotated[str, _id("tpl")]
ContactId = Annotated[str, _id("ctc")]
ShareId = Annotated[str, _id("shr")]
TokenId = Annotated[str, _id("tok")]
EventId = Annotated[str, _id("evt")]
SessionId = Annotated[str, _id("ses")]
AttachmentId = Annotated[str, _id("att")]
EntryId = Annotated[str, _id("aud")]
AlertId = Annotated[str, _id("alr")]
DeliveryId = Annotated[str, _id("dlv")]

Time = Annotated[
    str,
    Field(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        json_schema_extra={"format": "date-time"},
        examples=["2026-11-21T09:30:00.000Z"],
    ),
]
Address = Annotated[str, Field(examples=["alice@example.com"])]
ListAddress = Annotated[str, Field(examples=["team@example.com"])]
Count = Annotated[int, Field(ge=0, examples=[2])]
Cursor = Annotated[str, Field(examples=["AZqy1SvoXrQ"])]
Scope = Annotated[str, Field(examples=["email:read"])]
Rule = Annotated[Literal["address", "subaddress", "postmaster"], Field(examples=["subaddress"])]
Role = Annotated[Literal["owner", "admin", "member"], Field(examples=["member"])]
Folder = Annotated[Literal["inbox", "archive", "junk", "trash"], Field(examples=["inbox"])]


class Answer(BaseModel):
    """A record: exactly these fields."""

    model_config = ConfigDict(extra="forbid")


class Health(Answer):
    """The state of the process."""

    status: Annotated[Literal["ok", "ready"], Field(examples=["ok"])]


class TenantRecord(Answer):
    """The tenant of the caller."""

    tenant_id: TenantId
    name: Annotated[str, Field(examples=["Example"])]


class UserRecord(Answer):
    """A person who can sign in."""

    user_id: UserId
    email: Annotated[str, Field(examples=["alice@people.example"])]
    name: Annotated[str, Field(examples=["Alice"])]
    role: Role
    tenant_id: TenantId


class AccountRecord(UserRecord):
    """A user, as admins see it."""

    created_at: Time


class SignedIn(Answer):
    """A session; its secret is shown once."""

    access_token: Annotated[str, Field(examples=["prs_" + "x" * 43])]
    expires_at: Time
    user: UserRecord


class SessionRecord(Answer):
    """The session of the caller."""

    session_id: SessionId
    created_at: Time
    expires_at: Time


class InboxName(Answer):
    """An inbox by id and address."""

    inbox_id: InboxId
    address: Address


class DnsRecord(Answer):
    """A DNS record to publish."""

    type: Annotated[Literal["TXT", "MX"], Field(examples=["TXT"])]
    name: Annotated[str, Field(examples=["_postroom-verify.example.com"])]
    value: Annotated[str, Field(examples=["postroom-verify=7c2b"])]
    purpose: Annotated[Literal["ownership", "mail"], Field(examples=["ownership"])]


class CheckedRecord(Answer):
    """A DNS record, and what was found in its place."""

    type: Annotated[Literal["TXT", "MX"], Field(examples=["TXT"])]
    name: Annotated[str, Field(examples=["_postroom-verify.example.com"])]
    purpose: Annotated[Literal["ownership", "mail"], Field(examples=["ownership"])]
    expected: Annotated[str, Field(examples=["postroom-verify=7c2b"])]
    found: list[Annotated[str, Field(examples=["postroom-verify=7c2b"])]]
    status: Annotated[Literal["ok", "missing", "wrong"], Field(examples=["ok"])]


class DomainCheck(Answer):
    """What the DNS has now."""

    name: Annotated[str, Field(examples=["example.com"])]
    records: list[CheckedRecord]


class DomainRecord(Answer):
    """A domain with the DNS records that it needs."""

    domain_id: DomainId
    name: Annotated[str, Field(examples=["example.com"])]
    status: Annotated[Literal["pending", "verified", "revoked"], Field(examples=["verified"])]
    verified_at: Time | None
    dns_records: list[DnsRecord]
    created_at: Time


class VerifiedDomain(DomainRecord):
    """A domain after the DNS was asked, with what was found."""

    records: list[CheckedRecord]


class Alias(Answer):
    """A list by which mail reaches an inbox."""

    address: ListAddress
    list_id: ListId


class InboxRecord(Answer):
    """An inbox; the settings only for itself, its owner and admins."""

    inbox_id: InboxId
    address: Address
    display_name: Annotated[str, Field(examples=["Alice"])]
    owner_user_id: UserId | None
    aliases: list[Alias]
    created_at: Time
    default_timezone: Annotated[str, Field(examples=["Europe/Berlin"])] = "UTC"
    share_relationships: bool = True
    webhook_url: Annotated[str | None, Field(examples=[None])] = None
    webhook_events: list[str] = Field(default_factory=list)


class ChangedInbox(InboxRecord):
    """An inbox; with a new `webhook_url` also its secret, which is shown this once."""

    webhook_secret: Annotated[str, Field(examples=["whsec_MDEy…"])] = ""


class InboxSecret(Answer):
    """The new secret of an inbox's webhook, which is shown this once."""

    inbox_id: InboxId
    webhook_secret: Annotated[str | None, Field(examples=["whsec_MDEy…"])]


class TokenRecord(Answer):
    """An agent token, without its secret."""

    token_id: TokenId
    inbox_id: InboxId
    label: Annotated[str, Field(examples=["nightly report"])]
    scopes: list[Scope]
    status: Annotated[Literal["active", "paused", "expired", "revoked"], Field(examples=["active"])]
    created_by: UserId | None
    last_used_at: Time | None
    expires_at: Time | None
    created_at: Time


class ShownToken(TokenRecord):
    """A token with its secret, which is shown once; null when an answer is repeated."""

    token: Annotated[str | None, Field(examples=["prt_" + "x" * 43])]


class ChangedToken(TokenRecord):
    """A token after a change; with its new secret when it was rotated."""

    token: Annotated[str, Field(examples=["prt_" + "x" * 43])] = ""


class Me(Answer):
    """Who the credential is."""

    type: Annotated[Literal["token", "session"], Field(examples=["session"])]
    user: UserRecord | None
    session: SessionRecord | None
    token: TokenRecord | None
    inbox: InboxName | None
    scopes: list[Scope]
    tenant: TenantRecord
    plan: Annotated[
        Literal["free", "startup", "business", "enterprise"], Field(examples=["enterprise"])
    ]
    governance: Annotated[Literal["none", "token_controls", "full"], Field(examples=["full"])]


class ListRecord(Answer):
    """A distribution list."""

    list_id: ListId
    address: ListAddress
    name: Annotated[str, Field(examples=["Team intake"])]
    created_by: UserId | None
    created_at: Time
    member_count: Count
    deferred_count: Count = 0
    last_deferred_at: Time | None = None


class MemberRecord(Answer):
    """An inbox's membership in a list."""

    member_id: MemberId
    inbox_id: InboxId
    inbox_address: Address
    added_at: Time


class FieldProblem(Answer):
    """One fault of the input."""

    field: Annotated[str, Field(examples=["mentions[1]"])]
    message: Annotated[str, Field(examples=["names no inbox of this tenant"])]


class ProblemRecord(Answer):
    """Why a call was refused (RFC 9457)."""

    type: Annotated[str, Field(examples=["about:blank"])]
    title: Annotated[str, Field(examples=["Not Found"])]
    status: Annotated[int, Field(ge=400, le=599, examples=[404])]
    detail: Annotated[str, Field(examples=["There is nothing here that this credential may see."])]
    code: Annotated[str, Field(pattern="^[a-z][a-z_]*$", examples=["not_found"])]
    errors: list[FieldProblem] = Field(default_factory=list)


Details = Annotated[
    dict[str, str | int | list[str] | None], Field(examples=[{"fields": ["name", "role"]}])
]


class ActorRecord(Answer):
    """Who acted, as they were called then."""

    type: Annotated[Literal["user", "token", "operator"], Field(examples=["user"])]
    id: UserId | TokenId | None
    name: Annotated[str, Field(examples=["alice@people.example"])]


class ObjectRecord(Answer):
    """What it was done to, as that was called then."""

    type: Annotated[str, Field(examples=["user"])]
    id: Annotated[str, Field(examples=["usr_01kas3v9t2q5nq8x7d4m6c0wfe"])]
    name: Annotated[str, Field(examples=["bob@people.example"])]


class AuditEntry(Answer):
    """One act. `inbox_id` is the inbox for which the caller acted."""

    entry_id: EntryId
    action: Annotated[str, Field(examples=["user.changed"])]
    actor: ActorRecord
    credential_id: SessionId | TokenId | None
    client_ip: Annotated[str | None, Field(examples=["192.0.2.7"])]
    object: ObjectRecord
    inbox_id: InboxId | None
    details: Details
    created_at: Time


class AuditPage(Answer):
    """A page of the audit log, newest first."""

    results: list[AuditEntry]
    cursor: Cursor | None

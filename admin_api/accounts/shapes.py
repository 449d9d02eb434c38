"""Response shapes of sign-in, users, tokens and the audit log."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from admin_api.http.shapes import (
    NOTHING,
    Answer,
    Cursor,
    Described,
    EntryId,
    InboxId,
    InboxName,
    Role,
    Scope,
    SessionId,
    TenantId,
    Time,
    TokenId,
    UserId,
    created,
)


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


class SessionItem(SessionRecord):
    """A session of the caller, in a list."""

    kind: Annotated[Literal["api", "page"], Field(examples=["page"])]
    current: bool
    user_agent: Annotated[str, Field(examples=["Mozilla/5.0 (X11; Linux x86_64)"])]
    address: Annotated[str | None, Field(examples=["192.0.2.7"])]
    last_used_at: Time


class TokenRecord(Answer):
    """An agent token, without its secret."""

    token_id: TokenId
    inbox_id: InboxId
    label: Annotated[str, Field(examples=["nightly report"])]
    scopes: list[Scope]
    requires_approval: Annotated[list[Literal["email:send"]], Field(examples=[["email:send"]])]
    send_to: Annotated[
        Literal["participants", "contacts", "anyone"], Field(examples=["participants"])
    ]
    send_rate: Annotated[int, Field(ge=0, examples=[30])]
    status: Annotated[Literal["active", "paused", "expired", "revoked"], Field(examples=["active"])]
    created_by: UserId | None
    last_used_at: Time | None
    expires_at: Time | None
    created_at: Time


class ShownToken(TokenRecord):
    """A token with its secret, which is shown once; null in a repeated answer."""

    token: Annotated[str | None, Field(examples=["prt_" + "x" * 43])]


class ChangedToken(TokenRecord):
    """A token after a change; with its new secret when it was rotated."""

    token: Annotated[str, Field(examples=["prt_" + "x" * 43])] = ""


class Me(Answer):
    """The principal behind the credential."""

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


Details = Annotated[
    dict[str, str | int | list[str] | None], Field(examples=[{"fields": ["name", "role"]}])
]


class ActorRecord(Answer):
    """The actor, with the name of that time."""

    type: Annotated[Literal["user", "token", "operator"], Field(examples=["user"])]
    id: UserId | TokenId | None
    name: Annotated[str, Field(examples=["alice@people.example"])]


class ObjectRecord(Answer):
    """The object of the act, with the name of that time."""

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


DESCRIBED: dict[str, Described] = {
    "POST /auth/login/": Described(
        SignedIn, body={"email": "alice@people.example", "password": "a long password"}
    ),
    "POST /auth/logout/": NOTHING,
    "POST /auth/change-password/": Described(
        status=(204,),
        body={"current_password": "a long password", "new_password": "a longer password"},
    ),
    "GET /v1/me/": Described(Me),
    "GET /v1/audit-log/": Described(AuditPage),
    "GET /v1/users/": Described(AccountRecord, many=True),
    "POST /v1/users/": Described(
        AccountRecord,
        (201,),
        body={
            "email": "bob@people.example",
            "name": "Bob",
            "role": "member",
            "password": "a long password",
        },
        conflicts=("email_taken",),
    ),
    "GET /v1/users/{user_id}/": Described(AccountRecord),
    "PATCH /v1/users/{user_id}/": Described(
        AccountRecord,
        body={"name": "Alice Example", "role": "admin"},
        conflicts=("email_taken", "last_owner"),
    ),
    "DELETE /v1/users/{user_id}/": Described(status=(204,), conflicts=("last_owner",)),
    "GET /v1/sessions/": Described(SessionItem, many=True),
    "DELETE /v1/sessions/": NOTHING,
    "DELETE /v1/sessions/{session_id}/": NOTHING,
    "GET /v1/tokens/": Described(TokenRecord, many=True),
    "POST /v1/tokens/": created(
        ShownToken,
        inbox_id="alice@example.com",
        label="nightly report",
        scopes=["email:read", "email:write"],
    ),
    "PATCH /v1/tokens/{token_id}/": Described(ChangedToken, body={"action": "pause"}),
    "DELETE /v1/tokens/{token_id}/": NOTHING,
}

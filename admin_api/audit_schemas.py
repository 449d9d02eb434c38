"""The shape of the audit log's entries, for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from admin_api.schemas import Answer, Cursor, EntryId, InboxId, SessionId, Time, TokenId, UserId

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

"""Response shapes for the OpenAPI document; tests hold real responses against them.

Each class is one record of `records.py`, each field with an example. They validate nothing while
serving.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
UploadId = Annotated[str, _id("upl")]
DraftId = Annotated[str, _id("drf")]
ApprovalId = Annotated[str, _id("apr")]

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
Rule = Annotated[
    Literal["address", "subaddress", "postmaster", "bounce"], Field(examples=["subaddress"])
]
Role = Annotated[Literal["owner", "admin", "member"], Field(examples=["member"])]
Folder = Annotated[Literal["inbox", "archive", "junk", "trash", "sent"], Field(examples=["inbox"])]


class Answer(BaseModel):
    """A record: exactly these fields."""

    # Built for the document, and not at every start of a server.
    model_config = ConfigDict(extra="forbid", defer_build=True)


class InboxName(Answer):
    """An inbox by id and address."""

    inbox_id: InboxId
    address: Address


class FieldProblem(Answer):
    """One fault of the input."""

    field: Annotated[str, Field(examples=["mentions[1]"])]
    message: Annotated[str, Field(examples=["is not an inbox of this tenant"])]


class WriterRecord(Answer):
    """One who wrote: for an inbox, as a person or with a token."""

    inbox_id: InboxId
    address: Address
    user_id: UserId | None
    token_id: TokenId | None


class ProblemRecord(Answer):
    """The reason why a call was refused (RFC 9457)."""

    type: Annotated[str, Field(examples=["about:blank"])]
    title: Annotated[str, Field(examples=["Not Found"])]
    status: Annotated[int, Field(ge=400, le=599, examples=[404])]
    detail: Annotated[str, Field(examples=["Not found, or not visible to this credential."])]
    code: Annotated[str, Field(pattern="^[a-z][a-z_]*$", examples=["not_found"])]
    errors: list[FieldProblem] = Field(default_factory=list)
    changed_by: WriterRecord | None = None
    changed_at: Time | None = None
    last_message_id: MessageId | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """The answer of a route: a record of `model`, an array of them (`many`), or another type."""

    model: type[BaseModel] | None = None
    status: tuple[int, ...] = (200,)
    many: bool = False
    media_type: str = "application/json"
    body: dict[str, object] = field(default_factory=dict)
    conflicts: tuple[str, ...] = ()
    too_many: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    too_large: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    dns: bool = False
    takes: str | None = None
    names: bool = False
    bearer: bool = False


def created(model: type[BaseModel], **body: object) -> Described:
    """Describe a call that answers 201 with a new record; `body` is an example request."""
    return Described(model, (201,), body=body)


NOTHING = Described(status=(204,))


def fields_of(model: type[BaseModel]) -> frozenset[str]:
    """The names that the fields of a record have in JSON."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())

"""A letter as a call gives it, and the checks that need no store."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from admin_api.call.references import Reference, visible_message
from admin_api.drafts.drafts import (
    AnsweredMessage,
    Attachments,
    Body,
    Mailboxes,
    Subject,
    sent_draft,
)
from admin_api.http.payload import Payload
from admin_api.http.texts import one_line
from admin_api.teamwork.templates import text_or_number
from storage.address import parse_address
from storage.errors import FieldFault, Invalid
from storage.ids import from_text
from storage.mailbox.copies import Mailbox
from storage.outbound.letters import Kind

Sendable = Annotated[str, Field(max_length=320), AfterValidator(one_line)]
Value = Annotated[object, AfterValidator(text_or_number)]
SeenMessage = Annotated[str, Reference(visible_message)]


class LetterIn(Payload):
    """A letter to send; with `reply_to_message_id` it answers that message."""

    reply_to_message_id: AnsweredMessage | None = None
    reply_all: bool = False
    sender: Sendable = Field("", alias="from")
    to: Mailboxes = Field(default_factory=list)
    cc: Mailboxes = Field(default_factory=list)
    bcc: Mailboxes = Field(default_factory=list)
    subject: Subject = ""
    text_body: Body = ""
    html_body: Body = ""
    template_id: Annotated[str, Field(max_length=100)] | None = None
    context: Annotated[dict[str, Value], Field(max_length=1_000)] = Field(default_factory=dict)
    allow_missing: bool = False
    quote: Literal["none", "last"] = "none"
    attachments: Attachments = Field(default_factory=list)
    undo_seconds: Annotated[int, Field(ge=0, le=3600)] | None = None
    expected_last_message_id: SeenMessage | None = None
    draft_id: Annotated[str, Field(max_length=100), Reference(sent_draft)] | None = None


def typed_recipients(payload: LetterIn) -> dict[Kind, list[Mailbox]]:
    """Check the fields that need no store; the recipients as they were typed.

    Raises Invalid with every fault.
    """
    faults: list[FieldFault] = []
    groups: dict[Kind, list[Mailbox]] = {}
    for kind, given in (("to", payload.to), ("cc", payload.cc), ("bcc", payload.bcc)):
        groups[kind] = []  # type: ignore[index]  # of the three kinds
        for place, one in enumerate(given):
            try:
                address = sendable(one.email)
                groups[kind].append(Mailbox(one.name, address))  # type: ignore[index]
            except ValueError as error:
                faults.append(FieldFault(f"{kind}[{place}].email", str(error)))
    if payload.reply_to_message_id is None:
        if not (payload.to or payload.cc or payload.bcc):
            faults.append(FieldFault("to", "must name a recipient"))
        if payload.reply_all:
            faults.append(FieldFault("reply_all", "is for an answer only"))
        if payload.quote == "last":
            faults.append(FieldFault("quote", "is for an answer only"))
        if payload.expected_last_message_id is not None:
            faults.append(FieldFault("expected_last_message_id", "is for an answer only"))
    if payload.template_id is not None and payload.text_body:
        faults.append(FieldFault("template_id", "cannot go together with text_body"))
    has_text = payload.text_body.strip() or payload.html_body.strip()
    if not (has_text or payload.template_id or payload.attachments):
        faults.append(FieldFault("text_body", "must not be empty"))
    if faults:
        raise Invalid(*faults)
    return groups


def sendable(text: str) -> str:
    """Return an address as it stands in an envelope; ValueError when it cannot."""
    address = parse_address(text)
    # Such a letter needs SMTPUTF8 at each server on its way, which few have.
    if not address.local_part.isascii():
        raise ValueError("must be ASCII before the @-sign")
    domain = address.canonical.rpartition("@")[2]
    return f"{address.text.rpartition('@')[0]}@{domain}"


def upload_ids_of(payload: LetterIn) -> list[bytes]:
    """Return the ids of its files, in their order; one that is none is empty."""
    return [from_text("upl", one.upload_id) or b"" for one in payload.attachments]


def call_of(payload: LetterIn, *, subject: str, text: str) -> dict[str, object]:
    """Return the letter as it was typed, for a draft when it is taken back.

    A template's `subject` and `text` stand in it as what they became: a draft has no template.
    """
    given = payload.model_dump(exclude_unset=True, by_alias=True)
    if payload.template_id is not None:
        given |= {"subject": subject, "text_body": text}
    kept = ("reply_to_message_id", "reply_all", "from", "to", "cc", "bcc", "subject", "text_body")
    more = ("html_body", "quote", "attachments")
    return {name: given[name] for name in (*kept, *more) if name in given}

"""What answers look like: mail, and the work that a team does on it. Together with `schemas`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from admin_api.http.shapes import (
    Address,
    Answer,
    AttachmentId,
    ContactId,
    Count,
    Cursor,
    Folder,
    InboxId,
    InboxName,
    ListAddress,
    ListId,
    MessageId,
    NoteId,
    Rule,
    ShareId,
    TaskId,
    TemplateId,
    ThreadId,
    Time,
    UserId,
)


class Mailbox(Answer):
    """A name and an address as a header gave them."""

    email: Annotated[str, Field(examples=["grace@sender.example"])]
    name: Annotated[str, Field(examples=["Grace"])]


class Via(Answer):
    """An address by which a copy came."""

    address: ListAddress
    list_id: ListId | None


class MessageItem(Answer):
    """A message in a list; without a copy its folder, marks and ways in are null."""

    message_id: MessageId
    thread_id: ThreadId
    folder: Folder | None
    sender: Mailbox = Field(alias="from")
    to: list[Mailbox]
    cc: list[Mailbox]
    subject: Annotated[str, Field(examples=["Renewal"])]
    preview: Annotated[str, Field(examples=["When does our contract end?"])]
    received_at: Time
    size: Annotated[int, Field(ge=0, examples=[2048])]
    is_read: bool | None
    is_flagged: bool | None
    has_attachments: bool
    via: list[Via] | None


class HeaderField(Answer):
    """A header field, unfolded."""

    name: Annotated[str, Field(examples=["Subject"])]
    value: Annotated[str, Field(examples=["Renewal"])]


class AttachmentRecord(Answer):
    """A file in a message."""

    attachment_id: AttachmentId
    filename: Annotated[str, Field(examples=["contract.pdf"])] | None
    content_type: Annotated[str, Field(examples=["application/pdf"])]
    size: Annotated[int, Field(ge=0, examples=[20480])]
    inline: Annotated[bool, Field(examples=[False])]
    content_id: Annotated[str | None, Field(examples=[None])]


class Envelope(Answer):
    """How this inbox's copy came by SMTP."""

    mail_from: Annotated[str, Field(examples=["grace@sender.example"])]
    rcpt_to: list[ListAddress]
    client_ip: Annotated[str, Field(examples=["192.0.2.7"])]
    helo: Annotated[str, Field(examples=["mx.sender.example"])]
    tls: Annotated[str | None, Field(examples=["TLSv1.3"])]


class MessageRecord(MessageItem):
    """A message by itself."""

    headers: list[HeaderField]
    reply_to: list[Mailbox]
    text_body: Annotated[str | None, Field(examples=["When does our contract end?\n"])]
    html_body: Annotated[str | None, Field(examples=[None])]
    attachments: list[AttachmentRecord]
    authentication: None
    envelope: Envelope | None
    parse_status: Annotated[
        Literal["pending", "parsed", "partial", "unparsed"], Field(examples=["parsed"])
    ]


class MessagePage(Answer):
    """Messages, newest first, and the way on."""

    results: list[MessageItem]
    cursor: Cursor | None


class ChangedMessages(Answer):
    """Messages as they are now, in the order in which they were named."""

    results: list[MessageItem]


class ThreadRecord(Answer):
    """A thread as the acting inbox sees it."""

    thread_id: ThreadId
    subject: Annotated[str, Field(examples=["Renewal"])]
    participants: list[Mailbox]
    status: Annotated[Literal["open", "closed"], Field(examples=["open"])]
    assignee: InboxName | None
    message_count: Count
    note_count: Count
    last_message_at: Time


class WholeThread(ThreadRecord):
    """A thread with its messages, oldest first."""

    messages: list[MessageItem]


class ThreadPage(Answer):
    """Threads by their newest message, and the way on."""

    results: list[ThreadRecord]
    cursor: Cursor | None


class HistoryRecord(Answer):
    """One act in the history of a thread."""

    type: Annotated[
        Literal["assigned", "unassigned", "closed", "reopened"], Field(examples=["assigned"])
    ]
    assignee: InboxName | None
    by: InboxName | None
    user_id: UserId | None
    created_at: Time


class NoteRecord(Answer):
    """An internal note on a thread."""

    note_id: NoteId
    author_inbox_id: InboxId
    body: Annotated[str, Field(examples=["This contact needs a follow-up call by EOW"])]
    mentions: list[Address]
    created_at: Time


class Assigned(Answer):
    """An assignment that was made."""

    assigned: Literal[True] = Field(examples=[True])
    to: Address


class TaskRecord(Answer):
    """A task on an inbox's agenda."""

    task_id: TaskId
    type: Annotated[
        Literal["mention", "assignment", "contact_share", "contact_handoff", "alert", "manual"],
        Field(examples=["assignment"]),
    ]
    title: Annotated[str, Field(examples=["[Assigned] Renewal"])]
    description: Annotated[str | None, Field(examples=["Needs legal review"])]
    pending: bool
    due_at: Annotated[Time | None, Field(examples=[None])]
    thread_id: ThreadId | None
    note_id: Annotated[NoteId | None, Field(examples=[None])]
    contact_id: Annotated[ContactId | None, Field(examples=[None])]
    share_id: Annotated[ShareId | None, Field(examples=[None])]
    created_by: InboxId | None
    created_at: Time
    completed_at: Annotated[Time | None, Field(examples=[None])]


class TemplateRecord(Answer):
    """A template for mail."""

    template_id: TemplateId
    name: Annotated[str, Field(examples=["Follow-up"])]
    subject: Annotated[str, Field(examples=["Following up on {topic}"])]
    body: Annotated[str, Field(examples=["Hi {first_name},\n\nJust following up..."])]
    variables: list[Annotated[str, Field(examples=["topic"])]]
    created_by: UserId | None
    created_at: Time
    updated_at: Time


class RenderedTemplate(Answer):
    """A template, filled in."""

    subject: Annotated[str, Field(examples=["Following up on your proposal"])]
    body: Annotated[str, Field(examples=["Hi Alice,\n\nJust following up..."])]


class Way(Answer):
    """A recipient of the envelope, and where it led."""

    recipient: Annotated[str, Field(examples=["Team+x@example.com"])]
    address: ListAddress
    list_id: ListId | None
    rule: Rule


class UnusedWay(Way):
    """A way by which nobody got a copy, and why."""

    reason: Annotated[Literal["repeated"], Field(examples=["repeated"])]


class Delivery(Answer):
    """What one inbox got."""

    inbox_id: InboxId
    address: Address | None
    status: Annotated[Literal["delivered", "deleted"], Field(examples=["delivered"])]
    via: list[Way]


class Deliveries(Answer):
    """What became of a message."""

    message_id: MessageId
    received_at: Time
    deliveries: list[Delivery]
    not_delivered: list[UnusedWay]


class Resolved(Answer):
    """Where mail for an address goes now."""

    verdict: Annotated[
        Literal["route", "unknown", "not_ours", "empty_list", "domain_revoked", "no_postmaster"],
        Field(examples=["route"]),
    ]
    reply: Annotated[str | None, Field(examples=["250 2.1.5 OK"])]
    rule: Rule | None
    address: ListAddress | None
    list_id: ListId | None
    copies: list[InboxName]

"""Response shapes of threads, notes, tasks and templates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from admin_api.contacts.shapes import ShareRecord
from admin_api.http.shapes import (
    NOTHING,
    Address,
    Answer,
    ContactId,
    Count,
    Cursor,
    Described,
    Folder,
    InboxId,
    InboxName,
    NoteId,
    ShareId,
    TaskId,
    TemplateId,
    ThreadId,
    Time,
    UserId,
    created,
)
from admin_api.mailbox.shapes import Mailbox, MessageItem, Via


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
    last_from: Mailbox
    preview: Annotated[str, Field(examples=["When does our contract end?"])]
    has_attachments: bool
    unread_count: Count
    is_flagged: bool
    folders: list[Folder]
    via: list[Via]
    seen_by: list[InboxName] | None
    suspect: Annotated[bool, Field(examples=[False])]


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
        Literal[
            "mention",
            "assignment",
            "contact_share",
            "contact_handoff",
            "alert",
            "quota",
            "approval",
            "letter",
            "manual",
        ],
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


class HandedOver(Assigned):
    """An assignment with the note that went with it; with `share_contact` also the offer."""

    note: NoteRecord | None
    share: ShareRecord | None = None


DESCRIBED: dict[str, Described] = {
    "GET /v1/messages/threads/": Described(ThreadPage),
    "GET /v1/messages/threads/{thread_id}/": Described(WholeThread),
    "PATCH /v1/messages/threads/{thread_id}/": Described(WholeThread, body={"status": "closed"}),
    "GET /v1/messages/threads/{thread_id}/history/": Described(HistoryRecord, many=True),
    "GET /v1/messages/threads/{thread_id}/notes/": Described(NoteRecord, many=True),
    "POST /v1/messages/threads/{thread_id}/notes/": created(
        NoteRecord,
        body="@alice@example.com review this before replying",
        mentions=["alice@example.com"],
    ),
    "DELETE /v1/messages/threads/{thread_id}/notes/{note_id}/": Described(
        status=(204,), refusals=("not_author",)
    ),
    "POST /v1/messages/threads/{thread_id}/assign/": Described(
        Assigned, body={"to": "alice@example.com", "note": "Needs legal review"}
    ),
    "DELETE /v1/messages/threads/{thread_id}/assign/": NOTHING,
    "POST /v1/messages/threads/{thread_id}/handoff/": Described(
        HandedOver,
        body={"to": "alice@example.com", "note": "Yours from here on."},
    ),
    "GET /v1/agenda/": Described(TaskRecord, many=True),
    "POST /v1/tasks/": created(TaskRecord, title="Call back", due_at="2026-12-01T09:00:00Z"),
    "GET /v1/tasks/{task_id}/": Described(TaskRecord),
    "PATCH /v1/tasks/{task_id}/": Described(
        TaskRecord, body={"completed": True}, refusals=("not_author",)
    ),
    "DELETE /v1/tasks/{task_id}/": Described(status=(204,), refusals=("not_author",)),
    "GET /v1/templates/": Described(TemplateRecord, many=True),
    "POST /v1/templates/": created(
        TemplateRecord,
        name="Follow-up",
        subject="Following up on {topic}",
        body="Hi {first_name}, just following up",
        variables=["first_name", "topic"],
    ),
    "GET /v1/templates/{template_id}/": Described(TemplateRecord),
    "POST /v1/templates/{template_id}/": Described(
        RenderedTemplate,
        body={"context": {"first_name": "Alice", "topic": "your proposal"}},
    ),
    "PATCH /v1/templates/{template_id}/": Described(
        TemplateRecord, body={"subject": "New subject", "variables": ["first_name"]}
    ),
    "DELETE /v1/templates/{template_id}/": NOTHING,
}

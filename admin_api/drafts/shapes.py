"""Response shapes of uploads, drafts and approvals."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from admin_api.http.shapes import (
    Answer,
    ApprovalId,
    Count,
    Cursor,
    Described,
    DraftId,
    InboxId,
    MessageId,
    ThreadId,
    Time,
    TokenId,
    UploadId,
    UserId,
    WriterRecord,
)
from admin_api.mailbox.shapes import MessageRecord


class UploadRecord(Answer):
    """A file that waits for a letter."""

    upload_id: UploadId
    filename: Annotated[str, Field(examples=["offer.pdf"])]
    content_type: Annotated[str, Field(examples=["application/pdf"])]
    size: Count
    expires_at: Time


class TypedMailboxRecord(Answer):
    """A recipient as it was typed."""

    email: Annotated[str, Field(examples=["grace@sender.example"])]
    name: Annotated[str, Field(examples=["Grace"])]


class DraftRecord(Answer):
    """A letter that is being written, as an inbox sees it."""

    draft_id: DraftId
    thread_id: ThreadId
    author: WriterRecord
    changed_by: WriterRecord
    reply_to_message_id: MessageId | None
    reply_all: bool
    sender: Annotated[str | None, Field(alias="from", examples=["list"])]
    to: list[TypedMailboxRecord]
    cc: list[TypedMailboxRecord]
    bcc: list[TypedMailboxRecord] | None
    subject: Annotated[str | None, Field(examples=["Re: Renewal"])]
    text_body: Annotated[str | None, Field(examples=["Dear Grace,"])]
    html_body: Annotated[str | None, Field(examples=[None])]
    quote: Annotated[Literal["none", "last"], Field(examples=["last"])]
    attachments: list[UploadRecord]
    superseded: bool
    last_message_id: MessageId | None
    created_at: Time
    updated_at: Time


class ApprovalItem(Answer):
    """A letter of a token that waits for a person, or what became of it."""

    approval_id: ApprovalId
    inbox_id: InboxId
    token_id: TokenId
    label: Annotated[str, Field(examples=["answering agent"])]
    message_id: MessageId
    thread_id: ThreadId
    subject: Annotated[str, Field(examples=["Re: Renewal"])]
    status: Annotated[
        Literal["pending", "approved", "rejected", "expired"], Field(examples=["pending"])
    ]
    reason: Annotated[str | None, Field(examples=[None])]
    resolved_by: UserId | None
    resolved_at: Time | None
    created_at: Time
    expires_at: Time


class ApprovalRecord(ApprovalItem):
    """An approval with its letter."""

    last_message_id: MessageId | None
    recipients: Annotated[list[str], Field(examples=[["grace@sender.example"]])]
    message: MessageRecord | None


class ApprovalPage(Answer):
    """Approvals, newest first, and the way on."""

    results: list[ApprovalItem]
    cursor: Cursor | None


DESCRIBED: dict[str, Described] = {
    "POST /v1/uploads/": Described(
        UploadRecord,
        (201,),
        takes="*/*",
        conflicts=("uploads_full",),
        too_many=("upload_running",),
    ),
    "GET /v1/messages/threads/{thread_id}/drafts/": Described(DraftRecord, many=True),
    "POST /v1/messages/threads/{thread_id}/drafts/": Described(
        DraftRecord,
        (201,),
        body={"text_body": "Dear Grace,", "quote": "last"},
        conflicts=("draft_limit",),
    ),
    "GET /v1/drafts/{draft_id}/": Described(DraftRecord),
    "PATCH /v1/drafts/{draft_id}/": Described(
        DraftRecord, body={"subject": "Renewal"}, refusals=("not_author",)
    ),
    "DELETE /v1/drafts/{draft_id}/": Described(status=(204,), refusals=("not_author",)),
    "GET /v1/approvals/": Described(ApprovalPage),
    "GET /v1/approvals/{approval_id}/": Described(ApprovalRecord),
    "POST /v1/approvals/{approval_id}/approve/": Described(
        status=(204,),
        body={"force": False},
        conflicts=("already_resolved", "expired", "thread_moved"),
    ),
    "POST /v1/approvals/{approval_id}/reject/": Described(
        status=(204,),
        body={"reason": "The price is wrong."},
        conflicts=("already_resolved", "expired"),
    ),
}

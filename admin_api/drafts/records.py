"""Records of uploads, drafts and approvals, as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable

from admin_api.http.records import Record, id_or_none, time_or_none
from storage.clock import rfc3339
from storage.drafts.approvals import Approval
from storage.drafts.drafts import Draft, Writer
from storage.drafts.uploads import Upload
from storage.ids import to_text


def upload_record(upload: Upload) -> Record:
    """A file that waits for a letter."""
    return {
        "upload_id": to_text("upl", upload.upload_id),
        "filename": upload.filename,
        "content_type": upload.content_type,
        "size": upload.content.size,
        "expires_at": rfc3339(upload.expires_at),
    }


def writer_record(writer: Writer) -> Record:
    """One who wrote: for an inbox, as a person or with a token."""
    return {
        "inbox_id": to_text("inb", writer.inbox_id),
        "address": writer.address,
        "user_id": id_or_none("usr", writer.user_id),
        "token_id": id_or_none("tok", writer.token_id),
    }


def draft_record(draft: Draft, files: Iterable[Upload], viewer: bytes) -> Record:
    """A draft as an inbox sees it: who gets a blind copy is for its author alone."""
    letter = {**_EMPTY, **draft.letter}
    if draft.author.inbox_id != viewer:
        letter["bcc"] = None
    return {
        "draft_id": to_text("drf", draft.draft_id),
        "thread_id": to_text("thr", draft.thread_id),
        "author": writer_record(draft.author),
        "changed_by": writer_record(draft.changed_by),
        **{name: _mailboxes(value) if name in _LISTS else value for name, value in letter.items()},
        "attachments": [upload_record(one) for one in files],
        "superseded": draft.is_superseded,
        "last_message_id": id_or_none("msg", draft.newest_message_id),
        "created_at": rfc3339(draft.created_at),
        "updated_at": rfc3339(draft.updated_at),
    }


_EMPTY: Record = {
    "reply_to_message_id": None,
    "reply_all": False,
    "from": None,
    "to": [],
    "cc": [],
    "bcc": [],
    "subject": None,
    "text_body": None,
    "html_body": None,
    "quote": "none",
}
_LISTS = ("to", "cc", "bcc")


def _mailboxes(found: object) -> list[Record] | None:
    """Recipients as they were typed, each with a name."""
    if not isinstance(found, list):
        return None
    return [{"email": one["email"], "name": one.get("name", "")} for one in found]


def approval_record(found: Approval, *, now: int) -> Record:
    """A letter of a token that waits for a person, or what became of it."""
    return {
        "approval_id": to_text("apr", found.approval_id),
        "inbox_id": to_text("inb", found.inbox_id),
        "token_id": to_text("tok", found.token_id),
        "label": found.token_label,
        "message_id": to_text("msg", found.message_id),
        "thread_id": to_text("thr", found.thread_id),
        "subject": found.subject,
        "status": found.status_at(now),
        "reason": found.reason,
        "resolved_by": id_or_none("usr", found.resolved_by),
        "resolved_at": time_or_none(found.resolved_at),
        "created_at": rfc3339(found.created_at),
        "expires_at": rfc3339(found.expires_at),
    }

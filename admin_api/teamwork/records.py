"""Records of threads, notes, tasks and templates, as the API shows them."""

from __future__ import annotations

from admin_api.http.records import Record, id_or_none, time_or_none
from admin_api.mailbox.records import mailbox_record, seen_by_record, via_record
from storage.clock import rfc3339
from storage.ids import to_text
from storage.teamwork.notes import Note
from storage.teamwork.tasks import Task
from storage.teamwork.templates import Template
from storage.teamwork.thread_history import Entry, Party
from storage.teamwork.threads import Thread


def thread_record(thread: Thread) -> Record:
    """A thread as the acting inbox sees it."""
    return {
        "thread_id": to_text("thr", thread.thread_id),
        "subject": thread.subject,
        "participants": [mailbox_record(one) for one in thread.participants],
        "status": thread.status,
        "assignee": thread.assignee
        and {
            "inbox_id": to_text("inb", thread.assignee.inbox_id),
            "address": thread.assignee.address,
        },
        "message_count": thread.message_count,
        "note_count": thread.note_count,
        "last_message_at": rfc3339(thread.last_message_at),
        "last_from": mailbox_record(thread.last_from),
        "preview": thread.preview,
        "has_attachments": thread.has_attachments,
        "unread_count": thread.unread_count,
        "is_flagged": thread.is_flagged,
        "folders": [*thread.folders],
        "via": [via_record(route) for route in thread.routes],
        "seen_by": seen_by_record(thread.seen_by),
        "suspect": thread.suspect,
    }


def history_record(entry: Entry) -> Record:
    """One act in the history of a thread."""
    return {
        "type": entry.kind,
        "assignee": _party(entry.assignee),
        "by": _party(entry.by),
        "user_id": id_or_none("usr", entry.user_id),
        "created_at": rfc3339(entry.created_at),
    }


def _party(party: Party | None) -> Record | None:
    if party is None:
        return None
    return {"inbox_id": to_text("inb", party.inbox_id), "address": party.address}


def note_record(note: Note) -> Record:
    """A note on a thread."""
    return {
        "note_id": to_text("note", note.note_id),
        "author_inbox_id": to_text("inb", note.author_inbox_id),
        "body": note.body,
        "mentions": [*note.mentions],
        "created_at": rfc3339(note.created_at),
    }


def task_record(task: Task) -> Record:
    """A task; without a due date it is pending until it is completed."""
    return {
        "task_id": to_text("task", task.task_id),
        "type": task.kind,
        "title": task.title,
        "description": task.description,
        "pending": task.due_at is None and task.completed_at is None,
        "due_at": time_or_none(task.due_at),
        "thread_id": id_or_none("thr", task.thread_id),
        "note_id": id_or_none("note", task.note_id),
        "contact_id": id_or_none("ctc", task.contact_id),
        "share_id": id_or_none("shr", task.share_id),
        "created_by": id_or_none("inb", task.created_by),
        "created_at": rfc3339(task.created_at),
        "completed_at": time_or_none(task.completed_at),
    }


def template_record(template: Template) -> Record:
    """A template."""
    return {
        "template_id": to_text("tpl", template.template_id),
        "name": template.name,
        "subject": template.subject,
        "body": template.body,
        "variables": [*template.variables],
        "created_by": id_or_none("usr", template.created_by),
        "created_at": rfc3339(template.created_at),
        "updated_at": rfc3339(template.updated_at),
    }

"""Records out: how each thing looks in a response.

Ids become prefixed text, times RFC 3339; nothing else is changed. Knows no HTTP: what the command
line prints are the same records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from admin_api.dns.domain_check import Checked, records_of
from storage.accounts.tenants import Tenant
from storage.accounts.tokens import Token
from storage.accounts.users import User
from storage.alerts.alerts import Alert
from storage.clock import rfc3339
from storage.delivery.explain import Explanation, Part, Way
from storage.directory.domains import Domain
from storage.directory.inboxes import Alias, Inbox
from storage.directory.lists import DistributionList, Member
from storage.ids import to_text
from storage.mailbox.copies import Copy, Mailbox, distinct_addresses
from storage.mailbox.message_text import Letter
from storage.mailbox.parsed import Attachment
from storage.teamwork.notes import Note
from storage.teamwork.tasks import Task
from storage.teamwork.templates import Template
from storage.teamwork.thread_history import Entry, Party
from storage.teamwork.threads import Thread

Record = dict[str, object]


def id_or_none(prefix: str, raw: bytes | None) -> str | None:
    """The id as text."""
    return None if raw is None else to_text(prefix, raw)


def time_or_none(instant: int | None) -> str | None:
    """The time as text."""
    return None if instant is None else rfc3339(instant)


def tenant_record(tenant: Tenant) -> Record:
    """The tenant, as its own people see it."""
    return {"tenant_id": to_text("tnt", tenant.tenant_id), "name": tenant.name}


def user_record(user: User) -> Record:
    """A user; never the password."""
    return {
        "user_id": to_text("usr", user.user_id),
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "tenant_id": to_text("tnt", user.tenant_id),
    }


def account_record(user: User) -> Record:
    """A user, as admins see it."""
    return user_record(user) | {"created_at": rfc3339(user.created_at)}


def domain_record(domain: Domain, hostname: str) -> Record:
    """A domain with the DNS records that it needs; `hostname` is where its mail shall go."""
    return {
        "domain_id": to_text("dom", domain.domain_id),
        "name": domain.name,
        "status": domain.status,
        "verified_at": time_or_none(domain.verified_at),
        "dns_records": [
            {
                "type": record.type,
                "name": record.name,
                "value": record.value,
                "purpose": record.purpose,
            }
            for record in records_of(domain, hostname)
        ],
        "created_at": rfc3339(domain.created_at),
    }


def checked_record(checked: Checked) -> Record:
    """A DNS record, and what was found in its place."""
    return {
        "type": checked.record.type,
        "name": checked.record.name,
        "purpose": checked.record.purpose,
        "expected": checked.record.value,
        "found": checked.found,
        "status": checked.status,
    }


def inbox_record(
    inbox: Inbox,
    aliases: Iterable[Alias],
    *,
    settings: bool,
    webhook: Alert | None = None,
    webhooks: bool = True,
) -> Record:
    """With `settings` also what only the inbox itself, its owner and admins see; `webhook` is the
    inbox's own, `webhooks` tells whether they see that as well.
    """
    record: Record = {
        "inbox_id": to_text("inb", inbox.inbox_id),
        "address": inbox.address,
        "display_name": inbox.display_name,
        "owner_user_id": id_or_none("usr", inbox.owner_user_id),
        "aliases": [
            {"address": alias.address, "list_id": to_text("lst", alias.list_id)}
            for alias in aliases
        ],
        "created_at": rfc3339(inbox.created_at),
    }
    if settings:
        record |= {
            "default_timezone": inbox.default_timezone,
            "share_relationships": inbox.share_relationships,
        }
    if settings and webhooks:
        record |= {
            "webhook_url": None if webhook is None else webhook.target,
            "webhook_events": [] if webhook is None else webhook.events,
        }
    return record


def alert_record(alert: Alert) -> Record:
    """An alert; never its secret."""
    return {
        "alert_id": to_text("alr", alert.alert_id),
        "inbox_id": to_text("inb", alert.inbox_id),
        "events": alert.events,
        "delivery": {"type": alert.delivery, "target": alert.target},
        "filter": alert.filter,
        "enabled": alert.enabled,
        "status": alert.status,
        "last_error": alert.last_error,
        "created_by": alert.created_by,
        "created_at": rfc3339(alert.created_at),
        "updated_at": rfc3339(alert.updated_at),
    }


def token_record(token: Token, *, now: int) -> Record:
    """A token; never its secret. `status` is `expired` by itself."""
    lapsed = token.expires_at is not None and token.expires_at <= now
    return {
        "token_id": to_text("tok", token.token_id),
        "inbox_id": to_text("inb", token.inbox_id),
        "label": token.label,
        "scopes": token.scopes,
        "status": "expired" if lapsed else token.status,
        "created_by": id_or_none("usr", token.created_by),
        "last_used_at": time_or_none(token.last_used_at),
        "expires_at": time_or_none(token.expires_at),
        "created_at": rfc3339(token.created_at),
    }


def list_record(item: DistributionList, *, for_admin: bool = True) -> Record:
    """A distribution list; an admin is told of mail that waits for its first member."""
    waiting: Record = {}
    if for_admin and item.last_deferred_at is not None:
        waiting = {
            "deferred_count": item.deferred,
            "last_deferred_at": rfc3339(item.last_deferred_at),
        }
    return {
        "list_id": to_text("lst", item.list_id),
        "address": item.address,
        "name": item.name,
        "created_by": id_or_none("usr", item.created_by),
        "created_at": rfc3339(item.created_at),
        "member_count": item.member_count,
        **waiting,
    }


def member_record(member: Member) -> Record:
    """An inbox's membership in a list."""
    return {
        "member_id": to_text("mem", member.member_id),
        "inbox_id": to_text("inb", member.inbox_id),
        "inbox_address": member.inbox_address,
        "added_at": rfc3339(member.added_at),
    }


def message_item(copy: Copy) -> Record:
    """A message as it stands in a list; without a copy it has no folder, marks and ways in."""
    return {
        "message_id": to_text("msg", copy.message_id),
        "thread_id": to_text("thr", copy.thread_id),
        "folder": copy.folder,
        "from": _mailbox(copy.sender),
        "to": [_mailbox(one) for one in copy.to],
        "cc": [_mailbox(one) for one in copy.cc],
        "subject": copy.subject,
        "preview": copy.preview,
        "received_at": rfc3339(copy.received_at),
        "size": copy.size,
        "is_read": copy.is_read,
        "is_flagged": copy.is_flagged,
        "has_attachments": copy.has_attachments,
        "via": [
            {"address": route.address, "list_id": id_or_none("lst", route.list_id)}
            for route in distinct_addresses(copy.routes)
        ]
        if copy.is_held
        else None,
    }


def message_record(copy: Copy, headers: Iterable[Mapping[str, str]], letter: Letter) -> Record:
    """A message by itself; what takes parsing is empty until that has been done."""
    return message_item(copy) | {
        "headers": [*headers],
        "reply_to": [{"email": email, "name": name} for name, email in letter.reply_to],
        "text_body": letter.text,
        "html_body": letter.html,
        "attachments": [attachment_record(one) for one in letter.attachments],
        "authentication": None,
        "envelope": _envelope(copy) if copy.is_held else None,
        "parse_status": copy.parse_status,
    }


def attachment_record(attachment: Attachment) -> Record:
    """A file that came with a message; its octets have a path of their own."""
    part = attachment.part
    return {
        "attachment_id": to_text("att", attachment.attachment_id),
        "filename": part.filename,
        "content_type": part.content_type,
        "size": part.size,
        "inline": part.is_inline,
        "content_id": part.content_id,
    }


def _envelope(copy: Copy) -> Record:
    return {
        "mail_from": copy.reverse_path,
        "rcpt_to": [*dict.fromkeys(route.recipient for route in copy.routes)],
        "client_ip": copy.client_ip,
        "helo": copy.helo,
        "tls": copy.tls,
    }


def _mailbox(mailbox: Mailbox) -> Record:
    return {"email": mailbox.email, "name": mailbox.name}


def thread_record(thread: Thread) -> Record:
    """A thread as the acting inbox sees it."""
    return {
        "thread_id": to_text("thr", thread.thread_id),
        "subject": thread.subject,
        "participants": [_mailbox(one) for one in thread.participants],
        "status": thread.status,
        "assignee": thread.assignee
        and {
            "inbox_id": to_text("inb", thread.assignee.inbox_id),
            "address": thread.assignee.address,
        },
        "message_count": thread.message_count,
        "note_count": thread.note_count,
        "last_message_at": rfc3339(thread.last_message_at),
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


def explanation_record(found: Explanation, own: bytes | None) -> Record:
    """What became of a message: all of it, or one inbox's own part."""
    parts = [part for part in found.parts if own in (None, part.inbox_id)]
    repeated = found.repeated if own is None else ()
    return {
        "message_id": to_text("msg", found.message_id),
        "received_at": rfc3339(found.received_at),
        "deliveries": [_part(part) for part in parts],
        "not_delivered": [_way(way) | {"reason": "repeated"} for way in repeated],
    }


def _part(part: Part) -> Record:
    return {
        "inbox_id": to_text("inb", part.inbox_id),
        "address": part.address,
        "status": "deleted" if part.is_deleted else "delivered",
        "via": [_way(way) for way in part.ways],
    }


def _way(way: Way) -> Record:
    return {
        "recipient": way.recipient,
        "address": way.address,
        "list_id": id_or_none("lst", way.list_id),
        "rule": way.rule,
    }


def operator_tenant_record(tenant: Tenant) -> Record:
    """A tenant, which only the operator sees."""
    return {
        "tenant_id": to_text("tnt", tenant.tenant_id),
        "name": tenant.name,
        "plan": tenant.plan,
        "governance": tenant.governance,
        "created_at": rfc3339(tenant.created_at),
    }

"""Records of messages and attachments, as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from admin_api.http.records import Record, id_or_none, time_or_none
from storage.authentication.results import StoredCheck
from storage.clock import rfc3339
from storage.ids import to_text
from storage.mailbox.copies import Copy, Mailbox, Route, distinct_addresses
from storage.mailbox.message_text import MessageText
from storage.mailbox.parsed import Attachment
from storage.mailbox.read_state import Reader
from storage.outbound.letters import Letter, worst_of


def message_item(copy: Copy) -> Record:
    """A message in a list; without a copy it has no folder, marks and ways in."""
    return {
        "message_id": to_text("msg", copy.message_id),
        "thread_id": to_text("thr", copy.thread_id),
        "kind": "bounce" if copy.bounce_of else "sent" if copy.is_letter else "received",
        "bounce": bounce_record(copy),
        "folder": copy.folder,
        "from": mailbox_record(copy.sender),
        "to": [mailbox_record(one) for one in copy.to],
        "cc": [mailbox_record(one) for one in copy.cc],
        "subject": copy.subject,
        "preview": copy.preview,
        "received_at": rfc3339(copy.received_at),
        "size": copy.size,
        "is_read": copy.is_read,
        "is_flagged": copy.is_flagged,
        "has_attachments": copy.has_attachments,
        "verdict": copy.verdict,
        "via": [via_record(route) for route in distinct_addresses(copy.routes)]
        if copy.is_held
        else None,
        "seen_by": seen_by_record(copy.seen_by),
    }


def bounce_record(copy: Copy) -> Record | None:
    """The letter that a report is about, and what it says of it; null for other messages."""
    if copy.bounce_of is None:
        return None
    return {"message_id": to_text("msg", copy.bounce_of), "state": copy.bounce_state}


def seen_by_record(readers: Sequence[Reader] | None) -> list[Record] | None:
    """The other members of a list who have read a message; null where no list shares it."""
    if readers is None:
        return None
    return [{"inbox_id": to_text("inb", one.inbox_id), "address": one.address} for one in readers]


def message_record(
    copy: Copy,
    headers: Iterable[Record],
    letter: MessageText,
    check: StoredCheck | None,
    delivery: Record | None = None,
) -> Record:
    """A single message; fields that need the parser are empty until it has run."""
    return message_item(copy) | {
        "headers": [*headers],
        "reply_to": [{"email": email, "name": name} for name, email in letter.reply_to],
        "text_body": letter.text,
        "html_body": letter.html,
        "text_from_html": letter.text_from_html,
        "attachments": [attachment_record(one) for one in letter.attachments],
        "authentication": None if check is None else authentication_record(check),
        "delivery": delivery,
        "envelope": _envelope(copy) if copy.is_held else None,
        "parse_status": copy.parse_status,
    }


def delivery_record(letter: Letter, viewer: bytes) -> Record:
    """The delivery of a letter; its blind recipients are for its author's inbox alone."""
    shown = [one for one in letter.recipients if one.kind != "bcc" or viewer == letter.inbox_id]
    return {
        # Of those shown: else a failure that none of them had would tell of a blind one.
        "state": worst_of(shown or letter.recipients),
        "attempts": letter.attempts,
        "next_attempt_at": time_or_none(letter.due_at),
        "recipients": [
            {
                "email": one.email,
                "state": one.state,
                "code": one.code,
                "enhanced": one.enhanced,
                "diagnostic": one.diagnostic,
                "updated_at": rfc3339(one.updated_at),
            }
            for one in shown
        ],
    }


def authentication_record(check: StoredCheck) -> Record:
    """The results of checking who wrote a message."""
    found = check.record
    return {
        "verdict": found["verdict"],
        "source": found["source"],
        "checked_at": rfc3339(check.checked_at),
        **{name: found[name] for name in _CHECKED},
    }


_CHECKED = ("from_domain", "override", "spf", "dkim", "dmarc", "arc")


def attachment_record(attachment: Attachment) -> Record:
    """A file of a message; its octets have a path of their own."""
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


def via_record(route: Route) -> Record:
    """An address by which a copy came."""
    return {"address": route.address, "list_id": id_or_none("lst", route.list_id)}


def mailbox_record(mailbox: Mailbox) -> Record:
    """An address with its display name."""
    return {"email": mailbox.email, "name": mailbox.name}

"""The plan of a letter: all that it is made of, as the store has it."""

from __future__ import annotations

from typing import NamedTuple

from admin_api.call.call import Call, acting_view
from admin_api.call.references import visible_message
from admin_api.drafts.drafts import lent_by, require_latest
from admin_api.http.problems import Problem
from admin_api.outbound.letter_in import LetterIn, upload_ids_of
from admin_api.outbound.senders import Sender, ours_of, sender_of
from admin_api.teamwork.templates import text_of
from storage.accounts.tenants import PLANS, reaches
from storage.content.message_bytes import Content, find_content
from storage.database import Tx
from storage.directory.inboxes import find_inbox
from storage.drafts import uploads
from storage.drafts.uploads import Upload
from storage.errors import FieldFault, Invalid, NotFound
from storage.ids import from_text
from storage.mailbox.copies import Copy
from storage.mailbox.message_text import MessageOutline, find_outline
from storage.mailbox.visibility import View, find_message
from storage.outbound.domain_smarthosts import Via, find_smarthost
from storage.teamwork import templates
from storage.teamwork.templates import render


class Answered(NamedTuple):
    """The message that is answered, as this inbox sees it."""

    copy: Copy
    content: Content
    outline: MessageOutline
    ours: set[str]


class Plan(NamedTuple):
    """All that a letter is made of, as the store has it; without a smarthost `via` is None."""

    view: View
    sender: Sender
    answered: Answered | None
    files: list[Upload]
    text: str
    subject: str
    via: Via | None


async def make_plan(tx: Tx, call: Call, payload: LetterIn) -> Plan:
    """Resolve what the call refers to. Raises Invalid, and Problem for what may not be used."""
    view = await acting_view(tx, call)
    draft = None if payload.draft_id is None else await require_latest(tx, call, payload.draft_id)
    answered = await answered_by(tx, call, view, payload)
    lists = [] if answered is None else await _lists_of(tx, answered.copy)
    inbox = await find_inbox(tx, tenant_id=call.tenant_id, inbox_id=view.inbox_id)
    sender = await sender_of(tx, call, inbox, payload.sender, lists)
    files = await uploads.find_uploads(
        tx,
        tenant_id=call.tenant_id,
        inbox_id=view.inbox_id,
        upload_ids=upload_ids_of(payload),
        now=call.now,
        lent=lent_by(draft) if draft else {},
    )
    # As base64 makes them: refused before many octets are written for nothing.
    if sum(one.content.size for one in files) * 4 // 3 > call.service.settings.size_limit:
        raise Problem(413, "letter_too_large", "The letter is larger than this server sends.")
    subject, text = await _texts(tx, call, payload)
    via = await smarthost_of(tx, call, sender.domain)
    return Plan(view, sender, answered, files, text, subject, via)


async def smarthost_of(tx: Tx, call: Call, domain: str) -> Via | None:
    """Return the smarthost of letters from this domain, its own or the setting's, if any."""
    own = await find_smarthost(tx, tenant_id=call.tenant_id, domain=domain)
    if own is not None or call.service.settings.smarthost is None:
        return own
    return "setting"


async def answered_by(tx: Tx, call: Call, view: View, payload: LetterIn) -> Answered | None:
    """Return the answered message, as the acting inbox sees it."""
    if payload.reply_to_message_id is None:
        return None
    message_id = await visible_message(tx, call, "reply_to_message_id", payload.reply_to_message_id)
    copy = await find_message(tx, view=view, message_id=message_id)
    key = {"tenant_id": call.tenant_id, "message_id": message_id}
    outline = await find_outline(tx, **key)
    named = [copy.sender, *copy.to, *copy.cc]
    addresses = [one.email for one in named] + [email for _, email in outline.body.reply_to]
    ours = await ours_of(tx, tenant_id=call.tenant_id, addresses=addresses)
    return Answered(copy, await find_content(tx, **key), outline, ours)


async def _lists_of(tx: Tx, copy: Copy) -> list[bytes]:
    """Return the lists by which the answered copy came; of a letter, the one it went from."""
    found = [bytes(route.list_id) for route in copy.routes if route.list_id is not None]
    if found:
        return found
    row = await tx.fetch_one(
        "SELECT list_id FROM letters WHERE message_id = :message_id",
        {"message_id": copy.message_id},
    )
    return [bytes(row["list_id"])] if row and row["list_id"] is not None else []


async def _texts(tx: Tx, call: Call, payload: LetterIn) -> tuple[str, str]:
    """Return subject and text, from the call or from a template."""
    if payload.template_id is None:
        return payload.subject, payload.text_body
    if not reaches(PLANS, call.caller.tenant.plan, "startup"):
        raise Problem(403, "plan_required", "This needs the plan startup or a higher one.")
    try:
        template = await templates.find_template(
            tx,
            tenant_id=call.tenant_id,
            template_id=from_text("tpl", payload.template_id) or b"",
        )
    except NotFound:
        raise Invalid(FieldFault("template_id", "is not a template of this tenant")) from None
    context = {name: text_of(value) for name, value in payload.context.items()}
    used = [*templates.placeholders(template.subject), *templates.placeholders(template.body)]
    missing = [name for name in dict.fromkeys(used) if name not in context]
    if missing and not payload.allow_missing:
        message = f"lacks {', '.join(missing[:10])}"
        raise Invalid(FieldFault("context", message, "template_incomplete"))
    rendered = render(template, context)
    return payload.subject or on_one_line(rendered.subject), rendered.body


def on_one_line(text: str) -> str:
    """Make a text fit for a header field: one line, of at most 998 characters."""
    return "".join(" " if ord(one) < 32 or ord(one) == 127 else one for one in text)[:998]

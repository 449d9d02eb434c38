"""Sending a letter: checked, composed, and queued in one transaction with its author's copy.

- Without a smarthost nothing is queued: 409 `sending_unconfigured`.
- A letter of a token passes the token's limits in the transaction that queues it; one that needs
  approval is held.
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial

import orjson
from starlette.responses import Response

from admin_api.access.credentials import Agent
from admin_api.call.call import Call, acting_view
from admin_api.call.references import visible_message
from admin_api.drafts.drafts import lent_by, require_latest
from admin_api.drafts.refusals import problem_of_refusal
from admin_api.drafts.uploads import require_content
from admin_api.http.problems import Problem, thread_moved
from admin_api.http.responses import answer
from admin_api.outbound.composing import (
    Composed,
    Ids,
    compose,
    header_message_id,
    is_automatic,
    octets_of,
    spooled,
    thread_reference,
)
from admin_api.outbound.letter_in import LetterIn, call_of, typed_recipients, upload_ids_of
from admin_api.outbound.letter_plan import Plan, answered_by, make_plan
from admin_api.outbound.records import queued_record
from storage.clock import SECOND
from storage.content.message_bytes import Content
from storage.database import Tx
from storage.directory.address_tokens import new_token
from storage.drafts import approvals, drafts, public_messages, token_limits, uploads
from storage.errors import Conflict, OutcomeUnknown
from storage.ids import from_text, to_text
from storage.mailbox.visibility import View
from storage.outbound.domain_smarthosts import Via
from storage.outbound.letters import Letter, NewLetter, enqueue, find_letter

_SMALL = 48 * 1024


async def send_letter(call: Call) -> Response:
    """POST /v1/messages/: queued; it leaves after the seconds in which it can be taken back."""
    payload = call.payload(LetterIn)
    typed = typed_recipients(payload)
    plan = await call.database.read(lambda tx: make_plan(tx, call, payload))
    if plan.via is None:
        raise unconfigured()
    composed = await compose(call, payload, plan, typed)
    reserved, content = None, None
    if plan.files or len(composed.body) > _SMALL:
        # The Message-ID holds the id, and a large letter is written before its transaction.
        reserved = await call.database.write(partial(_new_ids, plan=plan))
        content = await spooled(call, composed, plan.files, reserved)
    try:
        _require_size(call, plan.via, content.size if content else len(composed.body))
        letter, approval_id = await call.database.write(
            lambda tx: _queue(tx, call, plan, composed, reserved=reserved, content=content)
        )
    except (OutcomeUnknown, asyncio.CancelledError):
        raise  # a row may name the content: who goes away stops no commit
    except BaseException:
        if content is not None and content.file is not None:
            await call.service.content.remove(content.file)
        raise
    # After the commit: before it the job would not find the letter.
    call.service.sending.wake()
    warnings = await call.database.read(lambda tx: _warnings(tx, call, plan))
    record = queued_record(letter, approval_id=approval_id, warnings=warnings)
    return answer(record, 201 if approval_id is None else 202)


def _require_size(call: Call, via: Via, size: int) -> None:
    """Raises Problem 413 for what the smarthost says that it does not take."""
    largest = call.service.sending.largest(via)
    if largest is not None and size > largest:
        raise Problem(413, "letter_too_large", "The letter is larger than the smarthost takes.")


def unconfigured() -> Conflict:
    """Build the refusal of a server without a smarthost."""
    return Conflict("sending_unconfigured", "This server has no smarthost to hand letters to.")


async def _new_ids(tx: Tx, *, plan: Plan) -> Ids:
    thread = tx.new_id() if plan.answered is None else plan.answered.copy.thread_id
    return Ids(tx.new_id(), thread)


async def _warnings(tx: Tx, call: Call, plan: Plan) -> list[str]:
    if plan.answered is None or isinstance(call.caller, Agent):
        return []
    message_id = plan.answered.copy.message_id
    is_wanted = not await token_limits.wants_no_reply(
        tx, tenant_id=call.tenant_id, message_id=message_id
    )
    return [] if is_wanted else ["no_reply_wanted"]


async def _queue(
    tx: Tx,
    call: Call,
    plan: Plan,
    composed: Composed,
    *,
    reserved: Ids | None,
    content: Content | None,
) -> tuple[Letter, bytes | None]:
    """Check what may have changed, and queue the letter. Returns it, and its approval's id."""
    view, payload = await acting_view(tx, call), call.payload(LetterIn)
    answered = await answered_by(tx, call, view, payload)
    thread_id = answered.copy.thread_id if answered else None
    newest = None
    if thread_id is not None:
        newest = await public_messages.newest_public(tx, view=view, thread_id=thread_id)
        await _require_not_moved(tx, call, payload, newest)
    await _require_allowed(tx, call, view, composed, thread_id=thread_id)
    ids = reserved or await _new_ids(tx, plan=plan)
    message_id, new_thread = ids.message, thread_id or ids.thread
    await _use_up(tx, call, payload, inbox_id=view.inbox_id, message_id=message_id)
    held = isinstance(call.caller, Agent) and not is_automatic(call)
    if content is None:
        octets = octets_of(composed, ids)
        content = Content(hashlib.sha256(octets).digest(), len(octets), octets, None)
    # The removal of orphans may have come before: a letter without its bytes could not be sent.
    await require_content(tx, call, content)
    letter = _new_letter(
        call,
        plan,
        composed,
        ids=ids,
        thread_id=new_thread,
        is_new_thread=thread_id is None,
        content=content,
    )
    settings = call.service.settings
    undo = settings.undo_seconds if payload.undo_seconds is None else payload.undo_seconds
    await enqueue(
        tx,
        letter,
        send_at=call.now + int(undo * SECOND),
        expires_at=call.now + int(settings.send_expire * SECOND),
        now=call.now,
        held=held,
    )
    approval_id = None
    if held and isinstance(call.caller, Agent):
        approval_id = await approvals.request_approval(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=view.inbox_id,
            token_id=call.caller.token.token_id,
            message_id=message_id,
            thread_id=new_thread,
            seen_message_id=newest,
            subject=composed.heading.subject,
            now=call.now,
        )
    return await find_letter(tx, tenant_id=call.tenant_id, message_id=message_id), approval_id


async def _use_up(
    tx: Tx, call: Call, payload: LetterIn, *, inbox_id: bytes, message_id: bytes
) -> None:
    """Give the uploads to the letter, and delete the draft that became it."""
    draft = None if payload.draft_id is None else await require_latest(tx, call, payload.draft_id)
    upload_ids = upload_ids_of(payload)
    if upload_ids:
        await uploads.take_uploads(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=inbox_id,
            message_id=message_id,
            upload_ids=upload_ids,
            now=call.now,
            lent=lent_by(draft) if draft else {},
        )
    if draft is not None:
        await drafts.delete_draft(tx, tenant_id=call.tenant_id, draft_id=draft.draft_id)


async def _require_not_moved(tx: Tx, call: Call, payload: LetterIn, newest: bytes | None) -> None:
    """Raises Problem `thread_moved`."""
    if payload.expected_last_message_id is None or newest is None:
        return
    seen = await visible_message(
        tx, call, "expected_last_message_id", payload.expected_last_message_id
    )
    if newest > seen:
        raise thread_moved(to_text("msg", newest))


async def _require_allowed(
    tx: Tx, call: Call, view: View, composed: Composed, *, thread_id: bytes | None
) -> None:
    """Raises Problem for a letter that this token may not send."""
    payload = call.payload(LetterIn)
    caller = call.caller
    if not isinstance(caller, Agent):
        return
    fields = [
        f"{kind}[{place}].email"
        for kind, given in (("to", payload.to), ("cc", payload.cc), ("bcc", payload.bcc))
        for place in range(len(given))
    ]
    named = [one.email for one in (*payload.to, *payload.cc, *payload.bcc)]
    answered_id = payload.reply_to_message_id
    # In the transaction that queues it: two letters at a time must not both take the last place.
    refusal = await token_limits.why_not(
        tx,
        view=view,
        token=caller.token,
        thread_id=thread_id,
        recipients=named,
        answered=composed.answered,
        reply_to_message_id=from_text("msg", answered_id) if answered_id else None,
    )
    if refusal is not None:
        raise problem_of_refusal(refusal, fields)


def _new_letter(
    call: Call,
    plan: Plan,
    composed: Composed,
    *,
    ids: Ids,
    thread_id: bytes,
    is_new_thread: bool,
    content: Content,
) -> NewLetter:
    heading, domain = composed.heading, plan.sender.domain
    own = header_message_id(composed, ids.message)
    # The thread may have been joined with another one meanwhile; the former id is in the header.
    threads = (thread_reference(one, domain) for one in dict.fromkeys((ids.thread, thread_id)))
    token_id = call.caller.token.token_id if isinstance(call.caller, Agent) else None
    mailboxes = {
        "to": [[one.name, one.email] for one in heading.to],
        "cc": [[one.name, one.email] for one in heading.cc],
    }
    return NewLetter(
        tenant_id=call.tenant_id,
        inbox_id=plan.view.inbox_id,
        user_id=call.user_id,
        token_id=token_id,
        thread_id=thread_id,
        is_new_thread=is_new_thread,
        list_id=plan.sender.list_id,
        message_id=ids.message,
        header_message_id=own,
        references=(*threads, own, *composed.tokens),
        from_name=heading.author.name,
        from_email=heading.author.email,
        domain=domain,
        subject=heading.subject,
        mailboxes=orjson.dumps(mailboxes),
        recipients=tuple((email, kind) for email, kind, _ in composed.recipients),
        content=content,
        call=call_of(call.payload(LetterIn), subject=plan.subject, text=plan.text),
        bounce_token=new_token(),
    )

"""Approvals: letters of tokens that a person reads before they go.

- A token asks by sending; it sees its inbox's approvals with `approvals:read`, and never resolves
  one. The inbox's owner and admins do.
- The letter that was read is the letter that goes: it is stored when it is asked for, and nothing
  of it is made again. When the thread has moved on since, it goes only with `force`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, Field
from starlette.responses import Response

from admin_api.call.audit_trail import note
from admin_api.call.call import Call, act_for, acting_inbox, may_act_for
from admin_api.call.paging import Cursor, cursor_answer, position_of
from admin_api.drafts.records import approval_record
from admin_api.http.payload import Limit, Parameters, Payload
from admin_api.http.problems import thread_moved
from admin_api.http.records import Record
from admin_api.http.responses import answer, no_content
from admin_api.http.texts import not_blank
from admin_api.mailbox import messages
from storage.clock import SECOND
from storage.database import Tx
from storage.directory.inboxes import find_inbox
from storage.drafts import approvals
from storage.drafts.approvals import Approval, Status, Verdict
from storage.drafts.public_messages import newest_public
from storage.errors import Conflict, NotFound
from storage.ids import to_text
from storage.mailbox.visibility import View, find_message
from storage.outbound import letters


class Listing(Parameters):
    """The approvals to list."""

    status: Status | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class ApproveIn(Payload):
    """`force` sends the letter although the thread has a newer message."""

    force: bool = False


class RejectIn(Payload):
    """Why the letter is not sent, for the one who wrote it."""

    reason: Annotated[str, Field(max_length=1000), AfterValidator(not_blank)] | None = None


async def list_approvals(call: Call) -> Response:
    """GET /v1/approvals/: newest first."""
    wanted = call.parameters(Listing)
    before = position_of(wanted.cursor)

    async def work(tx: Tx) -> list[Approval]:
        return await approvals.list_approvals(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=await acting_inbox(tx, call),
            status=wanted.status,
            before=before,
            limit=wanted.limit + 1,
            now=call.now,
        )

    def record(found: Approval) -> Record:
        return approval_record(found, now=call.now)

    found = await call.database.read(work)
    return cursor_answer(found, wanted.limit, record, lambda one: one.approval_id)


async def show_approval(call: Call) -> Response:
    """GET /v1/approvals/{approval_id}/: with the whole letter, as it will go."""

    async def work(tx: Tx) -> tuple[Approval, bytes | None, list[str], messages.Entire | None]:
        found = await locate(tx, call)
        act_for(call, await find_inbox(tx, tenant_id=call.tenant_id, inbox_id=found.inbox_id))
        return found, await _newer(tx, call, found), *await _letter(tx, call, found)

    found, newer, recipients, letter = await call.database.read(work)
    message = None if letter is None else await messages.whole_record(call, letter)
    return answer(
        approval_record(found, now=call.now)
        | {
            "last_message_id": None if newer is None else to_text("msg", newer),
            "recipients": recipients,
            "message": message,
        }
    )


async def _letter(tx: Tx, call: Call, found: Approval) -> tuple[list[str], messages.Entire | None]:
    """All recipients, those of blind copies too, and the letter; None once it is gone."""
    view = View(call.tenant_id, found.inbox_id, call.now)
    key = {"tenant_id": call.tenant_id, "message_id": found.message_id}
    try:
        copy = await find_message(tx, view=view, message_id=found.message_id)
    except NotFound:
        return [], None
    letter = await letters.find_letter(tx, **key)
    acting = replace(call, inbox_names=(to_text("inb", found.inbox_id),))
    return [one.email for one in letter.recipients], await messages.entire(tx, acting, copy)


async def _newer(tx: Tx, call: Call, found: Approval) -> bytes | None:
    """The message by which the thread has moved on since the letter was written."""
    view = View(call.tenant_id, found.inbox_id, call.now)
    newest = await newest_public(tx, view=view, thread_id=found.thread_id)
    moved = newest is not None and newest > (found.seen_message_id or b"")
    # The letter itself is a message of the thread, too.
    return newest if moved and newest != found.message_id else None


async def approve_letter(call: Call) -> Response:
    """POST /v1/approvals/{approval_id}/approve/: the letter goes as it was read."""
    force = call.payload(ApproveIn).force

    async def work(tx: Tx) -> None:
        found = await locate(tx, call)
        approvals.require_pending(found, now=call.now)
        newer = None if force else await _newer(tx, call, found)
        if newer is not None:
            raise thread_moved(to_text("msg", newer))
        await _resolve(tx, call, found, "approved", None)
        released = await letters.release_held(
            tx,
            tenant_id=call.tenant_id,
            message_id=found.message_id,
            approved_by=call.user_id,
            send_at=call.now,
            # From now on: the letter may have waited for its approval for days.
            expires_at=call.now + int(call.service.settings.send_expire * SECOND),
            now=call.now,
        )
        if not released:
            # Rolls the whole transaction back: the approval stays unresolved.
            raise Conflict("already_resolved", "This letter was cancelled meanwhile.")

    await call.database.write(work)
    # After the commit: before it the job would not find the letter.
    call.service.sending.wake()
    return no_content()


async def reject_letter(call: Call) -> Response:
    """POST /v1/approvals/{approval_id}/reject/: the letter is dropped."""
    reason = call.payload(RejectIn).reason

    async def work(tx: Tx) -> None:
        found = await locate(tx, call)
        approvals.require_pending(found, now=call.now)
        await _resolve(tx, call, found, "rejected", reason)
        key = {"tenant_id": call.tenant_id, "message_id": found.message_id}
        await letters.drop_held(tx, **key, now=call.now)

    await call.database.write(work)
    return no_content()


async def _resolve(
    tx: Tx, call: Call, found: Approval, verdict: Verdict, reason: str | None
) -> None:
    await approvals.resolve(
        tx, found=found, verdict=verdict, user_id=call.user_id, reason=reason, now=call.now
    )
    await note(
        tx,
        call,
        f"approval.{verdict}",
        found.approval_id,
        name=found.token_label,
        message_id=to_text("msg", found.message_id),
        of_inbox_id=to_text("inb", found.inbox_id),
    )


async def locate(tx: Tx, call: Call) -> Approval:
    """Return the approval in the path, if the caller may act for its inbox. Raises NotFound."""
    approval_id = call.path_id("apr", "approval_id")
    found = await approvals.find_approval(tx, tenant_id=call.tenant_id, approval_id=approval_id)
    inbox = await find_inbox(tx, tenant_id=call.tenant_id, inbox_id=found.inbox_id)
    if not may_act_for(call.caller, inbox):
        raise NotFound("an approval of somebody else's inbox")
    return found


async def version(tx: Tx, call: Call) -> str:
    """Return what the approval's tag is made of: its letter never changes."""
    found = await locate(tx, call)
    return f"{found.approval_id.hex()} {found.status_at(call.now)}"

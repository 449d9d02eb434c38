"""Taking a letter back before it leaves, and trying again one that failed."""

from __future__ import annotations

from starlette.responses import Response

from admin_api.access.policy import not_author
from admin_api.call.call import Call, acting_view
from admin_api.drafts.drafts import writer_of
from admin_api.drafts.records import draft_record
from admin_api.http.records import Record
from admin_api.http.responses import answer
from admin_api.mailbox import messages
from admin_api.mailbox.messages import Entire
from admin_api.outbound.letter_plan import smarthost_of
from admin_api.outbound.letters import unconfigured
from storage.clock import SECOND
from storage.database import Tx
from storage.drafts import approvals, drafts, uploads
from storage.ids import from_text
from storage.mailbox.visibility import View
from storage.outbound import letters
from storage.outbound.letters import Letter


async def locate(tx: Tx, call: Call) -> Letter:
    """Return the letter in the path. Raises NotFound."""
    copy = await messages.locate(tx, call)
    return await letters.find_letter(tx, tenant_id=call.tenant_id, message_id=copy.message_id)


async def _own(tx: Tx, call: Call) -> tuple[View, Letter]:
    """Return the acting inbox's view, and the letter in the path, if that inbox wrote it.

    Raises NotFound for what that inbox does not see, Problem 403 `not_author`.
    """
    view = await acting_view(tx, call)
    letter = await locate(tx, call)
    if letter.inbox_id != view.inbox_id:
        raise not_author()
    return view, letter


async def cancel_letter(call: Call) -> Response:
    """POST /v1/messages/{message_id}/cancel/: its text becomes a draft of its thread."""

    async def work(tx: Tx) -> Record:
        view, letter = await _own(tx, call)
        key = {"tenant_id": call.tenant_id, "message_id": letter.message_id}
        await letters.cancel(tx, **key, inbox_id=view.inbox_id, now=call.now)
        # Otherwise a person would approve a letter that is a draft again.
        await approvals.withdraw(tx, **key, now=call.now)
        await uploads.release_uploads(tx, **key, now=call.now)
        answered = letter.call.get("reply_to_message_id")
        draft = await drafts.create_draft(
            tx,
            view=view,
            writer=writer_of(call, view.inbox_id),
            thread_id=letter.thread_id,
            about_message_id=from_text("msg", str(answered)) if answered else None,
            letter=letter.call,
        )
        named = letter.call.get("attachments")
        ids = [
            from_text("upl", one["upload_id"]) or b""
            for one in (named if isinstance(named, list) else ())
        ]
        present = await uploads.present_uploads(
            tx, tenant_id=call.tenant_id, upload_ids=ids, now=call.now
        )
        return draft_record(draft, [present[one] for one in ids if one in present], view.inbox_id)

    return answer(await call.database.write(work))


async def retry_letter(call: Call) -> Response:
    """POST /v1/messages/{message_id}/retry/: the same octets, to whom it failed; by its author.

    It goes out in the author's name, and past the limits of anybody else's token.
    """
    settings = call.service.settings

    async def work(tx: Tx) -> Entire:
        _, letter = await _own(tx, call)
        if await smarthost_of(tx, call, letter.domain) is None:
            raise unconfigured()
        await letters.retry(
            tx,
            tenant_id=call.tenant_id,
            message_id=letter.message_id,
            expires_at=call.now + int(settings.send_expire * SECOND),
            now=call.now,
        )
        return await messages.entire(tx, call, await messages.locate(tx, call))

    found = await call.database.write(work)
    call.service.sending.wake()
    return await messages.whole_message(call, found)

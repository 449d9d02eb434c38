"""Handing a thread over: the assignment and a note that mentions its receiver, as one act."""

from __future__ import annotations

from starlette.responses import Response

from admin_api.answers import answer
from admin_api.call import Call, acting_view
from admin_api.notes import Text
from admin_api.payload import Payload, Reference
from admin_api.records import Record, note_record
from admin_api.threads import locate, thread_id_of
from storage import assignment, notes
from storage.database import Tx
from storage.teammates import find_teammates


class HandoffIn(Payload):
    """Who gets the thread, and a note for them and for who sees the thread."""

    to: Reference
    note: Text | None = None


async def hand_off_thread(call: Call) -> Response:
    """POST /v1/messages/threads/{thread_id}/handoff/: one transaction, one task."""
    payload = call.payload(HandoffIn)

    async def work(tx: Tx) -> Record:
        await locate(tx, call)
        view, thread_id = await acting_view(tx, call), thread_id_of(call)
        named = [("to", payload.to)]
        (receiver,) = await find_teammates(tx, tenant_id=call.tenant_id, named=named)
        note = None
        if payload.note is not None:
            note = await notes.add_note(
                tx,
                view=view,
                thread_id=thread_id,
                body=payload.note,
                mentions=[receiver],
                user_id=call.user_id,
                with_tasks=False,
            )
        await assignment.assign_thread(
            tx,
            view=view,
            thread_id=thread_id,
            to_inbox_id=receiver.inbox_id,
            text=None,
            note_id=None if note is None else note.note_id,
            user_id=call.user_id,
        )
        return {"assigned": True, "to": receiver.address, "note": note and note_record(note)}

    return answer(await call.database.write(work))

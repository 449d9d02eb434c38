"""Assignment of a thread to a teammate."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from admin_api.call.audit_trail import note
from admin_api.call.call import Call, acting_view
from admin_api.call.references import Teammate, teammate
from admin_api.http.payload import Payload
from admin_api.http.responses import answer, no_content
from admin_api.teamwork.threads import locate, thread_in_path
from storage.database import Tx
from storage.ids import to_text
from storage.teamwork import assignment


class AssignmentIn(Payload):
    """The teammate to assign the thread to, and a text for their task."""

    to: Teammate
    note: Annotated[str, Field(max_length=10_000)] | None = None


async def assign_thread(call: Call) -> Response:
    """POST /v1/messages/threads/{thread_id}/assign/."""
    payload = call.payload(AssignmentIn)

    async def work(tx: Tx) -> str:
        await locate(tx, call)
        receiver = await teammate(tx, call, "to", payload.to)
        done = await assignment.assign_thread(
            tx,
            view=await acting_view(tx, call),
            thread_id=await thread_in_path(tx, call),
            to_inbox_id=receiver.inbox_id,
            text=payload.note or None,
            user_id=call.user_id,
        )
        if done:
            to = to_text("inb", receiver.inbox_id)
            await note(tx, call, "thread.assigned", await thread_in_path(tx, call), to_inbox_id=to)
        return receiver.address

    return answer({"assigned": True, "to": await call.database.write(work)})


async def unassign_thread(call: Call) -> Response:
    """DELETE /v1/messages/threads/{thread_id}/assign/: 204 also when it was assigned to nobody."""

    async def work(tx: Tx) -> None:
        view, thread_id = await acting_view(tx, call), await thread_in_path(tx, call)
        done = await assignment.unassign_thread(
            tx, view=view, thread_id=thread_id, user_id=call.user_id
        )
        if done:
            await note(tx, call, "thread.unassigned", thread_id)

    await call.database.write(work)
    return no_content()

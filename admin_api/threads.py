"""Threads, as the acting inbox sees them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import Response

from admin_api.answers import answer
from admin_api.call import Call, acting_inbox, acting_view
from admin_api.paging import WHOLE, cursor_of, position_of
from admin_api.payload import Limit, Parameters, Payload, Reference
from admin_api.records import Record, history_record, message_item, thread_record
from storage import access, history, threads
from storage.database import Tx
from storage.errors import FieldFault, Invalid
from storage.history import Entry
from storage.ids import from_text
from storage.mailbox import Copy
from storage.query import parse_query
from storage.teammates import find_teammates
from storage.thread_list import Filter, ThreadPage, list_threads
from storage.threads import Status, Thread


class Listing(Parameters):
    """Which threads; without any condition all of them."""

    assigned_to: Reference | None = None
    status: Status | None = None
    list_id: Reference | None = None
    q: Annotated[str, Field(max_length=1_000)] | None = None
    limit: Limit = 50
    cursor: str | None = None


class ThreadChange(Payload):
    """What of a thread can change."""

    status: Literal["open", "closed"]


async def show_threads(call: Call) -> Response:
    """GET /v1/messages/threads/: newest first by the newest message seen."""
    wanted = call.parameters(Listing)
    before = position_of(wanted.cursor)

    async def work(tx: Tx) -> ThreadPage:
        view = await acting_view(tx, call)
        chosen = await _filter(tx, call, wanted)
        return await list_threads(tx, view=view, wanted=chosen, before=before, limit=wanted.limit)

    page = await call.database.read(work)
    cursor = None if page.before is None else cursor_of(page.before)
    return answer({"results": [thread_record(one) for one in page.threads], "cursor": cursor})


async def _filter(tx: Tx, call: Call, wanted: Listing) -> Filter:
    list_id = None
    if wanted.list_id is not None:
        list_id = from_text("lst", wanted.list_id)
        if list_id is None:
            raise Invalid(FieldFault("list_id", "is no id of a list"))
    return Filter(
        status=wanted.status,
        assignee=await _assignee(tx, call, wanted.assigned_to),
        unassigned=wanted.assigned_to == "none",
        list_id=list_id,
        query=None if wanted.q is None or not wanted.q.strip() else parse_query(wanted.q),
    )


async def _assignee(tx: Tx, call: Call, named: str | None) -> bytes | None:
    if named is None or named == "none":
        return None
    if named == "me":
        return await acting_inbox(tx, call)
    fields = [("assigned_to", named)]
    (found,) = await find_teammates(tx, tenant_id=call.tenant_id, named=fields)
    return found.inbox_id


async def show_thread(call: Call) -> Response:
    """GET /v1/messages/threads/{thread_id}/: with its newest 1,000 messages, oldest first."""

    async def work(tx: Tx) -> tuple[Thread, list[Copy]]:
        view = await acting_view(tx, call)
        thread = await threads.find_thread(tx, view=view, thread_id=thread_id_of(call))
        messages = await access.thread_messages(
            tx, view=view, thread_id=thread.thread_id, limit=WHOLE
        )
        return thread, messages

    return answer(_whole(*await call.database.read(work)))


def _whole(thread: Thread, messages: list[Copy]) -> Record:
    return thread_record(thread) | {"messages": [message_item(copy) for copy in messages]}


async def change_thread(call: Call) -> Response:
    """PATCH /v1/messages/threads/{thread_id}/."""
    payload = call.payload(ThreadChange)

    async def work(tx: Tx) -> tuple[Thread, list[Copy]]:
        view, thread_id = await acting_view(tx, call), thread_id_of(call)
        await threads.set_status(
            tx, view=view, thread_id=thread_id, status=payload.status, user_id=call.user_id
        )
        messages = await access.thread_messages(tx, view=view, thread_id=thread_id, limit=WHOLE)
        return await threads.find_thread(tx, view=view, thread_id=thread_id), messages

    return answer(_whole(*await call.database.write(work)))


async def show_history(call: Call) -> Response:
    """GET /v1/messages/threads/{thread_id}/history/: the newest 1,000 acts, oldest first."""

    async def work(tx: Tx) -> list[Entry]:
        await locate(tx, call)
        view = await acting_view(tx, call)
        return await history.thread_history(
            tx, view=view, thread_id=thread_id_of(call), limit=WHOLE
        )

    return answer([history_record(entry) for entry in await call.database.read(work)])


def thread_id_of(call: Call) -> bytes:
    """The thread's id in the path. Raises NotFound when it is none."""
    return call.path_id("thr", "thread_id")


async def locate(tx: Tx, call: Call) -> None:
    """Raises NotFound when the acting inbox sees no message of the thread that the path names."""
    view = await acting_view(tx, call)
    await access.require_thread(tx, view=view, thread_id=thread_id_of(call))


async def thread_in_body(tx: Tx, call: Call, *, named: str) -> bytes:
    """The thread that the body's `thread_id` refers to.

    Raises Invalid on that field: unknown, another tenant's and not visible look alike.
    """
    thread_id = from_text("thr", named)
    if thread_id is not None:
        view = await acting_view(tx, call)
        if await access.sees_thread(tx, view=view, thread_id=thread_id):
            return thread_id
    raise Invalid(FieldFault("thread_id", "names no thread that this inbox sees"))

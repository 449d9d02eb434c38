"""Threads, as the acting inbox sees them."""

from __future__ import annotations

from typing import Annotated, Literal

from starlette.responses import Response

from admin_api.call.call import Call, acting_inbox, acting_view
from admin_api.call.paging import WHOLE, Cursor, cursor_of, position_of
from admin_api.call.references import KnownList, Reference, known_list, teammate
from admin_api.http.payload import Limit, Parameters, Payload, ReferenceText
from admin_api.http.records import Record
from admin_api.http.responses import answer
from admin_api.http.shapes import fields_of
from admin_api.mailbox.filters import Query
from admin_api.mailbox.records import message_item
from admin_api.teamwork.records import history_record, thread_record
from admin_api.teamwork.shapes import WholeThread
from storage.database import Tx
from storage.delivery.thread_merge import current_thread
from storage.index.query import parse_query
from storage.mailbox import visibility
from storage.mailbox.copies import Copy
from storage.teamwork import thread_history, threads
from storage.teamwork.thread_history import Entry
from storage.teamwork.thread_list import Filter, ThreadPage, list_threads
from storage.teamwork.threads import Status, Thread


async def assignee(tx: Tx, call: Call, field: str, name: str) -> bytes | None:
    """The assignee to list threads of: `me`, `none`, or a teammate's address."""
    if name == "none":
        return None
    if name == "me":
        return await acting_inbox(tx, call)
    return (await teammate(tx, call, field, name)).inbox_id


Assignee = Annotated[ReferenceText, Reference(assignee)]


class Listing(Parameters):
    """The threads to list; without any condition all of them."""

    assigned_to: Assignee | None = None
    status: Status | None = None
    list_id: KnownList | None = None
    q: Query | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class ThreadChange(Payload):
    """The changeable fields of a thread."""

    fixed = fields_of(WholeThread)

    status: Literal["open", "closed"]


async def show_threads(call: Call) -> Response:
    """GET /v1/messages/threads/: newest first by the newest visible message."""
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
    named, listed = wanted.assigned_to, wanted.list_id
    return Filter(
        status=wanted.status,
        assignee=None if named is None else await assignee(tx, call, "assigned_to", named),
        unassigned=named == "none",
        list_id=None if listed is None else await known_list(tx, call, "list_id", listed),
        query=None if wanted.q is None or not wanted.q.strip() else parse_query(wanted.q),
    )


async def show_thread(call: Call) -> Response:
    """GET /v1/messages/threads/{thread_id}/: with its newest 1,000 messages, oldest first."""

    async def work(tx: Tx) -> tuple[Thread, list[Copy]]:
        view = await acting_view(tx, call)
        thread = await threads.find_thread(tx, view=view, thread_id=await thread_in_path(tx, call))
        messages = await visibility.thread_messages(
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
        view, thread_id = await acting_view(tx, call), await thread_in_path(tx, call)
        await threads.set_status(
            tx, view=view, thread_id=thread_id, status=payload.status, user_id=call.user_id
        )
        messages = await visibility.thread_messages(tx, view=view, thread_id=thread_id, limit=WHOLE)
        return await threads.find_thread(tx, view=view, thread_id=thread_id), messages

    return answer(_whole(*await call.database.write(work)))


async def show_history(call: Call) -> Response:
    """GET /v1/messages/threads/{thread_id}/history/: the newest 1,000 acts, oldest first."""

    async def work(tx: Tx) -> list[Entry]:
        await locate(tx, call)
        view = await acting_view(tx, call)
        return await thread_history.thread_history(
            tx, view=view, thread_id=await thread_in_path(tx, call), limit=WHOLE
        )

    return answer([history_record(entry) for entry in await call.database.read(work)])


async def thread_in_path(tx: Tx, call: Call) -> bytes:
    """Return the thread in the path, which may be named as one that was joined to it.

    Raises NotFound when the id is malformed.
    """
    named = call.path_id("thr", "thread_id")
    return await current_thread(tx, tenant_id=call.tenant_id, thread_id=named)


async def locate(tx: Tx, call: Call) -> None:
    """Raises NotFound when the acting inbox sees no message of the thread in the path."""
    view = await acting_view(tx, call)
    await visibility.require_thread(tx, view=view, thread_id=await thread_in_path(tx, call))

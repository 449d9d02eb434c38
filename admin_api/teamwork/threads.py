"""Threads, as the acting inbox sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from starlette.responses import Response

from admin_api.call.call import Call, acting_inbox, acting_view
from admin_api.call.paging import WHOLE, Cursor, cursor_of, position_of
from admin_api.call.references import KnownList, Reference, known_list, teammate
from admin_api.http.payload import Limit, Parameters, Payload, ReferenceText, Truth
from admin_api.http.records import Record
from admin_api.http.responses import answer
from admin_api.http.shapes import fields_of
from admin_api.mailbox.filters import AnyFolder, Query
from admin_api.mailbox.records import message_item
from admin_api.teamwork.records import history_record, thread_record
from admin_api.teamwork.shapes import WholeThread
from storage.database import Tx
from storage.delivery.thread_merge import current_thread
from storage.index.query import Mark, parse_query
from storage.index.query import Query as Asked
from storage.mailbox import visibility
from storage.mailbox.copies import Copy
from storage.mailbox.copy_conditions import assignees_of
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
    """The threads to list; without any condition all of them.

    `folder`, `unread` and `flagged` are of one and the same copy; `unread=false` and
    `flagged=false` are of all copies.
    """

    assigned_to: Assignee | None = None
    status: Status | None = None
    list_id: KnownList | None = None
    folder: AnyFolder | None = None
    unread: Truth | None = None
    flagged: Truth | None = None
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
    query = _query(wanted)
    found = Filter(
        status=wanted.status,
        assignee=None if named is None else await assignee(tx, call, "assigned_to", named),
        unassigned=named == "none",
        list_id=None if listed is None else await known_list(tx, call, "list_id", listed),
        all_read=wanted.unread is False,
        unflagged=wanted.flagged is False,
    )
    return await _apart(tx, call, found, query)


def _query(wanted: Listing) -> Asked:
    """The conditions on messages, of `q` and of the parameters beside it."""
    query = parse_query(wanted.q or "")
    marks: set[Mark] = {*query.marks}
    marks |= {"unread"} if wanted.unread else set()
    marks |= {"flagged"} if wanted.flagged else set()
    folders = query.folders | ({wanted.folder} if wanted.folder else set())
    return replace(query, marks=frozenset(marks), folders=frozenset(folders))


async def _apart(tx: Tx, call: Call, found: Filter, query: Asked) -> Filter:
    """Take the conditions on the thread out of the query: threads are found by them directly."""
    if len(query.statuses) == 1 and found.status is None:
        (status,) = query.statuses
        found, query = replace(found, status=status), replace(query, statuses=frozenset())
    if query.assigned and found.assignee is None and not found.unassigned:
        inbox_id = await acting_inbox(tx, call)
        named = await assignees_of(tx, tenant_id=call.tenant_id, inbox_id=inbox_id, query=query)
        if len(named) == 1:
            (one,) = named
            found = replace(found, assignee=one, unassigned=one is None)
            query = replace(query, assigned=frozenset())
    return replace(found, query=None if query == Asked() else query)


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

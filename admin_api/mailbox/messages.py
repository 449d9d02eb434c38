"""Messages, as the acting inbox has them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated, NamedTuple

from pydantic import ConfigDict, Field, model_validator
from starlette.responses import Response, StreamingResponse

from admin_api.call.call import Call, acting_inbox, acting_view
from admin_api.call.paging import cursor_answer, position_of
from admin_api.call.references import Reference, visible_message
from admin_api.http.payload import Parameters, Payload, Truth
from admin_api.http.records import Record
from admin_api.http.responses import answer, no_content
from admin_api.http.shapes import fields_of
from admin_api.mailbox import authentication_results
from admin_api.mailbox.filters import Folder, Listing
from admin_api.mailbox.header_fields import head_of, header_fields
from admin_api.mailbox.records import delivery_record, message_item, message_record
from admin_api.mailbox.shapes import MessageRecord
from storage.authentication.results import StoredCheck, find_check
from storage.content.message_bytes import Content, find_content
from storage.database import Tx
from storage.errors import FieldFault, Invalid
from storage.events.record import record_event
from storage.ids import from_text, to_text
from storage.mailbox import copies, deletion, visibility
from storage.mailbox.copies import Copy, no_copy, require_held, trace_fields
from storage.mailbox.message_text import MessageOutline, find_outline, read_letter
from storage.mailbox.search import search_messages
from storage.mailbox.visibility import View
from storage.outbound.letters import letters_of


class CopyChange(Payload):
    """The changeable fields of a copy; a field left out stays as it is."""

    fixed = fields_of(MessageRecord)

    is_read: bool = False
    is_flagged: bool = False
    folder: Folder = "inbox"


class SharedChange(CopyChange):
    """The values to set on many copies: at least one field."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="after")
    def _says_something(self) -> SharedChange:
        if not self.model_fields_set:
            raise ValueError("must name at least one field")
        return self


NamedMessage = Annotated[str, Reference(visible_message)]


class CopiesChange(Payload):
    """The copies to change, and how; a repeated id counts once."""

    message_ids: Annotated[list[NamedMessage], Field(min_length=1, max_length=500)]
    set: SharedChange


async def list_messages(call: Call) -> Response:
    """GET /v1/messages/: newest first."""
    wanted = call.parameters(Listing)
    before = position_of(wanted.cursor)

    async def work(tx: Tx) -> list[Copy]:
        inbox_id = await acting_inbox(tx, call)
        # The usual list is one range of an index, and needs no search.
        if wanted.is_plain:
            return await copies.list_copies(
                tx,
                tenant_id=call.tenant_id,
                inbox_id=inbox_id,
                folder=wanted.folder,
                is_read=None if wanted.unread is None else not wanted.unread,
                before=before,
                limit=wanted.limit + 1,
            )
        found = await search_messages(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=inbox_id,
            wanted=await wanted.filters(tx, call),
            before=before,
            limit=wanted.limit + 1,
            now=call.now,
        )
        return await copies.copies_by_id(
            tx, tenant_id=call.tenant_id, inbox_id=inbox_id, message_ids=found
        )

    found = await call.database.read(work)
    return cursor_answer(found, wanted.limit, message_item, lambda copy: copy.message_id)


async def show_message(call: Call) -> Response:
    """GET /v1/messages/{message_id}/."""
    return await whole_message(call, await call.database.read(lambda tx: _entire(tx, call)))


class Raw(Parameters):
    """The parameters of a message's bytes."""

    authentication: Truth = False


async def show_raw(call: Call) -> Response:
    """GET /v1/messages/{message_id}/raw/: this copy's trace fields, then the bytes as they came.

    With `authentication=true` the results of our check stand before all.
    """
    with_results = call.parameters(Raw).authentication
    copy, content, check = await call.database.read(lambda tx: _with_content(tx, call))
    trace = trace_fields(copy)
    if with_results:
        record = None if check is None else check.record
        trace = authentication_results.field(record, call.service.settings.hostname) + trace
    chunks = call.service.content.chunks(content)
    first = await anext(chunks, b"")  # a damaged content fails before the response begins

    async def stream() -> AsyncIterator[bytes]:
        async with aclosing(chunks):
            yield trace + first
            async for chunk in chunks:
                yield chunk

    name = to_text("msg", copy.message_id)
    return StreamingResponse(
        stream(),
        media_type="message/rfc822",
        headers={
            "Content-Length": str(len(trace) + content.size),
            "Content-Disposition": f'attachment; filename="{name}.eml"',
        },
    )


async def change_message(call: Call) -> Response:
    """PATCH /v1/messages/{message_id}/."""
    payload = call.payload(CopyChange)
    change = payload.model_dump(exclude_unset=True)

    async def work(tx: Tx) -> Entire:
        copy = await locate(tx, call)
        # Seen by a grant, it has no copy of this inbox whose marks could change.
        require_held(copy)
        view = await acting_view(tx, call)
        changed, is_other = await copies.update_copy(
            tx,
            tenant_id=view.tenant_id,
            inbox_id=view.inbox_id,
            message_id=copy.message_id,
            now=call.now,
            **change,
        )
        await _record_change(tx, view, [copy.message_id] if is_other else [])
        return await entire(tx, call, changed)

    return await whole_message(call, await call.database.write(work))


async def change_messages(call: Call) -> Response:
    """PATCH /v1/messages/: all of them or none, in the order in which they were named."""
    payload = call.payload(CopiesChange)
    change = payload.set.model_dump(exclude_unset=True)

    async def work(tx: Tx) -> list[Copy]:
        view = await acting_view(tx, call)
        chosen = await _held(tx, view, payload.message_ids)
        others = await copies.update_copies(
            tx,
            tenant_id=view.tenant_id,
            inbox_id=view.inbox_id,
            message_ids=chosen,
            now=call.now,
            **change,
        )
        await _record_change(tx, view, others)
        changed = await copies.copies_by_id(
            tx, tenant_id=view.tenant_id, inbox_id=view.inbox_id, message_ids=chosen
        )
        by_id = {copy.message_id: copy for copy in changed}
        return [by_id[message_id] for message_id in chosen]

    changed = await call.database.write(work)
    return answer({"results": [message_item(copy) for copy in changed]})


async def _record_change(tx: Tx, view: View, message_ids: Sequence[bytes]) -> None:
    """Record one event for all copies that a call changed, if it changed any."""
    if message_ids:
        await record_event(
            tx,
            "message.changed",
            tenant_id=view.tenant_id,
            inbox_id=view.inbox_id,
            message_ids=message_ids,
            now=view.now,
        )


async def _held(tx: Tx, view: View, named: Sequence[str]) -> list[bytes]:
    """Return the messages in the body, each once. Raises Conflict `no_copy`.

    Raises Invalid: malformed, unknown, another tenant's and invisible ids get the same fault.
    """
    given = [from_text("msg", text) for text in named]
    chosen = [*dict.fromkeys(one for one in given if one is not None)]
    # Held copies first, in one query; only the rest needs the costlier question who may see it.
    held = await copies.held_of(
        tx, tenant_id=view.tenant_id, inbox_id=view.inbox_id, message_ids=chosen
    )
    without = [one for one in chosen if one not in held]
    opened = await visibility.seen_of(tx, view=view, message_ids=without)
    faults = [
        FieldFault(f"message_ids[{place}]", "is not a message that this inbox sees")
        for place, one in enumerate(given)
        if one not in held and one not in opened
    ]
    if faults:
        raise Invalid(*faults)
    if opened:
        raise no_copy()
    return chosen


async def delete_message(call: Call) -> Response:
    """DELETE /v1/messages/{message_id}/: to trash; from trash, permanently."""

    async def work(tx: Tx) -> str | None:
        copy = await locate(tx, call)
        require_held(copy)
        view = await acting_view(tx, call)
        await _record_change(tx, view, [copy.message_id])
        return await deletion.discard_copy(
            tx,
            tenant_id=view.tenant_id,
            inbox_id=view.inbox_id,
            message_id=copy.message_id,
            now=call.now,
        )

    # The file goes after the commit: a rollback must find its content again.
    file = await call.database.write(work)
    if file is not None:
        await call.service.content.remove(file)
    return no_content()


async def locate(tx: Tx, call: Call) -> Copy:
    """Return the message in the path, as the acting inbox has it. Raises NotFound."""
    view = await acting_view(tx, call)
    return await visibility.find_message(
        tx, view=view, message_id=call.path_id("msg", "message_id")
    )


async def _with_content(tx: Tx, call: Call) -> tuple[Copy, Content, StoredCheck | None]:
    copy = await locate(tx, call)
    key = {"tenant_id": call.tenant_id, "message_id": copy.message_id}
    return copy, await find_content(tx, **key), await find_check(tx, **key)


class Entire(NamedTuple):
    """All stored parts of a message, as one inbox has it."""

    copy: Copy
    content: Content
    outline: MessageOutline
    check: StoredCheck | None
    delivery: Record | None


async def _entire(tx: Tx, call: Call) -> Entire:
    return await entire(tx, call, await locate(tx, call))


async def entire(tx: Tx, call: Call, copy: Copy) -> Entire:
    """Load the rest of a message that this call may see."""
    key = {"tenant_id": call.tenant_id, "message_id": copy.message_id}
    letters = await letters_of(tx, tenant_id=call.tenant_id, message_ids=[copy.message_id])
    letter = letters.get(copy.message_id)
    return Entire(
        copy,
        await find_content(tx, **key),
        await find_outline(tx, **key),
        await find_check(tx, **key),
        delivery_record(letter, await acting_inbox(tx, call)) if letter else None,
    )


async def whole_message(call: Call, found: Entire) -> Response:
    """Answer with a single message."""
    return answer(await whole_record(call, found))


async def whole_record(call: Call, found: Entire) -> Record:
    """Build the record of a single message: its stored fields, and those read from its bytes."""
    contents = call.service.content
    async with aclosing(contents.chunks(found.content)) as chunks:
        head = await head_of(chunks)
    letter = await read_letter(contents, found.content, found.outline)
    believed = found.check is not None and found.check.record["source"] == "relay"
    headers = header_fields(head, hostname=call.service.settings.hostname, believed=believed)
    return message_record(found.copy, headers, letter, found.check, found.delivery)

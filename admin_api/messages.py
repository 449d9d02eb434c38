"""Messages, as the acting inbox has them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Literal

from starlette.responses import Response, StreamingResponse

from admin_api.answers import answer, no_content
from admin_api.call import Call, acting_inbox, acting_view
from admin_api.headers import head_of, header_fields
from admin_api.payload import Limit, Parameters, Payload, Truth
from admin_api.records import message_item, message_record
from storage import access, mailbox
from storage.content import Content, find_content
from storage.database import Tx
from storage.errors import FieldFault, Invalid
from storage.ids import to_text
from storage.mailbox import Copy, require_held, trace_fields

Folder = Literal["inbox", "archive", "junk", "trash"]


class Listing(Parameters):
    """Which messages; without `folder` those in the inbox."""

    folder: Folder = "inbox"
    unread: Truth | None = None
    limit: Limit = 50
    cursor: str | None = None


class CopyChange(Payload):
    """What of a copy can change; a field left out stays as it is."""

    is_read: bool = False
    is_flagged: bool = False
    folder: Folder = "inbox"


async def list_messages(call: Call) -> Response:
    """GET /v1/messages/: newest first."""
    wanted = call.parameters(Listing)

    async def work(tx: Tx) -> list[Copy]:
        inbox_id = await acting_inbox(tx, call)
        return await mailbox.list_copies(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=inbox_id,
            folder=wanted.folder,
            is_read=None if wanted.unread is None else not wanted.unread,
            before=None if wanted.cursor is None else _position(wanted.cursor),
            limit=wanted.limit + 1,
        )

    found = await call.database.read(work)
    shown = found[: wanted.limit]
    cursor = _cursor(shown[-1].message_id) if len(found) > len(shown) else None
    return answer({"results": [message_item(copy) for copy in shown], "cursor": cursor})


def _cursor(message_id: bytes) -> str:
    return base64.urlsafe_b64encode(message_id).decode().rstrip("=")


def _position(cursor: str) -> bytes:
    """Raises Invalid on `cursor`."""
    try:
        position = base64.b64decode(cursor + "==", altchars=b"-_", validate=True)
    except ValueError:
        position = b""
    if len(position) != 16:
        raise Invalid(FieldFault("cursor", "is none that was given here"))
    return position


async def show_message(call: Call) -> Response:
    """GET /v1/messages/{message_id}/."""
    return await _whole(call, *await call.database.read(lambda tx: _with_content(tx, call)))


async def show_raw(call: Call) -> Response:
    """GET /v1/messages/{message_id}/raw/: the trace of this copy, then the bytes as they came."""
    copy, content = await call.database.read(lambda tx: _with_content(tx, call))
    trace = trace_fields(copy)
    chunks = call.service.content.chunks(content)
    first = await anext(chunks, b"")  # a damaged content is told before the answer begins

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

    async def work(tx: Tx) -> tuple[Copy, Content]:
        copy = await locate(tx, call)
        require_held(copy)
        changed = await mailbox.update_copy(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=await acting_inbox(tx, call),
            message_id=copy.message_id,
            **change,
        )
        return changed, await _content(tx, call, copy)

    return await _whole(call, *await call.database.write(work))


async def delete_message(call: Call) -> Response:
    """DELETE /v1/messages/{message_id}/: to trash, and from trash for good."""

    async def work(tx: Tx) -> str | None:
        copy = await locate(tx, call)
        require_held(copy)
        return await mailbox.discard_copy(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=await acting_inbox(tx, call),
            message_id=copy.message_id,
        )

    file = await call.database.write(work)
    if file is not None:
        await call.service.content.remove(file)
    return no_content()


async def locate(tx: Tx, call: Call) -> Copy:
    """The message that the path names, as the acting inbox has it. Raises NotFound."""
    view = await acting_view(tx, call)
    return await access.find_message(tx, view=view, message_id=call.path_id("msg", "message_id"))


async def _with_content(tx: Tx, call: Call) -> tuple[Copy, Content]:
    copy = await locate(tx, call)
    return copy, await _content(tx, call, copy)


async def _content(tx: Tx, call: Call, copy: Copy) -> Content:
    return await find_content(tx, tenant_id=call.tenant_id, message_id=copy.message_id)


async def _whole(call: Call, copy: Copy, content: Content) -> Response:
    async with aclosing(call.service.content.chunks(content)) as chunks:
        head = await head_of(chunks)
    return answer(message_record(copy, header_fields(head)))

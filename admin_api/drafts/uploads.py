"""Uploads: files for letters, each sent by itself as octets.

- A file is spooled as it comes, never whole in memory, and stored where large contents are. It is
  on stable storage before the transaction that names it.
- Four of an inbox come in at a time. Room is asked for before a file is read, by its declared size,
  and again with its true one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

from pydantic import AfterValidator, Field
from starlette.responses import Response

from admin_api.call.call import Call, acting_inbox
from admin_api.drafts.records import upload_record
from admin_api.http.body import declared_size, media_type_of
from admin_api.http.payload import Parameters
from admin_api.http.problems import Problem
from admin_api.http.responses import answer
from admin_api.http.texts import not_blank, one_line
from storage.content.message_bytes import Content, ContentDamaged
from storage.content.places import require_stored
from storage.database import Tx
from storage.drafts import uploads
from storage.drafts.uploads import Upload
from storage.errors import OutcomeUnknown, StoreUnavailable

MOST_OCTETS = 25 << 20

_RUNNING_SECONDS = 5


def _file_name(name: str) -> str:
    # Some mail programs would write outside of the directory for such a name.
    if "/" in name or "\\" in name or name in (".", ".."):
        raise ValueError("must be the name of a file, without a path")
    if len(name.encode("utf-8", "replace")) > uploads.LONGEST_NAME:
        raise ValueError(f"must have {uploads.LONGEST_NAME} octets at most")
    return name


FileName = Annotated[
    str,
    Field(max_length=uploads.LONGEST_NAME),
    AfterValidator(one_line),
    AfterValidator(not_blank),
    AfterValidator(_file_name),
]


class FileIn(Parameters):
    """The name that the file has in the letter."""

    filename: FileName


@contextlib.asynccontextmanager
async def admit_upload(call: Call) -> AsyncIterator[None]:
    """Four at a time for an inbox. Raises Problem 429 `upload_running`, Conflict `uploads_full`."""

    async def work(tx: Tx) -> bytes:
        inbox_id = await acting_inbox(tx, call)
        size = declared_size(call.request)
        key = {"tenant_id": call.tenant_id, "inbox_id": inbox_id}
        await uploads.require_room(tx, **key, size=size, now=call.now)
        return inbox_id

    inbox_id = await call.database.read(work)
    if not call.service.uploads.take(inbox_id):
        raise Problem(
            429,
            "upload_running",
            "As many files of this inbox as may are being uploaded.",
            headers={"Retry-After": str(_RUNNING_SECONDS)},
        )
    try:
        yield
    finally:
        call.service.uploads.give_back(inbox_id)


async def create_upload(call: Call) -> Response:
    """POST /v1/uploads/: the body is the file; it can be attached for 24 hours."""
    received, wanted = call.received, call.parameters(FileIn)
    assert received is not None, "the route takes a file"
    content = await call.service.content.keep(
        received.spool, Content(received.sha256, received.size, None, None), now=call.now
    )

    async def work(tx: Tx) -> Upload:
        await require_content(tx, call, content)
        return await uploads.add_upload(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=await acting_inbox(tx, call),
            filename=wanted.filename,
            content_type=_attachable(media_type_of(call.request)),
            content=content,
            now=call.now,
        )

    try:
        made = await call.database.write(work)
    except (OutcomeUnknown, asyncio.CancelledError):
        # A row may name it, as who goes away stops no commit; if none does, it is an orphan.
        received.kept = True
        raise
    received.kept = True
    return answer(upload_record(made), 201)


async def require_content(tx: Tx, call: Call, content: Content) -> None:
    """Raises StoreUnavailable when a content was removed as an orphan before a row named it."""
    try:
        await require_stored(tx, content)
        call.service.content.require_file(content)
    except ContentDamaged as error:
        raise StoreUnavailable("message content: it was removed before it was named") from error


def _attachable(media_type: str) -> str:
    """The type of the part. One of parts within parts may not be encoded (RFC 2045 6.4)."""
    kind = media_type.partition("/")[0].lower()
    return "application/octet-stream" if kind in ("multipart", "message") else media_type

"""Attachments: the files of a message, as downloads.

- A browser always saves them, never shows them: a stranger chose their content. A type that a
  browser would run or lay out is replaced.
- They are decoded from the stored bytes while they are sent; a file is never whole in memory.
- The name is in the header twice: in ASCII, and in full as RFC 8187 says.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from admin_api.call.call import Call
from admin_api.mailbox import messages
from storage.content.message_bytes import Content, find_content
from storage.database import Tx
from storage.mailbox import parsed
from storage.mailbox.message_text import decoded
from storage.mailbox.parsed import Attachment
from storage.message_format.file_types import NO_TYPE, ending_of
from storage.message_format.transfer_encoding import file_decoder

_ACTIVE = re.compile(
    r"text/(?!plain\b|csv\b|calendar\b).*|multipart/.*|message/(?!rfc822\b).*"
    r"|.*(?:html|xml|svg|script|pdf\+).*|application/x-shockwave-flash"
)
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 !#$&()+,.=@^_`{}~-]")


async def show_attachment(call: Call) -> Response:
    """GET /v1/messages/{message_id}/attachments/{attachment_id}/: the file."""
    found, content = await call.database.read(lambda tx: _with_content(tx, call))
    part = found.part
    chunks = call.service.content.chunks(content, part.start, part.end)
    first = await anext(chunks, b"")  # a damaged content fails before the response begins

    async def stream() -> AsyncIterator[bytes]:
        # A chunk of short lines takes a tenth of a second, in which the event loop must go on.
        decoding, octets = file_decoder(part), part.end - part.start
        async with aclosing(chunks):
            yield await decoded(partial(decoding.feed, first), octets)
            async for chunk in chunks:
                yield await decoded(partial(decoding.feed, chunk), octets)
            yield await decoded(decoding.finish, octets)

    return StreamingResponse(
        stream(),
        headers={
            "Content-Type": safe_type(part.content_type),
            "Content-Length": str(part.size),
            "Content-Disposition": disposition(part.filename or _name_for(part.content_type)),
            "X-Content-Type-Options": "nosniff",
            # For a browser that shows it all the same: nothing in it runs, on no origin of ours.
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )


async def locate(tx: Tx, call: Call) -> Attachment:
    """Return the attachment in the path, of a message that this call may see. Raises NotFound."""
    copy = await messages.locate(tx, call)
    return await parsed.find_attachment(
        tx,
        tenant_id=call.tenant_id,
        message_id=copy.message_id,
        attachment_id=call.path_id("att", "attachment_id"),
    )


async def _with_content(tx: Tx, call: Call) -> tuple[Attachment, Content]:
    found = await locate(tx, call)
    message_id = call.path_id("msg", "message_id")
    return found, await find_content(tx, tenant_id=call.tenant_id, message_id=message_id)


def safe_type(content_type: str) -> str:
    """Return the type from the message, unless a browser would do more with it than save it."""
    return NO_TYPE if _ACTIVE.fullmatch(content_type) else content_type


def _name_for(content_type: str) -> str:
    """Return a name for a file without one, with an ending that tells programs its type."""
    kind = safe_type(content_type)
    return "attachment" if kind == NO_TYPE else f"attachment{ending_of(kind)}"


def disposition(filename: str) -> str:
    """Build the Content-Disposition of a download."""
    plain = _NOT_PLAIN.sub("_", filename)
    full = quote(filename, safe="", errors="replace")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"

"""A message for reading: its text, its HTML, its files.

- Text is decoded from the stored bytes on demand, never parsed again. The parser chose at most a
  mebibyte of it to show.
- If there is only HTML, the text is the one that the parser made of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from storage.content.message_bytes import Content, ContentDirectory
from storage.database import Tx
from storage.mailbox.parsed import Attachment, Body, find_body, list_attachments
from storage.message_format.mime_parts import Slice
from storage.message_format.transfer_encoding import joined, read_text

T = TypeVar("T")
_LONG = 64 * 1024


@dataclass(frozen=True, slots=True)
class MessageText:
    """The readable text of a message. Text and HTML are None where there is none, or not yet.

    `text_from_html` says that the message has no text of its own.
    """

    reply_to: tuple[tuple[str, str], ...]
    text: str | None
    html: str | None
    text_from_html: bool
    attachments: tuple[Attachment, ...]


@dataclass(frozen=True, slots=True)
class MessageOutline:
    """The stored parts of a message; its text is still in the content."""

    body: Body
    attachments: tuple[Attachment, ...]


async def find_outline(tx: Tx, *, tenant_id: bytes, message_id: bytes) -> MessageOutline:
    """Raises NotFound."""
    body = await find_body(tx, tenant_id=tenant_id, message_id=message_id)
    found = await list_attachments(tx, tenant_id=tenant_id, message_id=message_id)
    return MessageOutline(body, tuple(found))


async def read_letter(
    contents: ContentDirectory, content: Content, outline: MessageOutline
) -> MessageText:
    """Return the outline with its text. Raises ContentDamaged, StoreUnavailable."""
    body = outline.body
    text = body.text
    if body.text_parts:
        text = joined([await _read(contents, content, part) for part in body.text_parts])
    return MessageText(body.reply_to, text, body.html, body.text_from_html, outline.attachments)


async def _read(contents: ContentDirectory, content: Content, part: Slice) -> str:
    async with aclosing(contents.chunks(content, part.start, part.end)) as chunks:
        octets = b"".join([chunk async for chunk in chunks])
    read = partial(read_text, octets, part.encoding, part.charset, part.flow)
    return await decoded(read, len(octets))


async def decoded(work: Callable[[], T], octets: int) -> T:
    """Return what the decoding of so many octets gives; of many, in a thread."""
    # More would stop the event loop; for less, a thread costs more than the decoding.
    return work() if octets < _LONG else await asyncio.to_thread(work)

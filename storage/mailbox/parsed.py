"""Parse results of a message: stored once, and read back.

- A result counts once: for a message that is no longer pending, or deleted, it is dropped.
- Text is not stored again: a text part is a place in the content, and decoding it takes time in
  proportion to its length. Sanitised HTML, and text made from HTML, are stored compressed: making
  them belongs in the parser's process. So a message crafted to be slow is slow once, there, and
  never for its reader.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from storage.database import Row, Tx
from storage.errors import NotFound
from storage.index.full_text import forget, index, scope_queries, scopes_in, scopes_of
from storage.mailbox.parse_queue import ParseClaim
from storage.message_format.mime_parts import Parsed, Part, Slice, Step
from storage.sql import in_list, padded

# Of a damaged or crafted row: compressed text can be a thousand times as long.
_MAX_INFLATED = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Attachment:
    """A stored attachment."""

    attachment_id: bytes
    part: Part


@dataclass(frozen=True, slots=True)
class Body:
    """The readable body: text parts by their places, or text and HTML as stored."""

    reply_to: tuple[tuple[str, str], ...]
    text_parts: tuple[Slice, ...]
    text: str | None
    html: str | None
    text_from_html: bool


async def record(tx: Tx, results: Sequence[tuple[ParseClaim, Parsed]]) -> None:
    """Store results; each message leaves the queue. However many, they are asked for once."""
    if not results:
        return
    ids = [claimed.message_id for claimed, _ in results]
    chosen, names = in_list(padded(ids))
    found, *scoped = await tx.fetch_each([(_STATUS.format(chosen), names), *scope_queries(ids)])
    # A lease may have expired meanwhile: then another process was first, and its result counts.
    left = {bytes(row["message_id"]) for row in found if row["parse_status"] == "pending"}
    kept = [(one.message_id, result) for one, result in results if one.message_id in left]
    attempts = [{"message_id": message_id} for message_id in ids]
    await tx.execute_many(_FINISH, [_finished(*one) for one in kept])
    await _keep_parts(tx, kept)
    await tx.execute_many("DELETE FROM parse_attempts WHERE message_id = :message_id", attempts)
    scopes = scopes_in(scoped, [one for one, result in kept if result.has_files])
    await index(tx, [(one, scopes[one], result.words) for one, result in kept])


# By its key alone: asked for those that are pending, PostgreSQL may read all that are.
_STATUS = "SELECT message_id, parse_status FROM messages WHERE message_id IN ({})"


async def record_again(tx: Tx, message_id: bytes, result: Parsed) -> None:
    """Store a result in place of another; the message is in no index. Attachments keep their ids
    where they are the same part.
    """
    rows = await tx.fetch_all(
        """
        SELECT attachment_id, part_start, part_end, part_skip, part_steps FROM attachments
        WHERE message_id = :message_id
        """,
        {"message_id": message_id},
    )
    ids = {
        (row["part_start"], row["part_end"], row["part_skip"], row["part_steps"]): bytes(
            row["attachment_id"]
        )
        for row in rows
    }
    await tx.execute(_FINISH, _finished(message_id, result))
    for table in ("attachments", "bodies", "parse_attempts"):
        await tx.execute(
            f"DELETE FROM {table} WHERE message_id = :message_id", {"message_id": message_id}
        )
    await _keep_parts(tx, [(message_id, result)], ids)
    scopes = await scopes_of(tx, message_id=message_id, has_attachments=result.has_files)
    await index(tx, [(message_id, scopes, result.words)])


def _finished(message_id: bytes, result: Parsed) -> dict[str, object]:
    return {
        "message_id": message_id,
        "status": result.status,
        "preview": result.preview,
        "has_attachments": int(result.has_files),
        "text_parts": json.dumps(result.text_parts, separators=(",", ":")),
        "reply_to": json.dumps(result.reply_to, separators=(",", ":")),
    }


_FINISH = """
    UPDATE messages
    SET parse_status = :status, preview = :preview, has_attachments = :has_attachments,
        text_parts = :text_parts, reply_to = :reply_to
    WHERE message_id = :message_id
"""


async def _keep_parts(
    tx: Tx,
    results: Sequence[tuple[bytes, Parsed]],
    ids: Mapping[tuple[int, int, int, str], bytes] = MappingProxyType({}),
) -> None:
    bodies = [
        {
            "message_id": message_id,
            "text": result.text,
            "html": result.html,
            "text_from_html": int(result.text_from_html),
        }
        for message_id, result in results
        if result.text is not None or result.html is not None
    ]
    parts = [
        {
            "message_id": message_id,
            "position": position,
            "attachment_id": ids.get((part.start, part.end, part.skip, _steps(part)))
            or tx.new_id(),
            "filename": part.filename,
            "content_type": part.content_type,
            "size": part.size,
            "is_inline": int(part.is_inline),
            "content_id": part.content_id,
            "part_start": part.start,
            "part_end": part.end,
            "encoding": part.encoding,
            "part_skip": part.skip,
            "part_steps": _steps(part),
        }
        for message_id, result in results
        for position, part in enumerate(result.attachments)
    ]
    await tx.execute_all({_BODY: bodies, _ATTACHMENT: parts})


def _steps(part: Part) -> str:
    return json.dumps(part.steps, separators=(",", ":")) if part.steps else ""


_BODY = """
    INSERT INTO bodies (message_id, text, html, text_from_html)
    VALUES (:message_id, :text, :html, :text_from_html)
"""
_ATTACHMENT = """
    INSERT INTO attachments
        (message_id, position, attachment_id, filename, content_type, size, is_inline, content_id,
         part_start, part_end, encoding, part_skip, part_steps)
    VALUES
        (:message_id, :position, :attachment_id, :filename, :content_type, :size, :is_inline,
         :content_id, :part_start, :part_end, :encoding, :part_skip, :part_steps)
"""


async def find_body(tx: Tx, *, tenant_id: bytes, message_id: bytes) -> Body:
    """Return the body; empty for a message that is not parsed. Raises NotFound."""
    row = await tx.fetch_one(
        """
        SELECT m.reply_to, m.text_parts, b.text, b.html, b.text_from_html
        FROM messages m LEFT JOIN bodies b ON b.message_id = m.message_id
        WHERE m.tenant_id = :tenant_id AND m.message_id = :message_id
        """,
        {"tenant_id": tenant_id, "message_id": message_id},
    )
    if row is None:
        raise NotFound("no such message")
    parts = tuple(Slice(*part) for part in json.loads(row["text_parts"]))
    reply_to = tuple((name, email) for name, email in json.loads(row["reply_to"]))
    text, html = _inflated(row["text"]), _inflated(row["html"])
    is_made = bool(text and html and row["text_from_html"])  # rows of earlier releases say 1
    return Body(reply_to, parts, text, html, is_made)


def _inflated(kept: object) -> str | None:
    if not isinstance(kept, bytes):
        return None
    return zlib.decompressobj().decompress(kept, _MAX_INFLATED).decode("utf-8", "replace")


async def list_attachments(tx: Tx, *, tenant_id: bytes, message_id: bytes) -> list[Attachment]:
    """Return the attachments of a message, in their order in it."""
    rows = await tx.fetch_all(
        """
        SELECT a.attachment_id, a.filename, a.content_type, a.size, a.is_inline, a.content_id,
               a.part_start, a.part_end, a.encoding, a.part_skip, a.part_steps
        FROM messages m JOIN attachments a ON a.message_id = m.message_id
        WHERE m.tenant_id = :tenant_id AND m.message_id = :message_id ORDER BY a.position
        """,
        {"tenant_id": tenant_id, "message_id": message_id},
    )
    return [_attachment(row) for row in rows]


async def find_attachment(
    tx: Tx, *, tenant_id: bytes, message_id: bytes, attachment_id: bytes
) -> Attachment:
    """Raises NotFound, also for an attachment of another message."""
    for one in await list_attachments(tx, tenant_id=tenant_id, message_id=message_id):
        if one.attachment_id == attachment_id:
            return one
    raise NotFound("no such attachment")


def _attachment(row: Row) -> Attachment:
    part = Part(
        filename=row["filename"],
        content_type=row["content_type"],
        size=row["size"],
        is_inline=bool(row["is_inline"]),
        content_id=row["content_id"],
        start=row["part_start"],
        end=row["part_end"],
        encoding=row["encoding"],
        skip=row["part_skip"],
        steps=tuple(Step(*step) for step in json.loads(row["part_steps"] or "[]")),
    )
    return Attachment(bytes(row["attachment_id"]), part)


async def drop(tx: Tx, *, message_id: bytes) -> None:
    """Delete the parse results of a message, with its last copy."""
    await forget(tx, message_id=message_id)
    for table in ("attachments", "bodies", "parse_attempts"):
        await tx.execute(
            f"DELETE FROM {table} WHERE message_id = :message_id", {"message_id": message_id}
        )

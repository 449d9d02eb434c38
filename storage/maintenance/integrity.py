"""The integrity check: accepted = owed = present, for every message's copies and bytes.

- Counts and rows are checked on one snapshot, so a working server disturbs nothing.
- Large contents are checked afterwards, a page at a time, wherever they lie; one that was deleted
  since the snapshot is no fault.
- Nothing stops at the first fault, and nothing is changed. A content that is out of reach is named,
  too.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from storage.content.message_bytes import (
    Content,
    ContentDamaged,
    ContentDirectory,
    content_of,
    is_file,
    verified,
)
from storage.database import Reads, Row, T, Tx, Work
from storage.errors import StoreDamaged, StoreUnavailable
from storage.index import copy_index

_PAGE = 500
_DEEP_PAGE = 50  # bodies are read, too
_FIRST = bytes(16)


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, and the message it concerns.

    With `unread` nothing is known to be damaged: it was out of reach.
    """

    message_id: bytes | None
    fault: str
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The copies owed and present, and the faults found; in order when there are none."""

    messages: int
    copies_owed: int
    copies_gone: int
    copies_present: int
    findings: tuple[Finding, ...]


async def audit(database: Reads, contents: ContentDirectory, *, deep: bool = False) -> Report:
    """Check the whole store; with `deep` the SHA-256 of every content as well.

    A table that cannot be read is a finding, and the rest is checked all the same.
    """
    findings: list[Finding] = []
    totals = await _attempt(database, _totals, "the messages cannot be counted", findings)

    async def checks(tx: Tx) -> list[tuple[str, str]]:
        return [*{**_JUDGEMENTS, **copy_index.judgements(tx)}.items()]

    findings += await _attempt(database, _miscounted, "copies cannot be counted", findings) or []
    for fault, sql in await database.read(checks):
        work = partial(_faulty_rows, fault=fault, sql=sql)
        findings += await _attempt(database, work, f"cannot be checked: {fault}", findings) or []
    findings += await _judge_contents(database, contents, deep)
    counts = totals or {"messages": 0, "owed": 0, "gone": 0, "present": 0}
    return Report(
        messages=counts["messages"],
        copies_owed=counts["owed"],
        copies_gone=counts["gone"],
        copies_present=counts["present"],
        findings=tuple(findings),
    )


async def _attempt(database: Reads, work: Work[T], what: str, findings: list[Finding]) -> T | None:
    """Run a check; where pages are damaged, record that it could not be made."""
    try:
        return await database.read(work)
    except StoreDamaged as error:
        findings.append(Finding(None, f"{what}: {error}"))
        return None


async def _totals(tx: Tx) -> Row:
    row = await tx.fetch_one(
        """
        SELECT COUNT(*) AS messages, COALESCE(SUM(copies_owed), 0) AS owed,
               COALESCE(SUM(copies_gone), 0) AS gone, (SELECT COUNT(*) FROM copies) AS present
        FROM messages
        """
    )
    assert row is not None
    return row


async def _miscounted(tx: Tx) -> list[Finding]:
    return [
        Finding(bytes(row["message_id"]), f"{row['due']} copies due, {row['present']} present")
        for row in await tx.fetch_all(_MISCOUNTED)
    ]


async def _faulty_rows(tx: Tx, *, fault: str, sql: str) -> list[Finding]:
    return [Finding(bytes(row["message_id"]), fault) for row in await tx.fetch_all(sql)]


_MISCOUNTED = """
    SELECT m.message_id, m.copies_owed - m.copies_gone AS due, COALESCE(c.present, 0) AS present
    FROM messages m
    LEFT JOIN (SELECT message_id, COUNT(*) AS present FROM copies GROUP BY message_id) c
        ON c.message_id = m.message_id
    WHERE m.copies_owed - m.copies_gone <> COALESCE(c.present, 0)
    ORDER BY m.message_id
"""

_JUDGEMENTS = {
    "a copy has no message": """
        SELECT DISTINCT c.message_id FROM copies c
        WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.message_id = c.message_id)
    """,
    "a copy is in an inbox that its tenant does not have": """
        SELECT c.message_id FROM copies c
        JOIN messages m ON m.message_id = c.message_id
        LEFT JOIN inboxes i ON i.inbox_id = c.inbox_id AND i.tenant_id = m.tenant_id
        WHERE i.inbox_id IS NULL
    """,
    "the content is not on record": """
        SELECT m.message_id FROM messages m
        WHERE m.copies_owed > m.copies_gone
          AND NOT EXISTS (SELECT 1 FROM contents c WHERE c.message_id = m.message_id)
    """,
    "a content has no message": """
        SELECT c.message_id FROM contents c
        WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.message_id = c.message_id)
    """,
    "the content has another size than the message": """
        SELECT c.message_id FROM contents c
        JOIN messages m ON m.message_id = c.message_id WHERE c.size <> m.size
    """,
    "the content in the database has not the size on record": """
        SELECT message_id FROM contents WHERE length(body) <> size
    """,
}


async def _judge_contents(database: Reads, contents: ContentDirectory, deep: bool) -> list[Finding]:
    found: list[Finding] = []
    after = _FIRST
    most = _DEEP_PAGE if deep else _PAGE
    size = most

    async def page(tx: Tx) -> list[tuple[bytes, Content]]:
        return await _contents_after(tx, after, deep, size)

    async def still_there(tx: Tx) -> list[Finding]:
        return [one for one in faulty if await _is_on_record(tx, one.message_id or _FIRST)]

    while True:
        try:
            items = await database.read(page)
        except StoreDamaged as error:
            # One at a time around the damage: so one content is the finding, not a page of them.
            if size > 1:
                size = 1
                continue
            following = await _attempt(database, partial(_id_after, after=after), "contents", [])
            if following is None:  # not even the ids can be read from here on
                found.append(Finding(None, f"contents after {after.hex()} cannot be read: {error}"))
                return found
            found.append(Finding(following, f"the content cannot be read: {error}"))
            after, size = following, most
            continue
        if not items:
            return found
        after, size = items[-1][0], most if size == most else min(most, size * 2)
        faulty = await asyncio.to_thread(_judge_page, contents.files, items, deep)
        faulty += await _judge_elsewhere(contents, items, deep)
        found += await database.read(still_there) if faulty else []


async def _id_after(tx: Tx, *, after: bytes) -> bytes | None:
    row = await tx.fetch_one(
        "SELECT MIN(message_id) AS message_id FROM contents WHERE message_id > :after",
        {"after": after},
    )
    return bytes(row["message_id"]) if row and row["message_id"] is not None else None


async def _contents_after(
    tx: Tx, after: bytes, deep: bool, most: int
) -> list[tuple[bytes, Content]]:
    """Return the next contents; without `deep` only those in files, and no body is read."""
    # length() tells what is in a file without reading what is not.
    columns, kind = ("body", "") if deep else ("NULL AS body", "AND length(body) IS NULL")
    rows = await tx.fetch_all(
        f"""
        SELECT message_id, sha256, size, file, {columns} FROM contents
        WHERE message_id > :after {kind} ORDER BY message_id LIMIT :page
        """,
        {"after": after, "page": most},
    )
    return [(bytes(row["message_id"]), content_of(row)) for row in rows]


async def _is_on_record(tx: Tx, message_id: bytes) -> bool:
    row = await tx.fetch_one(
        "SELECT 1 FROM contents WHERE message_id = :message_id", {"message_id": message_id}
    )
    return row is not None


def _judge_page(files: Path, items: Sequence[tuple[bytes, Content]], deep: bool) -> list[Finding]:
    judged = (
        (message_id, _fault(files, content, deep))
        for message_id, content in items
        if content.file is None or is_file(content.file)
    )
    return [Finding(message_id, fault) for message_id, fault in judged if fault]


async def _judge_elsewhere(
    contents: ContentDirectory, items: Sequence[tuple[bytes, Content]], deep: bool
) -> list[Finding]:
    found: list[Finding] = []
    for message_id, content in items:
        if content.file is None or is_file(content.file) or contents.elsewhere is None:
            continue
        try:
            fault = await contents.elsewhere.fault(content)
            if fault is None and deep:
                fault = await _deep_fault(contents, content)
        except StoreUnavailable as error:
            found.append(Finding(message_id, f"{error}: {content.file}", unread=True))
            continue
        if fault is not None:
            found.append(Finding(message_id, fault))
    return found


async def _deep_fault(contents: ContentDirectory, content: Content) -> str | None:
    try:
        async with contextlib.aclosing(contents.chunks(content)) as chunks:
            async for _ in verified(chunks, content):
                pass
    except (ContentDamaged, StoreDamaged) as error:
        return f"{error}: {content.file}"
    return None


def _fault(files: Path, content: Content, deep: bool) -> str | None:
    if content.file is None:
        intact = hashlib.sha256(content.body or b"").digest() == content.sha256
        return None if intact else "the content in the database is not what was stored"
    try:
        with (files / content.file).open("rb") as source:
            size = source.seek(0, 2)
            if size != content.size:
                return f"the content file has {size} bytes, not {content.size}: {content.file}"
            source.seek(0)
            if deep and hashlib.file_digest(source, "sha256").digest() != content.sha256:
                return f"the content file is not what was stored: {content.file}"
    except FileNotFoundError:
        return f"the content file is missing: {content.file}"
    except OSError as error:
        return f"the content file cannot be read: {error.strerror}: {content.file}"
    return None

"""Mailboxes: the copies of one inbox, with their own folder and read state.

- A message is the tenant's, a copy is the inbox's; every look-up here is by both.
- A copy shows only the routes by which this inbox was reached: other recipients by Bcc stay hidden
  (RFC 5321 7.2).
- A message may be granted to an inbox that holds no copy of it (`storage.mailbox.visibility`). It
  looks like a copy without folder, marks and routes, and cannot be changed.
- Lists are read by keyset: ids rise with time, so a page costs the same at any depth.
- When the last copy is deleted, the message and its content are deleted with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storage.database import Row, Tx
from storage.errors import Conflict, NotFound
from storage.index.copy_index import Source, fetch_newest, from_clauses, unread_clauses
from storage.index.query import FOLDERS
from storage.mailbox.read_state import Reader, readers_of
from storage.mailbox.trash import note_moves
from storage.sql import chunks, in_list

_TRASH = FOLDERS.index("trash")
_AT_ONCE = 500  # by one statement; each names its messages one by one


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A name and an address as a header field gave them; either may be empty."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Route:
    """A route to a copy: the recipient as the sender wrote it, and the address it led to."""

    recipient: str
    address: str
    list_id: bytes | None


@dataclass(frozen=True, slots=True)
class Copy:
    """A message as one inbox has it. Sizes in octets, times in microseconds.

    Folder and marks are None for a message that was only granted to this inbox; `seen_by` is None
    where no list shares who has read it. `verdict` tells whether its sender is who it says, None
    until that was checked. `protocol` is `outbound` for a letter that was written here; `bounce_of`
    is the letter that a report is about, `bounce_state` what it says once it was read.
    """

    message_id: bytes
    thread_id: bytes
    folder: str | None
    is_read: bool | None
    is_flagged: bool | None
    received_at: int
    size: int
    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    subject: str
    reverse_path: str
    client_ip: str
    helo: str
    tls: str | None
    received_field: bytes
    parse_status: str
    preview: str
    has_attachments: bool
    verdict: str | None
    routes: tuple[Route, ...]
    seen_by: tuple[Reader, ...] | None
    protocol: str
    bounce_of: bytes | None
    bounce_state: str | None

    @property
    def is_held(self) -> bool:
        """Whether the inbox holds a copy."""
        return self.folder is not None

    @property
    def is_letter(self) -> bool:
        """Whether it was written here."""
        return self.protocol == "outbound"


def require_held(copy: Copy) -> None:
    """Raises Conflict `no_copy` for a message that was only granted to this inbox."""
    if not copy.is_held:
        raise no_copy()


def no_copy() -> Conflict:
    """Build the refusal to change a message that was only granted to an inbox."""
    return Conflict("no_copy", "This inbox holds no copy of the message.")


async def list_copies(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    folder: str,
    is_read: bool | None,
    before: bytes | None,
    limit: int,
) -> list[Copy]:
    """Return at most `limit` copies of a folder, newest first, all older than `before`."""
    older = "AND p.message_id < :before" if before else ""
    below = "before" if before else None
    # Written out, so that an index of unread copies can serve.
    seen = "" if is_read is None else f"AND p.is_read = {int(is_read)}"

    def statement(source: Source) -> str:
        return f"""
            {_COPY} AND c.message_id IN (
                SELECT p.message_id FROM {source} p
                WHERE p.inbox_id = :inbox_id AND p.folder = :folder {older} {seen}
                ORDER BY {source.newest_first("p")} LIMIT :limit)
            ORDER BY c.message_id DESC
        """

    rows = await fetch_newest(
        tx,
        statement,
        {
            "tenant_id": tenant_id,
            "inbox_id": inbox_id,
            "folder": FOLDERS.index(folder),
            "before": before,
        },
        limit=limit,
        sources=unread_clauses(tx, below=below) if is_read is False else from_clauses(tx),
    )
    return await copies_of_rows(tx, inbox_id, rows)


async def copies_by_id(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, message_ids: Sequence[bytes]
) -> list[Copy]:
    """Return the inbox's copies of these messages, newest first."""
    if not message_ids:
        return []
    chosen, names = in_list(message_ids)
    rows = await tx.fetch_all(
        f"{_COPY} AND c.message_id IN ({chosen}) ORDER BY c.message_id DESC",
        {"tenant_id": tenant_id, "inbox_id": inbox_id, **names},
    )
    return await copies_of_rows(tx, inbox_id, rows)


async def find_copy(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, message_id: bytes) -> Copy:
    """Raises NotFound, also for a message of which this inbox holds no copy."""
    row = await tx.fetch_one(
        _COPY + " AND c.message_id = :message_id",
        {"tenant_id": tenant_id, "inbox_id": inbox_id, "message_id": message_id},
    )
    if row is None:
        raise NotFound("no such message")
    return (await copies_of_rows(tx, inbox_id, [row]))[0]


async def update_copy(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    message_id: bytes,
    now: int,
    is_read: bool | None = None,
    is_flagged: bool | None = None,
    folder: str | None = None,
) -> tuple[Copy, bool]:
    """Change the given values; None leaves a value as it is. Raises NotFound.

    Returns the copy, and whether it was changed.
    """
    changed = await update_copies(
        tx,
        tenant_id=tenant_id,
        inbox_id=inbox_id,
        message_ids=[message_id],
        now=now,
        is_read=is_read,
        is_flagged=is_flagged,
        folder=folder,
    )
    copy = await find_copy(tx, tenant_id=tenant_id, inbox_id=inbox_id, message_id=message_id)
    return copy, bool(changed)


async def update_copies(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    message_ids: Sequence[bytes],
    now: int,
    is_read: bool | None = None,
    is_flagged: bool | None = None,
    folder: str | None = None,
) -> list[bytes]:
    """Change the given values of each of these copies; skip messages without a copy here.

    Returns the messages whose copies were not so before, in the order given.
    """
    change = {
        "is_read": None if is_read is None else int(is_read),
        "is_flagged": None if is_flagged is None else int(is_flagged),
        "folder": None if folder is None else FOLDERS.index(folder),
    }
    otherwise: set[bytes] = set()
    for start in range(0, len(message_ids), _AT_ONCE):
        chosen, names = in_list(message_ids[start : start + _AT_ONCE])
        key = {"tenant_id": tenant_id, "inbox_id": inbox_id, **change, **names}
        # Before the update: afterwards nothing tells which copies it changed.
        for row in await tx.fetch_all(_OTHERWISE.format(chosen), key):
            otherwise.add(bytes(row["message_id"]))
        await tx.execute(
            f"""
            UPDATE copies
            SET is_read = COALESCE(:is_read, is_read),
                is_flagged = COALESCE(:is_flagged, is_flagged),
                folder = COALESCE(:folder, folder)
            WHERE inbox_id = :inbox_id AND message_id IN (
                SELECT m.message_id FROM messages m
                WHERE m.tenant_id = :tenant_id AND m.message_id IN ({chosen}))
            """,
            key,
        )
        if folder is not None:
            await note_moves(
                tx, inbox_id=inbox_id, chosen=chosen, names=names, trash=_TRASH, now=now
            )
    return [one for one in dict.fromkeys(message_ids) if one in otherwise]


_OTHERWISE = """
    SELECT c.message_id FROM copies c JOIN messages m ON m.message_id = c.message_id
    WHERE m.tenant_id = :tenant_id AND c.inbox_id = :inbox_id AND c.message_id IN ({})
      AND (c.is_read <> COALESCE(:is_read, c.is_read)
           OR c.is_flagged <> COALESCE(:is_flagged, c.is_flagged)
           OR c.folder <> COALESCE(:folder, c.folder))
"""


async def held_of(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, message_ids: Sequence[bytes]
) -> set[bytes]:
    """Return those of these messages of which the inbox holds a copy."""
    if not message_ids:
        return set()
    chosen, names = in_list(message_ids)
    rows = await tx.fetch_all(
        f"""
        SELECT c.message_id FROM copies c JOIN messages m ON m.message_id = c.message_id
        WHERE m.tenant_id = :tenant_id AND c.inbox_id = :inbox_id AND c.message_id IN ({chosen})
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id, **names},
    )
    return {bytes(row["message_id"]) for row in rows}


def trace_fields(copy: Copy) -> bytes:
    """Return the trace fields that stand before the content of this copy (RFC 5321 4.4).

    One Delivered-To for each address by which this copy came, then the Received field made at
    arrival. A message without a copy has none: they would reveal another inbox's routes.
    """
    if not copy.is_held:
        return b""
    lines = [f"Return-Path: <{copy.reverse_path}>"]
    lines += [f"Delivered-To: {route.address}" for route in distinct_addresses(copy.routes)]
    head = "".join(line + "\r\n" for line in lines)
    return head.encode("utf-8", "surrogateescape") + copy.received_field


def distinct_addresses(routes: Iterable[Route]) -> list[Route]:
    """Keep the first route by each address: two subaddresses of one list are one way in."""
    first: dict[str, Route] = {}
    for route in routes:
        first.setdefault(route.address, route)
    return list(first.values())


COPY_COLUMNS = """
    m.message_id, c.folder, c.is_read, c.is_flagged, c.route, m.thread_id, m.received_at,
    m.size, m.from_name, m.from_email, m.subject, m.recipients, m.reverse_path,
    m.client_ip, m.helo, m.tls, m.received_field, m.parse_status,
    m.preview, m.has_attachments, m.protocol, m.bounce_of, m.bounce_state,
    (SELECT k.verdict FROM message_checks k WHERE k.message_id = m.message_id) AS verdict
"""
# CROSS JOIN keeps SQLite at reading the copies first, in their order.
_COPY = f"""
    SELECT {COPY_COLUMNS}
    FROM copies c CROSS JOIN messages m
    WHERE m.message_id = c.message_id AND m.tenant_id = :tenant_id AND c.inbox_id = :inbox_id
"""


async def copies_of_rows(tx: Tx, inbox_id: bytes, rows: Sequence[Row]) -> list[Copy]:
    """Make copies of `rows` of COPY_COLUMNS, with routes to this inbox in the sender's order."""
    message_ids = [bytes(row["message_id"]) for row in rows]
    routes = await routes_of(tx, inbox_id=inbox_id, message_ids=message_ids)
    # Only mail that came by a list shares its read state; most pages need no query for it.
    by_list = [one for one, ways in routes.items() if any(way.list_id for way in ways)]
    readers = await readers_of(tx, inbox_id=inbox_id, message_ids=by_list)
    return [
        _copy(row, routes.get(one, []), readers.get(one))
        for one, row in zip(message_ids, rows, strict=True)
    ]


async def routes_of(
    tx: Tx, *, inbox_id: bytes, message_ids: Sequence[bytes]
) -> dict[bytes, list[Route]]:
    """Map each of these messages to the routes of this inbox's copy, in the sender's order."""
    routes: dict[bytes, list[Route]] = {}
    for some in chunks(message_ids, _AT_ONCE):
        for route in await _routes(tx, inbox_id, some):
            named = Route(route["recipient"], route["address"], route["list_id"])
            routes.setdefault(bytes(route["message_id"]), []).append(named)
    return routes


async def _routes(tx: Tx, inbox_id: bytes, message_ids: Sequence[bytes]) -> list[Row]:
    chosen, names = in_list(message_ids)
    return await tx.fetch_all(
        f"""
        SELECT r.message_id, r.position, r.recipient, r.address, r.list_id
        FROM copies c JOIN routes r ON r.message_id = c.message_id AND r.position = c.route
        WHERE c.inbox_id = :inbox_id AND c.message_id IN ({chosen})
        UNION
        SELECT r.message_id, r.position, r.recipient, r.address, r.list_id
        FROM copy_routes w
        JOIN routes r ON r.message_id = w.message_id AND r.position = w.position
        WHERE w.inbox_id = :inbox_id AND w.message_id IN ({chosen})
        ORDER BY 1, 2
        """,
        {"inbox_id": inbox_id, **names},
    )


def _copy(row: Row, routes: Sequence[Route], seen_by: tuple[Reader, ...] | None) -> Copy:
    recipients = json.loads(bytes(row["recipients"]))
    return Copy(
        message_id=bytes(row["message_id"]),
        thread_id=bytes(row["thread_id"]),
        folder=None if row["folder"] is None else FOLDERS[row["folder"]],
        is_read=None if row["folder"] is None else bool(row["is_read"]),
        is_flagged=None if row["folder"] is None else bool(row["is_flagged"]),
        received_at=row["received_at"],
        size=row["size"],
        sender=Mailbox(row["from_name"], row["from_email"]),
        to=tuple(Mailbox(name, email) for name, email in recipients.get("to", ())),
        cc=tuple(Mailbox(name, email) for name, email in recipients.get("cc", ())),
        subject=row["subject"],
        reverse_path=row["reverse_path"],
        client_ip=row["client_ip"],
        helo=row["helo"],
        tls=row["tls"],
        received_field=bytes(row["received_field"]),
        parse_status=row["parse_status"],
        preview=row["preview"],
        has_attachments=bool(row["has_attachments"]),
        verdict=row["verdict"],
        routes=tuple(routes),
        seen_by=seen_by,
        protocol=row["protocol"],
        bounce_of=None if row["bounce_of"] is None else bytes(row["bounce_of"]),
        bounce_state=row["bounce_state"],
    )

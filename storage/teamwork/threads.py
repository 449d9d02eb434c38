"""Threads, as one inbox sees them: all their fields are computed from the messages it sees.

- Only the status belongs to the thread itself and is the same for all viewers. The assignee is
  shown to inboxes that may see the assignment.
- The subject is that of the oldest visible message; participants are the addresses in From, To and
  Cc of the newest visible messages, the first 200 in order of arrival.
- Folders, marks and ways in are those of the inbox's own copies. The ways in, and whether there are
  files, are of the newest visible messages, and of the oldest.
- A thread is suspect while its newest visible message failed the check of its sender and claims to
  be from somebody whom the messages before it name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from storage.address import canonical_or_none
from storage.database import Row, Tx
from storage.directory.address_tokens import without_token
from storage.errors import NotFound
from storage.events.record import record_event
from storage.index.query import FOLDERS
from storage.mailbox.copies import Mailbox, Route, distinct_addresses, routes_of
from storage.mailbox.read_state import Reader, readers_of
from storage.mailbox.visibility import VISIBLE, VISIBLE_ASSIGNEE, View, require_thread
from storage.sql import in_list
from storage.teamwork.notes import count_notes
from storage.teamwork.thread_history import record_history

Status = Literal["open", "closed"]

_READ_FOR_PARTICIPANTS = 50
_MAX_PARTICIPANTS = 200


@dataclass(frozen=True, slots=True)
class Assignee:
    """The inbox to which a thread is assigned."""

    inbox_id: bytes
    address: str


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread as one inbox sees it. `newest_id` is the newest message it sees; `last_from` wrote
    that, `preview` is its beginning, and `seen_by` have read it (None: nobody is told).
    """

    thread_id: bytes
    subject: str
    participants: tuple[Mailbox, ...]
    status: str
    assignee: Assignee | None
    message_count: int
    note_count: int
    last_message_at: int
    newest_id: bytes
    last_from: Mailbox
    preview: str
    has_attachments: bool
    unread_count: int
    is_flagged: bool
    folders: tuple[str, ...]
    routes: tuple[Route, ...]
    seen_by: tuple[Reader, ...] | None
    suspect: bool


async def find_thread(tx: Tx, *, view: View, thread_id: bytes) -> Thread:
    """Raises NotFound when the viewer sees no message of it."""
    found = await describe_threads(tx, view=view, thread_ids=[thread_id])
    if not found:
        raise NotFound("no such thread")
    return found[0]


async def describe_threads(tx: Tx, *, view: View, thread_ids: Sequence[bytes]) -> list[Thread]:
    """Return those of the threads of which the viewer sees a message, in the order given."""
    if not thread_ids:
        return []
    chosen, names = in_list(thread_ids)
    messages: dict[bytes, list[Row]] = {}
    for row in await tx.fetch_all(_MESSAGES.format(chosen), {**view.params, **names}):
        messages.setdefault(bytes(row["thread_id"]), []).append(row)
    states = {
        bytes(row["thread_id"]): row
        for row in await tx.fetch_all(_STATE.format(chosen), {**view.params, **names})
    }
    notes = await count_notes(tx, view=view, thread_ids=thread_ids)
    held: dict[bytes, list[Row]] = {}
    for row in await tx.fetch_all(_HELD.format(chosen), {**view.params, **names}):
        held.setdefault(bytes(row["thread_id"]), []).append(row)
    shown = [bytes(row["message_id"]) for rows in messages.values() for row in rows]
    routes = await routes_of(tx, inbox_id=view.inbox_id, message_ids=shown)
    newest = [bytes(rows[-1]["message_id"]) for rows in messages.values()]
    readers = await readers_of(tx, inbox_id=view.inbox_id, message_ids=newest)
    return [
        _thread(
            states[one],
            messages[one],
            notes.get(one, 0),
            held=held.get(one, ()),
            routes=_ways_in(messages[one], routes),
            seen_by=readers.get(bytes(messages[one][-1]["message_id"])),
        )
        for one in thread_ids
        if one in messages
    ]


def _ways_in(messages: Sequence[Row], routes: Mapping[bytes, Sequence[Route]]) -> tuple[Route, ...]:
    """Return the addresses by which these messages came, each once, the latest first."""
    newest_first = (routes.get(bytes(row["message_id"]), ()) for row in reversed(messages))
    return tuple(distinct_addresses(chain.from_iterable(newest_first)))


# The ids are ranked first, by the index alone; only the messages of the result are read.
_MESSAGES = f"""
    WITH seen AS (
        SELECT m.thread_id, m.message_id FROM messages m
        JOIN threads t ON t.thread_id = m.thread_id AND t.tenant_id = :tenant_id
        WHERE m.thread_id IN ({{}}) AND {VISIBLE}
    ), ranked AS (
        SELECT message_id, COUNT(*) OVER (PARTITION BY thread_id) AS total,
               ROW_NUMBER() OVER (PARTITION BY thread_id ORDER BY message_id DESC) AS place
        FROM seen
    )
    SELECT m.thread_id, m.message_id, m.received_at, m.from_name, m.from_email, m.recipients,
           m.subject, m.preview, m.has_attachments, r.total,
           (SELECT k.verdict FROM message_checks k WHERE k.message_id = m.message_id) AS verdict
    FROM ranked r JOIN messages m ON m.message_id = r.message_id
    WHERE r.place <= {_READ_FOR_PARTICIPANTS} OR r.place = r.total
    ORDER BY m.message_id
"""
_HELD = """
    SELECT m.thread_id, c.folder, SUM(1 - c.is_read) AS unread, MAX(c.is_flagged) AS flagged
    FROM messages m CROSS JOIN copies c
    WHERE m.thread_id IN ({}) AND m.tenant_id = :tenant_id
      AND c.inbox_id = :viewer AND c.message_id = m.message_id
    GROUP BY m.thread_id, c.folder ORDER BY c.folder
"""
_STATE = f"""
    SELECT t.thread_id, t.status, i.inbox_id, i.address FROM threads t
    LEFT JOIN inboxes i ON i.inbox_id = t.assignee_inbox_id AND {VISIBLE_ASSIGNEE}
    WHERE t.tenant_id = :tenant_id AND t.thread_id IN ({{}})
"""


def _thread(
    state: Row,
    messages: Sequence[Row],
    note_count: int,
    *,
    held: Sequence[Row],
    routes: tuple[Route, ...],
    seen_by: tuple[Reader, ...] | None,
) -> Thread:
    oldest, newest = messages[0], messages[-1]
    assignee = state["inbox_id"] and Assignee(bytes(state["inbox_id"]), state["address"])
    return Thread(
        bytes(state["thread_id"]),
        oldest["subject"],
        _participants(messages),
        state["status"],
        assignee or None,
        newest["total"],
        note_count,
        newest["received_at"],
        bytes(newest["message_id"]),
        last_from=Mailbox(newest["from_name"], newest["from_email"]),
        preview=newest["preview"],
        has_attachments=any(row["has_attachments"] for row in messages),
        unread_count=sum(row["unread"] for row in held),
        is_flagged=any(row["flagged"] for row in held),
        folders=tuple(FOLDERS[row["folder"]] for row in held),
        routes=routes,
        seen_by=seen_by,
        suspect=_is_suspect(messages),
    )


def _is_suspect(messages: Sequence[Row]) -> bool:
    """Whether the newest message failed its check and says that it is from one of the others."""
    *earlier, newest = messages
    if newest["verdict"] != "failed":
        return False
    known = {canonical_or_none(one.email) for one in _participants(earlier)}
    # None is an address that cannot be read: two of them are not the same sender.
    return canonical_or_none(newest["from_email"]) in known - {None}


def _participants(messages: Sequence[Row]) -> tuple[Mailbox, ...]:
    """Keep each address once, as first written, with the first name that came with it."""
    found: dict[str, Mailbox] = {}
    for row in messages:
        recipients = json.loads(bytes(row["recipients"]))
        named = [(row["from_name"], row["from_email"])]
        named += [*recipients.get("to", ()), *recipients.get("cc", ())]
        for name, written in named:
            if not written:
                continue
            email = without_token(written)
            key = canonical_or_none(email) or email
            known = found.get(key)
            if known is None and len(found) < _MAX_PARTICIPANTS:
                found[key] = Mailbox(name, email)
            elif known is not None and not known.name:
                found[key] = Mailbox(name, known.email)
    return tuple(found.values())


async def set_status(
    tx: Tx, *, view: View, thread_id: bytes, status: Status, user_id: bytes | None
) -> None:
    """Close or reopen a thread that the viewer sees; no effect when the status is the same.

    Raises NotFound.
    """
    await require_thread(tx, view=view, thread_id=thread_id)
    changed = await tx.execute(
        """
        UPDATE threads SET status = :status
        WHERE tenant_id = :tenant_id AND thread_id = :thread_id AND status <> :status
        """,
        {"status": status, "tenant_id": view.tenant_id, "thread_id": thread_id},
    )
    # Of two calls at one time one changes the row: only that one is history and an event.
    if not changed:
        return
    kind: Literal["closed", "reopened"] = "closed" if status == "closed" else "reopened"
    await record_history(
        tx,
        kind,
        tenant_id=view.tenant_id,
        thread_id=thread_id,
        by_inbox_id=view.inbox_id,
        by_user_id=user_id,
        now=view.now,
    )
    await record_event(
        tx,
        f"thread.{kind}",
        tenant_id=view.tenant_id,
        thread_id=thread_id,
        by_inbox_id=view.inbox_id,
        now=view.now,
    )

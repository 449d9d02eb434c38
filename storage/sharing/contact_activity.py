"""The activity feed of one contact, as one inbox sees it, newest first.

- Messages, notes and assignments are read from their own tables, by what the inbox sees; so the
  feed shows nothing invisible, and nothing twice. Steps of shares and handoffs are recorded for
  each party, because shares themselves are deleted after a week.
- Everything is ordered by id, which rises with time: a page ends at an id.
- The feed goes back two years.
- A message appears once it has been counted (`storage.contacts.relationships`), moments after it
  came.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from storage.clock import DAY
from storage.contacts.contacts import in_texts
from storage.database import Row, Tx
from storage.ids import id_or_none
from storage.mailbox.visibility import VISIBLE, VISIBLE_ACT, VISIBLE_NOTE, View
from storage.sql import in_list

KEPT = 2 * 365 * DAY

_THREADS = 500


@dataclass(frozen=True, slots=True)
class Activity:
    """One entry of the feed. `resource` is the prefix and the id of its object."""

    activity_id: bytes
    type: str
    resource: tuple[str, bytes] | None
    contact_address: str | None
    participants: tuple[str, ...]
    summary: str
    occurred_at: int
    thread_id: bytes | None = None
    by_inbox_id: bytes | None = None
    to_inbox_id: bytes | None = None
    source_inbox_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class Contacted:
    """The contact: a card of the book, addresses, or both."""

    contact_id: bytes | None
    canonicals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Happening:
    """An entry to record for one party of a share or handoff."""

    type: str
    canonicals: tuple[str, ...] = ()
    contact_id: bytes | None = None
    share_id: bytes | None = None
    other_inbox_id: bytes | None = None
    source_inbox_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Span:
    """The range of the feed to read: before an id, not before a time."""

    view: View
    before: bytes | None
    since: int
    limit: int

    def params(self, **more: object) -> dict[str, object]:
        return {
            **self.view.params,
            "before": self.before or b"\xff" * 16,
            "since": self.since,
            "limit": self.limit,
            **more,
        }


async def record_activity(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, happening: Happening, now: int
) -> None:
    """Record one entry in the feed of one inbox."""
    await tx.execute(
        """
        INSERT INTO activity
            (activity_id, tenant_id, inbox_id, canonical, contact_id, type, share_id,
             other_inbox_id, source_inbox_id, created_at)
        VALUES
            (:activity_id, :tenant_id, :inbox_id, :canonical, :contact_id, :type, :share_id,
             :other_inbox_id, :source_inbox_id, :now)
        """,
        {
            "activity_id": tx.new_id(),
            "tenant_id": tenant_id,
            "inbox_id": inbox_id,
            "canonical": happening.canonicals[0] if happening.canonicals else None,
            "contact_id": happening.contact_id,
            "type": happening.type,
            "share_id": happening.share_id,
            "other_inbox_id": happening.other_inbox_id,
            "source_inbox_id": happening.source_inbox_id,
            "now": now,
        },
    )


async def list_activity(
    tx: Tx,
    *,
    view: View,
    contacted: Contacted,
    since: int,
    before: bytes | None,
    limit: int,
) -> list[Activity]:
    """Return at most `limit` entries older than the id `before` and not older than `since`."""
    # Older entries are gone for readers even before the job has deleted them.
    span = _Span(view, before, max(since, view.now - KEPT), limit)
    found = await _shares(tx, span, contacted)
    if contacted.canonicals:
        found += await _messages(tx, span, contacted.canonicals)
        threads = await _threads(tx, span, contacted.canonicals)
        if threads:
            found += await _notes(tx, span, threads)
            found += await _assignments(tx, span, threads)
    found.sort(key=lambda one: one.activity_id, reverse=True)
    return found[:limit]


async def _messages(tx: Tx, span: _Span, canonicals: Sequence[str]) -> list[Activity]:
    chosen, names = in_texts(canonicals)
    rows = await tx.fetch_all(
        f"""
        SELECT m.message_id, m.thread_id, m.received_at, m.from_email, m.subject, m.recipients,
               k.canonical
        FROM messages_by_sender k JOIN messages m ON m.message_id = k.message_id
        WHERE k.tenant_id = :tenant_id AND k.canonical IN ({chosen}) AND k.message_id < :before
          AND m.tenant_id = :tenant_id AND m.received_at >= :since AND {VISIBLE}
        ORDER BY k.message_id DESC LIMIT :limit
        """,
        span.params(**names),
    )
    return [_message(row) for row in rows]


def _message(row: Row) -> Activity:
    recipients = json.loads(bytes(row["recipients"]))
    named = [*recipients.get("to", ()), *recipients.get("cc", ())]
    message_id = bytes(row["message_id"])
    return Activity(
        message_id,
        "message.received",
        ("msg", message_id),
        row["canonical"],
        tuple(dict.fromkeys([row["from_email"], *(email for _, email in named)]))[:50],
        row["subject"],
        row["received_at"],
        thread_id=bytes(row["thread_id"]),
    )


async def _threads(tx: Tx, span: _Span, canonicals: Sequence[str]) -> dict[bytes, str]:
    """Return the newest threads in which the viewer sees a message from one of the addresses."""
    chosen, names = in_texts(canonicals)
    rows = await tx.fetch_all(
        f"""
        SELECT m.thread_id, MAX(k.canonical) AS canonical
        FROM messages_by_sender k JOIN messages m ON m.message_id = k.message_id
        WHERE k.tenant_id = :tenant_id AND k.canonical IN ({chosen})
          AND m.tenant_id = :tenant_id AND {VISIBLE}
        GROUP BY m.thread_id ORDER BY m.thread_id DESC LIMIT {_THREADS}
        """,
        span.params(**names),
    )
    return {bytes(row["thread_id"]): row["canonical"] for row in rows}


async def _notes(tx: Tx, span: _Span, threads: dict[bytes, str]) -> list[Activity]:
    chosen, names = in_list(threads)
    rows = await tx.fetch_all(
        f"""
        SELECT n.note_id, n.thread_id, n.author_inbox_id, n.created_at, i.address
        FROM notes n LEFT JOIN inboxes i ON i.inbox_id = n.author_inbox_id
        WHERE n.thread_id IN ({chosen}) AND n.note_id < :before AND n.created_at >= :since
          AND {VISIBLE_NOTE}
        ORDER BY n.note_id DESC LIMIT :limit
        """,
        span.params(**names),
    )
    return [
        Activity(
            bytes(row["note_id"]),
            "thread.note_added",
            ("note", bytes(row["note_id"])),
            threads[bytes(row["thread_id"])],
            (row["address"],) if row["address"] else (),
            "A note was added.",
            row["created_at"],
            thread_id=bytes(row["thread_id"]),
            by_inbox_id=bytes(row["author_inbox_id"]),
        )
        for row in rows
    ]


_DONE = {"assigned": "The thread was assigned.", "unassigned": "The thread was unassigned."}


async def _assignments(tx: Tx, span: _Span, threads: dict[bytes, str]) -> list[Activity]:
    chosen, names = in_list(threads)
    rows = await tx.fetch_all(
        f"""
        SELECT h.entry_id, h.thread_id, h.type, h.inbox_id, h.by_inbox_id, h.created_at,
               a.address AS assignee, b.address AS assigner
        FROM thread_history h
        LEFT JOIN inboxes a ON a.inbox_id = h.inbox_id
        LEFT JOIN inboxes b ON b.inbox_id = h.by_inbox_id
        WHERE h.tenant_id = :tenant_id AND h.thread_id IN ({chosen}) AND h.entry_id < :before
          AND h.type IN ('assigned', 'unassigned') AND h.created_at >= :since
          AND {VISIBLE_ACT}
        ORDER BY h.entry_id DESC LIMIT :limit
        """,
        span.params(**names),
    )
    return [
        Activity(
            bytes(row["entry_id"]),
            f"thread.{row['type']}",
            ("thr", bytes(row["thread_id"])),
            threads[bytes(row["thread_id"])],
            tuple(one for one in (row["assigner"], row["assignee"]) if one),
            _DONE[row["type"]],
            row["created_at"],
            thread_id=bytes(row["thread_id"]),
            by_inbox_id=id_or_none(row["by_inbox_id"]),
            to_inbox_id=id_or_none(row["inbox_id"]),
        )
        for row in rows
    ]


_SUMMARIES = {
    "contact.share_offered": "The card was offered.",
    "contact.share_requested": "The card was requested.",
    "contact.share_accepted": "The share was accepted.",
    "contact.share_declined": "The share was declined.",
    "contact.share_withdrawn": "The share was withdrawn.",
    "contact.share_lapsed": "The share lapsed.",
    "contact.handed_over": "The card was handed over.",
    "contact.handoff_received": "The card was received.",
}


async def _shares(tx: Tx, span: _Span, contacted: Contacted) -> list[Activity]:
    conditions: list[str] = []
    names: dict[str, object] = {}
    if contacted.canonicals:
        chosen, names = in_texts(contacted.canonicals)
        conditions.append(f"a.canonical IN ({chosen})")
    if contacted.contact_id is not None:
        conditions.append("a.contact_id = :contact_id")
    rows = await tx.fetch_all(
        f"""
        SELECT a.activity_id, a.type, a.canonical, a.contact_id, a.share_id, a.other_inbox_id,
               a.source_inbox_id, a.created_at, i.address
        FROM activity a LEFT JOIN inboxes i ON i.inbox_id = a.other_inbox_id
        WHERE a.tenant_id = :tenant_id AND a.inbox_id = :viewer AND a.activity_id < :before
          AND a.created_at >= :since AND ({" OR ".join(conditions)})
        ORDER BY a.activity_id DESC LIMIT :limit
        """,
        span.params(**names, contact_id=contacted.contact_id),
    )
    return [_share(row) for row in rows]


def _share(row: Row) -> Activity:
    resource = ("shr", row["share_id"]) if row["share_id"] else ("ctc", row["contact_id"])
    return Activity(
        bytes(row["activity_id"]),
        row["type"],
        (resource[0], bytes(resource[1])) if resource[1] else None,
        row["canonical"],
        (row["address"],) if row["address"] else (),
        _SUMMARIES[row["type"]],
        row["created_at"],
        to_inbox_id=id_or_none(row["other_inbox_id"]),
        source_inbox_id=id_or_none(row["source_inbox_id"]),
    )

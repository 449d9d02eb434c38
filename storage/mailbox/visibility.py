"""Visibility: the one place that decides which messages, notes and acts an inbox sees.

- A message is visible to the inboxes that hold a copy, and to those it was granted to.
- Assigning a thread grants the assignee the messages of which the assigner holds copies; while the
  assignment lasts, also those of which the assigner gets copies later. Grants are derived from the
  assigner's copies at reading, so a delivery writes nothing for them. Before such a copy is deleted
  permanently the grant is recorded: a handed-over message does not vanish when the giver tidies up.
- A mention grants the messages of which the author held copies when writing, for as long as the
  note exists.
- Only copies are passed on, never granted messages. No inbox grants anything to itself.
- A note is visible to its author, to those it mentions, and to every inbox that sees a message
  which the author saw when writing it.
- An act on a thread (it was assigned, closed, …) is visible to the actor, to the inboxes it names,
  and to every inbox that sees a message which the actor sees too and which was there before. The
  same holds for the assignee.
- An act of a message (it reopened the thread) is visible to every inbox that sees that message and
  one before it.
- A forged reference puts a message into a thread; that gives nobody a copy, so it makes nothing
  visible.

The conditions take `:viewer` (an inbox), `:tenant_id` and `:now`; messages are `m`, notes are `n`,
entries of the history `h`, threads `t`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from storage.address import canonical_or_none
from storage.database import Row, Tx
from storage.errors import NotFound
from storage.mailbox.copies import COPY_COLUMNS, Copy, copies_of_rows
from storage.sql import in_list


@dataclass(frozen=True, slots=True)
class View:
    """The viewer: an inbox of a tenant, at a time in microseconds."""

    tenant_id: bytes
    inbox_id: bytes
    now: int

    @property
    def params(self) -> dict[str, object]:
        return {"tenant_id": self.tenant_id, "viewer": self.inbox_id, "now": self.now}


# A grant ends and begins by ids: after a clock set back, times would grant other messages.
# `had_copy`: a message that was only granted to the author must not travel on by mentions.
VISIBLE = """(
    EXISTS (SELECT 1 FROM copies seen_copy
            WHERE seen_copy.inbox_id = :viewer AND seen_copy.message_id = m.message_id)
    OR EXISTS (SELECT 1 FROM thread_openings opened
               JOIN copies given ON given.inbox_id = opened.by_inbox_id
                                AND given.message_id = m.message_id
               WHERE opened.to_inbox_id = :viewer AND opened.thread_id = m.thread_id
                 AND opened.tenant_id = :tenant_id
                 AND (opened.since IS NULL OR m.message_id > opened.since)
                 AND (opened.ended_before IS NULL OR m.message_id < opened.ended_before))
    OR EXISTS (SELECT 1 FROM message_openings kept
               WHERE kept.inbox_id = :viewer AND kept.message_id = m.message_id)
    OR EXISTS (SELECT 1 FROM note_mentions mention
               JOIN notes told ON told.note_id = mention.note_id
               JOIN note_messages held ON held.note_id = told.note_id
                                      AND held.message_id = m.message_id
               WHERE mention.inbox_id = :viewer AND mention.thread_id = m.thread_id
                 AND told.tenant_id = :tenant_id AND told.expires_at > :now
                 AND held.had_copy = 1)
)"""

VISIBLE_NOTE = f"""(
    n.tenant_id = :tenant_id AND n.expires_at > :now AND (
        n.author_inbox_id = :viewer
        OR EXISTS (SELECT 1 FROM note_mentions named
                   WHERE named.note_id = n.note_id AND named.inbox_id = :viewer)
        OR EXISTS (SELECT 1 FROM note_messages read_by_author
                   JOIN messages m ON m.message_id = read_by_author.message_id
                   WHERE read_by_author.note_id = n.note_id AND {VISIBLE}))
)"""

# An act is about what its actor saw: a message hidden from the actor does not show it.
_ACTOR_SEES = VISIBLE.replace(":viewer", "h.by_inbox_id")

# Else the act would show that there is a message which the viewer does not see.
_CAUSE_SEEN = f"""EXISTS (
    SELECT 1 FROM messages m
    WHERE m.message_id = h.by_message_id AND m.tenant_id = :tenant_id AND {VISIBLE})"""

# Only messages before the act count: else a forged reference, sent later, would show old acts.
VISIBLE_ACT = f"""(
    h.inbox_id = :viewer OR h.by_inbox_id = :viewer
    OR (CASE WHEN h.by_inbox_id IS NULL THEN {_CAUSE_SEEN} ELSE 1 = 1 END
        AND EXISTS (SELECT 1 FROM messages m
                    WHERE m.thread_id = h.thread_id AND m.tenant_id = :tenant_id
                      AND m.message_id < h.entry_id AND {VISIBLE}
                      AND (h.by_inbox_id IS NULL OR {_ACTOR_SEES}))))"""

VISIBLE_ASSIGNEE = f"""(
    t.assignee_inbox_id = :viewer
    OR EXISTS (SELECT 1 FROM thread_history h
               WHERE h.thread_id = t.thread_id AND h.tenant_id = :tenant_id
                 AND h.type = 'assigned' AND h.inbox_id = t.assignee_inbox_id AND {VISIBLE_ACT}))"""

# The threads `t` that the viewer sees without an assignee.
UNASSIGNED = f"(t.assignee_inbox_id IS NULL OR NOT {VISIBLE_ASSIGNEE})"

# The threads with a grant to the viewer, whether or not its messages still exist.
OPENED_THREADS = """
    SELECT thread_id FROM thread_openings WHERE to_inbox_id = :viewer
    UNION
    SELECT thread_id FROM message_openings WHERE inbox_id = :viewer
    UNION
    SELECT mention.thread_id FROM note_mentions mention
    JOIN notes told ON told.note_id = mention.note_id AND told.expires_at > :now
    WHERE mention.inbox_id = :viewer
"""

_SEEN = f"""
    SELECT {COPY_COLUMNS} FROM messages m
    LEFT JOIN copies c ON c.inbox_id = :viewer AND c.message_id = m.message_id
    WHERE m.tenant_id = :tenant_id AND {VISIBLE}
"""


async def find_message(tx: Tx, *, view: View, message_id: bytes) -> Copy:
    """Return the message as the viewer has it, perhaps without a copy. Raises NotFound."""
    row = await tx.fetch_one(
        _SEEN + " AND m.message_id = :message_id", {**view.params, "message_id": message_id}
    )
    if row is None:
        raise NotFound("no such message")
    return (await copies_of_rows(tx, view.inbox_id, [row]))[0]


async def seen_of(tx: Tx, *, view: View, message_ids: Collection[bytes]) -> set[bytes]:
    """Return those of these messages that the viewer sees."""
    if not message_ids:
        return set()
    chosen, names = in_list(message_ids)
    rows = await tx.fetch_all(
        f"""
        SELECT m.message_id FROM messages m
        WHERE m.tenant_id = :tenant_id AND m.message_id IN ({chosen}) AND {VISIBLE}
        """,
        {**view.params, **names},
    )
    return {bytes(row["message_id"]) for row in rows}


async def thread_messages(tx: Tx, *, view: View, thread_id: bytes, limit: int) -> list[Copy]:
    """Return the newest `limit` messages of a thread that the viewer sees, oldest first."""
    rows = await tx.fetch_all(
        _SEEN + " AND m.thread_id = :thread_id ORDER BY m.message_id DESC LIMIT :limit",
        {**view.params, "thread_id": thread_id, "limit": limit},
    )
    return await copies_of_rows(tx, view.inbox_id, rows[::-1])


async def sees_thread(tx: Tx, *, view: View, thread_id: bytes) -> bool:
    """Whether the viewer sees a message of the thread."""
    row = await tx.fetch_one(
        f"""
        SELECT 1 FROM messages m
        WHERE m.thread_id = :thread_id AND m.tenant_id = :tenant_id AND {VISIBLE} LIMIT 1
        """,
        {**view.params, "thread_id": thread_id},
    )
    return row is not None


async def require_thread(tx: Tx, *, view: View, thread_id: bytes) -> None:
    """Raises NotFound when the viewer sees no message of the thread."""
    if not await sees_thread(tx, view=view, thread_id=thread_id):
        raise NotFound("no such thread")


async def thread_subject(tx: Tx, *, view: View, thread_id: bytes) -> str:
    """Return the subject of the oldest visible message of the thread; empty without one."""
    row = await tx.fetch_one(
        f"""
        SELECT m.subject FROM messages m
        WHERE m.thread_id = :thread_id AND m.tenant_id = :tenant_id AND {VISIBLE}
        ORDER BY m.message_id LIMIT 1
        """,
        {**view.params, "thread_id": thread_id},
    )
    return str(row["subject"]) if row else ""


async def thread_senders(tx: Tx, *, view: View, thread_id: bytes) -> list[str]:
    """Return the canonical sender addresses of the thread's visible messages, the latest first."""
    rows = await tx.fetch_all(
        f"""
        SELECT m.from_email FROM messages m
        WHERE m.thread_id = :thread_id AND m.tenant_id = :tenant_id AND {VISIBLE}
        ORDER BY m.message_id DESC LIMIT 1000
        """,
        {**view.params, "thread_id": thread_id},
    )
    found = (canonical_or_none(row["from_email"]) for row in rows)
    return [*dict.fromkeys(canonical for canonical in found if canonical)]


async def newest_visible(
    tx: Tx, *, view: View, thread_ids: Collection[bytes]
) -> dict[bytes, bytes]:
    """Map each of these threads with a visible message to the id of the newest one."""
    if not thread_ids:
        return {}
    chosen, names = in_list(thread_ids)
    return _newest(await tx.fetch_all(_NEWEST.format(chosen), {**view.params, **names}))


async def opened_threads(tx: Tx, *, view: View) -> dict[bytes, bytes]:
    """Map each thread with a grant to the viewer to the id of its newest visible message."""
    return _newest(await tx.fetch_all(_NEWEST.format(OPENED_THREADS), view.params))


_NEWEST = f"""
    SELECT t.thread_id,
           (SELECT m.message_id FROM messages m
            WHERE m.thread_id = t.thread_id AND {VISIBLE}
            ORDER BY m.message_id DESC LIMIT 1) AS newest
    FROM threads t WHERE t.tenant_id = :tenant_id AND t.thread_id IN ({{}})
"""


def _newest(rows: Collection[Row]) -> dict[bytes, bytes]:
    return {bytes(row["thread_id"]): bytes(row["newest"]) for row in rows if row["newest"]}

"""Who sees what: the one place that says which messages and notes an inbox sees.

- A message is seen by the inboxes that hold a copy, and by those to which it was opened.
- Assigning a thread opens to the assignee what the assigner holds copies of; while the assignment
  lasts also what the assigner gets later. It is derived from the assigner's copies when somebody
  looks, so a delivery writes nothing for it. When such a copy is deleted for good, the opening is
  put on record first: what was handed over does not vanish with the giver's tidying.
- A mention opens what the author held copies of when writing, for as long as the note is there.
- Only copies are passed on, never what was merely opened. Nobody opens anything to themselves.
- A note is seen by its author, by those it mentions, and by who sees a message that the author saw
  when writing it.
- An act on a thread (it was assigned, closed, …) is seen by who did it, by whom it names, and by
  who sees a message that the actor sees too and that was there before. So is who has it in hand.
- What a message did (it reopened the thread) is seen by who sees that message, and one before it.
- A forged reference puts a message into a thread; that gives nobody a copy, so it shows nothing.

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
    """Who looks, and when: an inbox of a tenant, at a time in microseconds."""

    tenant_id: bytes
    inbox_id: bytes
    now: int

    @property
    def params(self) -> dict[str, object]:
        return {"tenant_id": self.tenant_id, "viewer": self.inbox_id, "now": self.now}


VISIBLE = """(
    EXISTS (SELECT 1 FROM copies seen_copy
            WHERE seen_copy.inbox_id = :viewer AND seen_copy.message_id = m.message_id)
    OR EXISTS (SELECT 1 FROM thread_openings opened
               JOIN copies given ON given.inbox_id = opened.by_inbox_id
                                AND given.message_id = m.message_id
               WHERE opened.to_inbox_id = :viewer AND opened.thread_id = m.thread_id
                 AND opened.tenant_id = :tenant_id
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

_ACTOR_SEES = VISIBLE.replace(":viewer", "h.by_inbox_id")

_CAUSE_SEEN = f"""EXISTS (
    SELECT 1 FROM messages m
    WHERE m.message_id = h.by_message_id AND m.tenant_id = :tenant_id AND {VISIBLE})"""

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

# The threads in which something was opened to the viewer, whether or not it is still there.
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
    """The message as the viewer has it, which may be without a copy. Raises NotFound."""
    row = await tx.fetch_one(
        _SEEN + " AND m.message_id = :message_id", {**view.params, "message_id": message_id}
    )
    if row is None:
        raise NotFound("no such message")
    return (await copies_of_rows(tx, view.inbox_id, [row]))[0]


async def seen_of(tx: Tx, *, view: View, message_ids: Collection[bytes]) -> set[bytes]:
    """Those of these messages that the viewer sees."""
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
    """The newest `limit` messages of a thread that the viewer sees, oldest first."""
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
    """The subject of the oldest message of the thread that the viewer sees; empty without one."""
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
    """The canonical addresses that wrote what the viewer sees of the thread, the latest first."""
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
    """For each of the threads of which the viewer sees a message: the newest such message's id."""
    if not thread_ids:
        return {}
    chosen, names = in_list(thread_ids)
    return _newest(await tx.fetch_all(_NEWEST.format(chosen), {**view.params, **names}))


async def opened_threads(tx: Tx, *, view: View) -> dict[bytes, bytes]:
    """The same for all threads in which something was opened to the viewer."""
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

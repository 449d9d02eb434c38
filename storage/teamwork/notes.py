"""Internal notes on a thread, with mentions; no outside sender ever sees one.

- The body is stored as typed and shown only to inboxes that see the note
  (`storage.mailbox.visibility`).
- With a note are recorded the messages its author saw, and those of which it held copies: they
  decide which inboxes see the note and what its mentions grant.
- After 90 days a note is expired for everybody, whether or not its rows are deleted yet; so are its
  grants. Its tasks stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storage.clock import DAY
from storage.database import Row, Tx
from storage.directory.inboxes import Inbox
from storage.errors import NotFound
from storage.events.record import record_event
from storage.mailbox.visibility import VISIBLE, VISIBLE_NOTE, View, sees_thread, thread_subject
from storage.sql import in_list
from storage.teamwork.tasks import Draft, create_task, titled

KEPT = 90 * DAY
_EXPIRED_AT_ONCE = 200
# The tables of notes; those that hang on a note come first.
_TABLES = ("note_messages", "note_mentions", "notes")


@dataclass(frozen=True, slots=True)
class Note:
    """A stored note; `mentions` are addresses as their inboxes spell them."""

    note_id: bytes
    thread_id: bytes
    author_inbox_id: bytes
    author_user_id: bytes | None
    body: str
    mentions: tuple[str, ...]
    created_at: int


async def add_note(
    tx: Tx,
    *,
    view: View,
    thread_id: bytes,
    body: str,
    mentions: Iterable[Inbox],
    user_id: bytes | None,
    with_tasks: bool = True,
) -> Note:
    """Add a note by the viewer on a thread that it sees; each mentioned teammate gets a task.

    The author and repetitions are left out of `mentions`. `user_id` is the person who acts.
    """
    # A mention of oneself would be a grant to oneself, which outlives one's own copies.
    named = {one.inbox_id: one for one in mentions if one.inbox_id != view.inbox_id}
    note = Note(
        tx.new_id(),
        thread_id,
        view.inbox_id,
        user_id,
        body,
        tuple(one.address for one in named.values()),
        view.now,
    )
    await _insert(tx, view, note, [*named])
    await record_event(
        tx,
        "thread.note_added",
        tenant_id=view.tenant_id,
        thread_id=thread_id,
        note_id=note.note_id,
        by_inbox_id=view.inbox_id,
        now=view.now,
    )
    for inbox_id in named:
        await _mention(tx, view, note, inbox_id, with_task=with_tasks)
    return note


async def _insert(tx: Tx, view: View, note: Note, mentions: Sequence[bytes]) -> None:
    await tx.execute(
        """
        INSERT INTO notes
            (note_id, tenant_id, thread_id, author_inbox_id, author_user_id, body, created_at,
             expires_at)
        VALUES (:note_id, :tenant_id, :thread_id, :viewer, :user_id, :body, :now, :expires_at)
        """,
        {
            **view.params,
            "note_id": note.note_id,
            "thread_id": note.thread_id,
            "user_id": note.author_user_id,
            "body": note.body,
            "expires_at": note.created_at + KEPT,
        },
    )
    await tx.execute(
        _NOTE_MESSAGES,
        {**view.params, "note_id": note.note_id, "thread_id": note.thread_id},
    )
    await tx.execute_many(
        """
        INSERT INTO note_mentions (note_id, inbox_id, thread_id, position)
        VALUES (:note_id, :inbox_id, :thread_id, :position)
        """,
        [
            {
                "note_id": note.note_id,
                "inbox_id": inbox_id,
                "thread_id": note.thread_id,
                "position": position,
            }
            for position, inbox_id in enumerate(mentions)
        ],
    )


# As of now: mail that joins the thread later, perhaps by a forged reference, opens no note.
_NOTE_MESSAGES = f"""
    INSERT INTO note_messages (note_id, message_id, had_copy)
    SELECT :note_id, m.message_id,
           CASE WHEN EXISTS (SELECT 1 FROM copies own
                             WHERE own.inbox_id = :viewer AND own.message_id = m.message_id)
                THEN 1 ELSE 0 END
    FROM messages m
    WHERE m.thread_id = :thread_id AND m.tenant_id = :tenant_id AND {VISIBLE}
"""


async def _mention(tx: Tx, view: View, note: Note, inbox_id: bytes, *, with_task: bool) -> None:
    await record_event(
        tx,
        "thread.mentioned",
        tenant_id=view.tenant_id,
        inbox_id=inbox_id,
        thread_id=note.thread_id,
        note_id=note.note_id,
        by_inbox_id=view.inbox_id,
        now=view.now,
    )
    if not with_task:
        return
    theirs = View(view.tenant_id, inbox_id, view.now)
    subject = await thread_subject(tx, view=theirs, thread_id=note.thread_id)
    await create_task(
        tx,
        tenant_id=view.tenant_id,
        inbox_id=inbox_id,
        draft=Draft(
            "mention",
            titled("Mentioned", subject),
            thread_id=note.thread_id,
            note_id=note.note_id,
        ),
        created_by=view.inbox_id,
        now=view.now,
    )


async def require_notes(tx: Tx, *, view: View, thread_id: bytes) -> None:
    """Raises NotFound when the viewer sees neither a message of the thread nor a note on it."""
    if await sees_thread(tx, view=view, thread_id=thread_id):
        return
    if not await list_notes(tx, view=view, thread_id=thread_id, after=None, limit=1):
        raise NotFound("no such thread")


async def list_notes(
    tx: Tx, *, view: View, thread_id: bytes, after: bytes | None, limit: int
) -> list[Note]:
    """Return the notes of a thread that the viewer sees, oldest first, written after `after`."""
    rows = await tx.fetch_all(
        f"{_NOTE} AND n.note_id > :after ORDER BY n.note_id LIMIT :limit",
        {**view.params, "thread_id": thread_id, "after": after or b"", "limit": limit},
    )
    return await _with_mentions(tx, rows)


async def find_note(tx: Tx, *, view: View, thread_id: bytes, note_id: bytes) -> Note:
    """Return a note that the viewer sees. Raises NotFound."""
    rows = await tx.fetch_all(
        f"{_NOTE} AND n.note_id = :note_id",
        {**view.params, "thread_id": thread_id, "note_id": note_id},
    )
    if not rows:
        raise NotFound("no such note")
    return (await _with_mentions(tx, rows))[0]


async def count_notes(tx: Tx, *, view: View, thread_ids: Sequence[bytes]) -> dict[bytes, int]:
    """Count the notes that the viewer sees on each of the threads that have any."""
    if not thread_ids:
        return {}
    chosen, names = in_list(thread_ids)
    rows = await tx.fetch_all(
        f"""
        SELECT n.thread_id, COUNT(*) AS notes FROM notes n
        WHERE n.thread_id IN ({chosen}) AND {VISIBLE_NOTE} GROUP BY n.thread_id
        """,
        {**view.params, **names},
    )
    return {bytes(row["thread_id"]): row["notes"] for row in rows}


_NOTE = f"""
    SELECT n.note_id, n.thread_id, n.author_inbox_id, n.author_user_id, n.body, n.created_at
    FROM notes n WHERE n.thread_id = :thread_id AND {VISIBLE_NOTE}
"""


async def _with_mentions(tx: Tx, rows: Sequence[Row]) -> list[Note]:
    if not rows:
        return []
    chosen, names = in_list([bytes(row["note_id"]) for row in rows])
    mentioned: dict[bytes, list[str]] = {}
    for row in await tx.fetch_all(
        f"""
        SELECT m.note_id, i.address FROM note_mentions m
        JOIN inboxes i ON i.inbox_id = m.inbox_id
        WHERE m.note_id IN ({chosen}) ORDER BY m.note_id, m.position
        """,
        names,
    ):
        mentioned.setdefault(bytes(row["note_id"]), []).append(row["address"])
    return [
        Note(
            bytes(row["note_id"]),
            bytes(row["thread_id"]),
            bytes(row["author_inbox_id"]),
            None if row["author_user_id"] is None else bytes(row["author_user_id"]),
            row["body"],
            tuple(mentioned.get(bytes(row["note_id"]), ())),
            row["created_at"],
        )
        for row in rows
    ]


async def delete_note(tx: Tx, *, tenant_id: bytes, note_id: bytes) -> None:
    """Delete a note, and with it its grants; its tasks stay."""
    key = {"note_id": note_id, "tenant_id": tenant_id}
    # The note first: it alone has the tenant, and a foreign id must delete nothing.
    deleted = await tx.execute(
        "DELETE FROM notes WHERE note_id = :note_id AND tenant_id = :tenant_id", key
    )
    if not deleted:
        raise NotFound("no such note")
    for table in _TABLES[:-1]:
        await tx.execute(f"DELETE FROM {table} WHERE note_id = :note_id", key)


async def remove_expired_notes(tx: Tx, *, now: int) -> int:
    """Delete some of the expired notes; how many, 0 when there are no more."""
    rows = await tx.fetch_all(
        "SELECT note_id FROM notes WHERE expires_at <= :now LIMIT :limit",
        {"now": now, "limit": _EXPIRED_AT_ONCE},
    )
    keys = [{"note_id": row["note_id"]} for row in rows]
    for table in _TABLES:
        await tx.execute_many(f"DELETE FROM {table} WHERE note_id = :note_id", keys)
    return len(rows)

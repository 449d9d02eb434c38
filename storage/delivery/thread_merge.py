"""Two threads that turn out to be one.

- The older id stays. The younger is kept as another name of it, for paths, parameters and for the
  ids that senders refer to, which are not rewritten.
- A join changes nothing of who sees what: what was opened by an assignment in either thread is put
  on record message by message, and an assignment that lasts opens only what comes from now on.
- Open when one was open. The assignee is the one assigned last; the other's task is completed, and
  the history has both. A join makes no event.

docs/threads.md tells it to users.
"""

from __future__ import annotations

from storage.database import Row, Tx


async def merge_threads(
    tx: Tx, *, tenant_id: bytes, older: bytes, younger: bytes, since: bytes, now: int
) -> bool:
    """Join `younger` to `older`; False, and nothing done, when one is not there or joined.

    Assignments that last open what came after the id `since`.
    """
    pair: dict[str, object] = {"tenant_id": tenant_id, "older": older, "younger": younger}
    rows = await tx.fetch_all(_BOTH, pair)
    # One was joined since: a second join would leave a name that leads to a joined thread.
    if len(rows) != 2:
        return False
    # First: once the messages have moved, nothing tells which of them an assignment had opened.
    for statement in _OPENINGS:
        await tx.execute(statement, {**pair, "since": since})
    by_thread = {bytes(row["thread_id"]): row for row in rows}
    assignee = await _settle_assignee(tx, pair, by_thread, now)
    for statement in _MOVES:
        await tx.execute(statement, pair)
    is_open = any(row["status"] == "open" for row in rows)
    await tx.execute(
        _OLDER, {**pair, "assignee": assignee, "status": "open" if is_open else "closed"}
    )
    await tx.execute(_YOUNGER, pair)
    # A look-up follows one step only: names of the younger thread must lead on to the older.
    await tx.execute(_CHAIN, pair)
    return True


async def current_thread(tx: Tx, *, tenant_id: bytes, thread_id: bytes) -> bytes:
    """The thread that an id names now: itself, but for one that was joined to another."""
    row = await tx.fetch_one(
        "SELECT joined_to FROM threads WHERE tenant_id = :tenant_id AND thread_id = :thread_id",
        {"tenant_id": tenant_id, "thread_id": thread_id},
    )
    return bytes(row["joined_to"]) if row and row["joined_to"] else thread_id


async def _settle_assignee(
    tx: Tx, pair: dict[str, object], threads: dict[bytes, Row], now: int
) -> bytes | None:
    """Set the assignee of the joined thread; the task and the grants of the other one end."""
    assigned = [
        (bytes(row["assigned"] or b""), thread_id, bytes(row["assignee_inbox_id"]))
        for thread_id, row in threads.items()
        if row["assignee_inbox_id"]
    ]
    if not assigned:
        return None
    # By the id of the act, not its time: ids rise even when the clock is set back.
    assigned.sort()
    for _, thread_id, inbox_id in assigned[:-1]:
        key = {"tenant_id": pair["tenant_id"], "thread_id": thread_id, "inbox_id": inbox_id}
        await tx.execute(_COMPLETE, {**key, "now": now})
        if inbox_id != assigned[-1][2]:
            await tx.execute(_END_OPENINGS, {**key, "older": pair["older"]})
    return assigned[-1][2]


_PAIR = "tenant_id = :tenant_id AND thread_id IN (:older, :younger)"
_BOTH = f"""
    SELECT t.thread_id, t.status, t.assignee_inbox_id,
           (SELECT h.entry_id FROM thread_history h
            WHERE h.thread_id = t.thread_id AND h.type = 'assigned'
            ORDER BY h.entry_id DESC LIMIT 1) AS assigned
    FROM threads t WHERE {_PAIR} AND joined_to IS NULL
"""
_OPENINGS = (
    """
    INSERT INTO message_openings (inbox_id, message_id, thread_id)
    SELECT DISTINCT o.to_inbox_id, m.message_id, m.thread_id
    FROM thread_openings o
    JOIN messages m ON m.thread_id = o.thread_id AND m.tenant_id = :tenant_id
    JOIN copies c ON c.inbox_id = o.by_inbox_id AND c.message_id = m.message_id
    WHERE o.tenant_id = :tenant_id AND o.thread_id IN (:older, :younger)
      AND (o.since IS NULL OR m.message_id > o.since)
      AND (o.ended_before IS NULL OR m.message_id < o.ended_before)
    ON CONFLICT (inbox_id, message_id) DO NOTHING
    """,
    f"DELETE FROM thread_openings WHERE {_PAIR} AND ended_before IS NOT NULL",
    """
    INSERT INTO thread_openings (to_inbox_id, thread_id, by_inbox_id, tenant_id, since)
    SELECT to_inbox_id, :older, by_inbox_id, tenant_id, :since FROM thread_openings
    WHERE tenant_id = :tenant_id AND thread_id = :younger
    ON CONFLICT (to_inbox_id, thread_id, by_inbox_id) DO NOTHING
    """,
    "DELETE FROM thread_openings WHERE tenant_id = :tenant_id AND thread_id = :younger",
    """
    UPDATE thread_openings SET since = :since
    WHERE tenant_id = :tenant_id AND thread_id = :older
    """,
)
_COMPLETE = """
    UPDATE tasks SET completed_at = :now
    WHERE tenant_id = :tenant_id AND thread_id = :thread_id AND inbox_id = :inbox_id
      AND type = 'assignment' AND completed_at IS NULL
"""
_END_OPENINGS = """
    DELETE FROM thread_openings
    WHERE tenant_id = :tenant_id AND thread_id = :older AND to_inbox_id = :inbox_id
"""
# By the messages and notes of the younger thread, which have indexes; so these two come last.
_MOVES = (
    """
    UPDATE message_openings SET thread_id = :older
    WHERE thread_id = :younger AND message_id IN (
        SELECT message_id FROM messages WHERE tenant_id = :tenant_id AND thread_id = :younger)
    """,
    """
    UPDATE note_mentions SET thread_id = :older
    WHERE note_id IN (
        SELECT note_id FROM notes WHERE tenant_id = :tenant_id AND thread_id = :younger)
    """,
    *(
        f"UPDATE {table} SET thread_id = :older WHERE tenant_id = :tenant_id"
        " AND thread_id = :younger"
        for table in (
            *("thread_history", "tasks", "notes", "drafts", "approvals", "letters"),
            "messages",
        )
    ),
)
_OLDER = """
    UPDATE threads SET status = :status, assignee_inbox_id = :assignee
    WHERE tenant_id = :tenant_id AND thread_id = :older AND thread_id <> :younger
"""
_YOUNGER = """
    UPDATE threads SET joined_to = :older, assignee_inbox_id = NULL, status = 'open'
    WHERE tenant_id = :tenant_id AND thread_id = :younger
"""
_CHAIN = """
    UPDATE threads SET joined_to = :older
    WHERE tenant_id = :tenant_id AND joined_to = :younger
"""

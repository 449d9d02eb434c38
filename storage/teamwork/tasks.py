"""Tasks: the agenda of an inbox.

- A task without a due date is pending and comes before all dated ones.
- An inbox may rewrite and delete the tasks it made by hand. Tasks made by others, by an assignment
  or a mention can only be completed and reopened.
- A task never holds a note's text. A handoff's task reads it from the note while the note exists,
  so the task stays without it afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Row, Tx
from storage.errors import NotFound
from storage.events.record import record_event
from storage.ids import id_or_none

OWN_KIND = "manual"


@dataclass(frozen=True, slots=True)
class Task:
    """A stored task. `created_by` is the inbox that made it; times in microseconds."""

    task_id: bytes
    inbox_id: bytes
    kind: str
    title: str
    description: str | None
    due_at: int | None
    thread_id: bytes | None
    note_id: bytes | None
    contact_id: bytes | None
    share_id: bytes | None
    created_by: bytes | None
    created_at: int
    completed_at: int | None

    @property
    def is_own(self) -> bool:
        """Whether its inbox may rewrite and delete it."""
        return self.kind == OWN_KIND and self.created_by == self.inbox_id


@dataclass(frozen=True, slots=True)
class Place:
    """The end of a page of the agenda: the section, its sort key, the task."""

    section: int
    key: int
    task_id: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """A task to make."""

    kind: str
    title: str
    description: str | None = None
    due_at: int | None = None
    thread_id: bytes | None = None
    note_id: bytes | None = None
    contact_id: bytes | None = None
    share_id: bytes | None = None


async def create_task(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    draft: Draft,
    created_by: bytes | None,
    now: int,
) -> bytes:
    """Put a task on the agenda of an inbox; its id."""
    task_id = tx.new_id()
    await tx.execute(
        """
        INSERT INTO tasks
            (task_id, tenant_id, inbox_id, type, title, description, due_at, thread_id, note_id,
             contact_id, share_id, created_by, created_at)
        VALUES
            (:task_id, :tenant_id, :inbox_id, :kind, :title, :description, :due_at, :thread_id,
             :note_id, :contact_id, :share_id, :created_by, :now)
        """,
        {
            "task_id": task_id,
            "tenant_id": tenant_id,
            "inbox_id": inbox_id,
            "kind": draft.kind,
            "title": draft.title,
            "description": draft.description,
            "due_at": draft.due_at,
            "thread_id": draft.thread_id,
            "note_id": draft.note_id,
            "contact_id": draft.contact_id,
            "share_id": draft.share_id,
            "created_by": created_by,
            "now": now,
        },
    )
    await record_event(
        tx,
        "task.created",
        tenant_id=tenant_id,
        inbox_id=inbox_id,
        thread_id=draft.thread_id,
        task_id=task_id,
        by_inbox_id=created_by,
        now=now,
    )
    return task_id


def titled(kind: str, subject: str) -> str:
    """Build `[Assigned] {subject}`, with `(no subject)` for an empty one."""
    return f"[{kind}] {subject.strip() or '(no subject)'}"


async def find_task(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, task_id: bytes, now: int) -> Task:
    """Raises NotFound, also for a task of another inbox."""
    row = await tx.fetch_one(
        _TASK + " AND t.task_id = :task_id",
        {"tenant_id": tenant_id, "inbox_id": inbox_id, "task_id": task_id, "now": now},
    )
    if row is None:
        raise NotFound("no such task")
    return _task(row)


async def update_task(
    tx: Tx,
    *,
    tenant_id: bytes,
    task: Task,
    title: str,
    description: str | None,
    due_at: int | None,
    thread_id: bytes | None,
) -> None:
    """Rewrite an inbox's own task."""
    await tx.execute(
        """
        UPDATE tasks
        SET title = :title, description = :description, due_at = :due_at, thread_id = :thread_id
        WHERE tenant_id = :tenant_id AND task_id = :task_id
        """,
        {
            "tenant_id": tenant_id,
            "task_id": task.task_id,
            "title": title,
            "description": description,
            "due_at": due_at,
            "thread_id": thread_id,
        },
    )


async def complete_task(
    tx: Tx, *, tenant_id: bytes, task: Task, by_inbox_id: bytes | None, now: int
) -> None:
    """Complete a task; a completed one stays as it is."""
    changed = await tx.execute(
        """
        UPDATE tasks SET completed_at = :now
        WHERE tenant_id = :tenant_id AND task_id = :task_id AND completed_at IS NULL
        """,
        {"tenant_id": tenant_id, "task_id": task.task_id, "now": now},
    )
    # Only the first completion is an event, however many calls come at one time.
    if changed:
        await record_event(
            tx,
            "task.completed",
            tenant_id=tenant_id,
            inbox_id=task.inbox_id,
            thread_id=task.thread_id,
            task_id=task.task_id,
            by_inbox_id=by_inbox_id,
            now=now,
        )


async def reopen_task(tx: Tx, *, tenant_id: bytes, task_id: bytes) -> None:
    """Put a completed task on the agenda again."""
    await tx.execute(
        """
        UPDATE tasks SET completed_at = NULL WHERE tenant_id = :tenant_id AND task_id = :task_id
        """,
        {"tenant_id": tenant_id, "task_id": task_id},
    )


async def delete_task(tx: Tx, *, tenant_id: bytes, task_id: bytes) -> None:
    """Delete a task permanently."""
    await tx.execute(
        "DELETE FROM tasks WHERE tenant_id = :tenant_id AND task_id = :task_id",
        {"tenant_id": tenant_id, "task_id": task_id},
    )


async def assignment_tasks(
    tx: Tx, *, tenant_id: bytes, inbox_id: bytes, thread_id: bytes, now: int
) -> list[Task]:
    """Return the tasks by which a thread was assigned to an inbox, newest first."""
    rows = await tx.fetch_all(
        _TASK + " AND t.thread_id = :thread_id AND t.type = 'assignment' ORDER BY t.task_id DESC",
        {"tenant_id": tenant_id, "inbox_id": inbox_id, "thread_id": thread_id, "now": now},
    )
    return [_task(row) for row in rows]


async def renew_assignment_task(
    tx: Tx, *, tenant_id: bytes, task_id: bytes, description: str | None, note_id: bytes | None
) -> None:
    """Reopen an assignment's task; a given text or note replaces the former one."""
    key = {"tenant_id": tenant_id, "task_id": task_id}
    await reopen_task(tx, tenant_id=tenant_id, task_id=task_id)
    if description is not None or note_id is not None:
        await tx.execute(
            """
            UPDATE tasks SET description = :description, note_id = :note_id
            WHERE tenant_id = :tenant_id AND task_id = :task_id
            """,
            {**key, "description": description, "note_id": note_id},
        )


async def agenda(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    completed: bool,
    after: Place | None,
    limit: int,
    now: int,
) -> list[Task]:
    """Return pending tasks, newest first; dated ones by due time; then, with `completed`, those."""
    found: list[Task] = []
    for section, (condition, key, order) in enumerate(_SECTIONS[: 3 if completed else 2]):
        if after is not None and after.section > section:
            continue
        inside = after if after is not None and after.section == section else None
        beyond = f" AND {_beyond(key, order)}" if inside else ""
        rows = await tx.fetch_all(
            f"{_TASK} AND {condition}{beyond} ORDER BY {order} LIMIT :limit",
            {
                "tenant_id": tenant_id,
                "inbox_id": inbox_id,
                "now": now,
                "limit": limit - len(found),
                "key": inside.key if inside else 0,
                "task_id": inside.task_id if inside else b"",
            },
        )
        found += [_task(row) for row in rows]
        if len(found) >= limit:
            break
    return found


# Condition, sort key and order of each section of the agenda.
_SECTIONS = (
    ("t.completed_at IS NULL AND t.due_at IS NULL", "", "t.task_id DESC"),
    ("t.completed_at IS NULL AND t.due_at IS NOT NULL", "t.due_at", "t.due_at, t.task_id"),
    ("t.completed_at IS NOT NULL", "t.completed_at", "t.completed_at DESC, t.task_id DESC"),
)


def _beyond(key: str, order: str) -> str:
    sign = "<" if order.endswith("DESC") else ">"
    if not key:
        return f"t.task_id {sign} :task_id"
    return f"({key} {sign} :key OR ({key} = :key AND t.task_id {sign} :task_id))"


def place_of(task: Task) -> Place:
    """Return the cursor position of a task on the agenda."""
    if task.completed_at is not None:
        return Place(2, task.completed_at, task.task_id)
    if task.due_at is not None:
        return Place(1, task.due_at, task.task_id)
    return Place(0, 0, task.task_id)


# The text is read from the note and never copied: with the note it has to vanish here, too.
_TASK = """
    SELECT t.task_id, t.inbox_id, t.type, t.title, t.due_at, t.thread_id, n.note_id, t.contact_id,
           t.share_id, t.created_by, t.created_at, t.completed_at,
           CASE WHEN t.type = 'assignment' AND n.note_id IS NOT NULL THEN n.body
                ELSE t.description END AS description
    FROM tasks t
    LEFT JOIN notes n ON n.note_id = t.note_id AND n.expires_at > :now
    WHERE t.tenant_id = :tenant_id AND t.inbox_id = :inbox_id
"""


def _task(row: Row) -> Task:
    return Task(
        task_id=bytes(row["task_id"]),
        inbox_id=bytes(row["inbox_id"]),
        kind=row["type"],
        title=row["title"],
        description=row["description"],
        due_at=row["due_at"],
        thread_id=id_or_none(row["thread_id"]),
        note_id=id_or_none(row["note_id"]),
        contact_id=id_or_none(row["contact_id"]),
        share_id=id_or_none(row["share_id"]),
        created_by=id_or_none(row["created_by"]),
        created_at=row["created_at"],
        completed_at=row["completed_at"],
    )

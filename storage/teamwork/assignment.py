"""Assignment of threads: one assignee or none, with a task for it.

- The last assignment wins, and every act is in the history.
- The assigner's copies are granted to the assignee (`storage.mailbox.grants`). When several inboxes
  assign the thread to the same one, each grants its own.
- The assignee has one open task for it. Assigning again renews that task; when the thread gets
  another assignee, or none, the task is completed.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Tx
from storage.events.record import record_event
from storage.mailbox.grants import close_thread, grant_thread
from storage.mailbox.visibility import VISIBLE_ASSIGNEE, View, require_thread, thread_subject
from storage.teamwork.tasks import (
    Draft,
    assignment_tasks,
    complete_task,
    create_task,
    renew_assignment_task,
    titled,
)
from storage.teamwork.thread_history import Kind, record_history


@dataclass(frozen=True, slots=True)
class _Act:
    """The actor and the thread; `user_id` is the person behind the inbox."""

    view: View
    thread_id: bytes
    user_id: bytes | None


async def assign_thread(
    tx: Tx,
    *,
    view: View,
    thread_id: bytes,
    to_inbox_id: bytes,
    text: str | None,
    note_id: bytes | None = None,
    user_id: bytes | None,
) -> bool:
    """Assign a thread that the viewer sees to an inbox; whether more than its history changed.

    `text` is for the task's description; `note_id` names a note that stands for it. `user_id` is
    the person who acts. Raises NotFound.
    """
    act = _Act(view, thread_id, user_id)
    await require_thread(tx, view=view, thread_id=thread_id)
    former = await find_assignee(tx, tenant_id=view.tenant_id, thread_id=thread_id)
    # The last assignment wins; the former assignee's task and grants end with it.
    if former is not None and former != to_inbox_id:
        await _take_away(tx, act, former)
    opened = await grant_thread(
        tx,
        tenant_id=view.tenant_id,
        thread_id=thread_id,
        to_inbox_id=to_inbox_id,
        by_inbox_id=view.inbox_id,
    )
    await _set_assignee(tx, act, to_inbox_id)
    await _record(tx, "assigned", act, to_inbox_id)
    if former == to_inbox_id:
        renewed = await _renew_task(tx, act, to_inbox_id, text=text, note_id=note_id)
        return opened or renewed
    await _tell(tx, "thread.assigned", act, to_inbox_id)
    await _make_task(tx, act, to_inbox_id, text=text, note_id=note_id)
    return True


async def unassign_thread(tx: Tx, *, view: View, thread_id: bytes, user_id: bytes | None) -> bool:
    """End the assignment; whether there was one that the viewer sees.

    Raises NotFound.
    """
    await require_thread(tx, view=view, thread_id=thread_id)
    # An inbox that does not see the assignment (forged reference) cannot end it.
    former = await known_assignee(tx, view, thread_id)
    if former is not None:
        await _unassign(tx, _Act(view, thread_id, user_id), former)
    return former is not None


async def unassign_all(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, now: int) -> None:
    """End all assignments of an inbox that is deleted."""
    view = View(tenant_id, inbox_id, now)
    rows = await tx.fetch_all(
        """
        SELECT thread_id FROM threads
        WHERE tenant_id = :tenant_id AND assignee_inbox_id = :inbox_id
        """,
        {"tenant_id": tenant_id, "inbox_id": inbox_id},
    )
    for row in rows:
        await _unassign(tx, _Act(view, bytes(row["thread_id"]), None), inbox_id)


async def find_assignee(tx: Tx, *, tenant_id: bytes, thread_id: bytes) -> bytes | None:
    """Return the inbox to which the thread is assigned."""
    row = await tx.fetch_one(
        """
        SELECT assignee_inbox_id FROM threads
        WHERE tenant_id = :tenant_id AND thread_id = :thread_id
        """,
        {"tenant_id": tenant_id, "thread_id": thread_id},
    )
    assignee = row and row["assignee_inbox_id"]
    return bytes(assignee) if assignee else None


async def known_assignee(tx: Tx, view: View, thread_id: bytes) -> bytes | None:
    """Return the assignee, if the viewer may see the assignment."""
    row = await tx.fetch_one(
        f"""
        SELECT t.assignee_inbox_id FROM threads t
        WHERE t.tenant_id = :tenant_id AND t.thread_id = :thread_id AND {VISIBLE_ASSIGNEE}
        """,
        {**view.params, "thread_id": thread_id},
    )
    return bytes(row["assignee_inbox_id"]) if row else None


async def _unassign(tx: Tx, act: _Act, former: bytes) -> None:
    await _take_away(tx, act, former)
    await _set_assignee(tx, act, None)
    await _record(tx, "unassigned", act, former)


async def _take_away(tx: Tx, act: _Act, former: bytes) -> None:
    tenant_id, thread_id, now = act.view.tenant_id, act.thread_id, act.view.now
    await close_thread(tx, tenant_id=tenant_id, thread_id=thread_id, to_inbox_id=former)
    await _tell(tx, "thread.unassigned", act, former)
    for task in await assignment_tasks(
        tx, tenant_id=tenant_id, inbox_id=former, thread_id=thread_id, now=now
    ):
        await complete_task(
            tx, tenant_id=tenant_id, task=task, by_inbox_id=act.view.inbox_id, now=now
        )


async def _set_assignee(tx: Tx, act: _Act, inbox_id: bytes | None) -> None:
    await tx.execute(
        """
        UPDATE threads SET assignee_inbox_id = :inbox_id
        WHERE tenant_id = :tenant_id AND thread_id = :thread_id
        """,
        {"inbox_id": inbox_id, "tenant_id": act.view.tenant_id, "thread_id": act.thread_id},
    )


async def _make_task(
    tx: Tx, act: _Act, to_inbox_id: bytes, *, text: str | None, note_id: bytes | None
) -> None:
    view = act.view
    # The title shows what the assignee sees: a subject from a hidden message must not reach it.
    theirs = View(view.tenant_id, to_inbox_id, view.now)
    subject = await thread_subject(tx, view=theirs, thread_id=act.thread_id)
    await create_task(
        tx,
        tenant_id=view.tenant_id,
        inbox_id=to_inbox_id,
        draft=Draft(
            "assignment",
            titled("Assigned", subject),
            description=text,
            thread_id=act.thread_id,
            note_id=note_id,
        ),
        created_by=view.inbox_id,
        now=view.now,
    )


async def _renew_task(
    tx: Tx, act: _Act, to_inbox_id: bytes, *, text: str | None, note_id: bytes | None
) -> bool:
    """Reopen the assignee's task of this assignment, with a new text; whether there was one."""
    tenant_id = act.view.tenant_id
    tasks = await assignment_tasks(
        tx, tenant_id=tenant_id, inbox_id=to_inbox_id, thread_id=act.thread_id, now=act.view.now
    )
    # The open one, else the newest: where two threads were joined, an older one may be open.
    task = next((one for one in tasks if one.completed_at is None), tasks[0])
    await renew_assignment_task(
        tx, tenant_id=tenant_id, task_id=task.task_id, description=text, note_id=note_id
    )
    return task.completed_at is not None or not (text is None and note_id is None)


async def _record(tx: Tx, kind: Kind, act: _Act, assignee: bytes) -> None:
    await record_history(
        tx,
        kind,
        tenant_id=act.view.tenant_id,
        thread_id=act.thread_id,
        assignee=assignee,
        by_inbox_id=act.view.inbox_id,
        by_user_id=act.user_id,
        now=act.view.now,
    )


async def _tell(tx: Tx, kind: str, act: _Act, inbox_id: bytes) -> None:
    await record_event(
        tx,
        kind,
        tenant_id=act.view.tenant_id,
        inbox_id=inbox_id,
        thread_id=act.thread_id,
        by_inbox_id=act.view.inbox_id,
        now=act.view.now,
    )

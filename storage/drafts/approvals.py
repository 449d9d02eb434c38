"""Approvals: letters of tokens that wait until a person has read them.

- The letter is composed and stored when it is asked for; what is approved is that message, to the
  octet. It waits for 24 hours, then it is dropped.
- The inbox gets a task and an event when a letter is asked for, and an event when that is resolved;
  the task is completed with it.
- Only the state is kept here. The edge decides who may resolve, and the letter itself is
  released or dropped by whoever keeps the queue, in the same transaction.
- A resolved approval is kept for 30 days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from storage.clock import DAY, HOUR
from storage.database import Row, Tx
from storage.errors import Conflict, NotFound
from storage.events.record import record_event
from storage.teamwork.tasks import Draft, complete_task, create_task, find_task, titled

WAITS = 24 * HOUR
KEPT = 30 * DAY
KIND = "approval"
WITHDRAWN = "Cancelled by its author."
REQUESTED, RESOLVED = "approval.requested", "approval.resolved"

Status = Literal["pending", "approved", "rejected", "expired"]
Verdict = Literal["approved", "rejected", "expired"]


@dataclass(frozen=True, slots=True)
class Approval:
    """A stored approval; `seen_message_id` was the newest message of the thread that the inbox saw
    when the letter was written, None for a letter that begins a thread.
    """

    approval_id: bytes
    tenant_id: bytes
    inbox_id: bytes
    token_id: bytes
    token_label: str
    message_id: bytes
    thread_id: bytes
    subject: str
    seen_message_id: bytes | None
    task_id: bytes
    status: Status
    reason: str | None
    resolved_by: bytes | None
    resolved_at: int | None
    created_at: int
    expires_at: int

    def status_at(self, now: int) -> Status:
        """The status, whether or not the job that lapses it has run."""
        return "expired" if self.status == "pending" and self.expires_at <= now else self.status


async def request_approval(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    token_id: bytes,
    message_id: bytes,
    thread_id: bytes,
    seen_message_id: bytes | None,
    subject: str,
    now: int,
) -> bytes:
    """Ask for the approval of a stored letter; its id."""
    approval_id = tx.new_id()
    task_id = await create_task(
        tx,
        tenant_id=tenant_id,
        inbox_id=inbox_id,
        draft=Draft(KIND, titled("To approve", subject), thread_id=thread_id),
        created_by=inbox_id,
        now=now,
    )
    await tx.execute(
        """
        INSERT INTO approvals
            (approval_id, tenant_id, inbox_id, token_id, message_id, thread_id, subject,
             seen_message_id, task_id, status, created_at, expires_at)
        VALUES
            (:approval_id, :tenant_id, :inbox_id, :token_id, :message_id, :thread_id, :subject,
             :seen, :task_id, 'pending', :now, :expires_at)
        """,
        {
            "approval_id": approval_id,
            "tenant_id": tenant_id,
            "inbox_id": inbox_id,
            "token_id": token_id,
            "message_id": message_id,
            "thread_id": thread_id,
            "subject": subject,
            "seen": seen_message_id,
            "task_id": task_id,
            "now": now,
            "expires_at": now + WAITS,
        },
    )
    found = await find_approval(tx, tenant_id=tenant_id, approval_id=approval_id)
    await _announce(tx, REQUESTED, found, now)
    return approval_id


async def _announce(tx: Tx, kind: str, found: Approval, now: int) -> None:
    await record_event(
        tx,
        kind,
        tenant_id=found.tenant_id,
        inbox_id=found.inbox_id,
        thread_id=found.thread_id,
        approval_id=found.approval_id,
        now=now,
    )


async def find_approval(tx: Tx, *, tenant_id: bytes, approval_id: bytes) -> Approval:
    """Raises NotFound."""
    row = await tx.fetch_one(
        f"{_APPROVAL} AND a.approval_id = :approval_id",
        {"tenant_id": tenant_id, "approval_id": approval_id},
    )
    if row is None:
        raise NotFound("no such approval")
    return _approval(row)


async def list_approvals(
    tx: Tx,
    *,
    tenant_id: bytes,
    inbox_id: bytes,
    status: Status | None,
    before: bytes | None,
    limit: int,
    now: int,
) -> list[Approval]:
    """Return the approvals of an inbox, newest first; with `status` those in this state now."""
    rows = await tx.fetch_all(
        f"""
        {_APPROVAL} AND a.inbox_id = :inbox_id AND a.approval_id < :before
          {_IN_STATE[status] if status else ""}
        ORDER BY a.approval_id DESC LIMIT :limit
        """,
        {
            "tenant_id": tenant_id,
            "inbox_id": inbox_id,
            "before": before or b"\xff" * 17,
            "limit": limit,
            "now": now,
        },
    )
    return [_approval(row) for row in rows]


_IN_STATE: dict[Status, str] = {
    "pending": "AND a.status = 'pending' AND a.expires_at > :now",
    "approved": "AND a.status = 'approved'",
    "rejected": "AND a.status = 'rejected'",
    "expired": "AND (a.status = 'expired' OR (a.status = 'pending' AND a.expires_at <= :now))",
}


def require_pending(found: Approval, *, now: int) -> None:
    """Raises Conflict `already_resolved`, and `expired` after 24 hours."""
    status = found.status_at(now)
    if status == "expired":
        raise Conflict("expired", "This letter waited for 24 hours and was dropped.")
    if status != "pending":
        raise Conflict("already_resolved", f"This letter was {status} already.")


async def resolve(
    tx: Tx,
    *,
    found: Approval,
    verdict: Verdict,
    user_id: bytes | None,
    reason: str | None,
    now: int,
) -> None:
    """Record what became of a pending approval; its task is completed."""
    changed = await tx.execute(
        """
        UPDATE approvals
        SET status = :verdict, reason = :reason, resolved_by_user_id = :user_id, resolved_at = :now
        WHERE tenant_id = :tenant_id AND approval_id = :approval_id AND status = 'pending'
        """,
        {
            "verdict": verdict,
            "reason": reason,
            "user_id": user_id,
            "now": now,
            "tenant_id": found.tenant_id,
            "approval_id": found.approval_id,
        },
    )
    # Of two verdicts, or one and the expiry, the first counts: no letter leaves twice.
    if not changed:
        raise Conflict("already_resolved", "This letter was resolved meanwhile.")
    try:
        task = await find_task(
            tx,
            tenant_id=found.tenant_id,
            inbox_id=found.inbox_id,
            task_id=found.task_id,
            now=now,
        )
    except NotFound:
        pass  # its inbox was deleted, or the thread's tasks with it
    else:
        await complete_task(tx, tenant_id=found.tenant_id, task=task, by_inbox_id=None, now=now)
    await _announce(tx, RESOLVED, found, now)


async def withdraw(tx: Tx, *, tenant_id: bytes, message_id: bytes, now: int) -> None:
    """Resolve the pending approval of a letter that its author takes back, if it has one."""
    row = await tx.fetch_one(
        f"{_APPROVAL} AND a.message_id = :message_id AND a.status = 'pending'",
        {"tenant_id": tenant_id, "message_id": message_id},
    )
    if row is not None:
        await resolve(
            tx, found=_approval(row), verdict="rejected", user_id=None, reason=WITHDRAWN, now=now
        )


async def overdue(tx: Tx, *, approval_ids: Sequence[bytes], now: int) -> list[Approval]:
    """Return those of these approvals that waited too long and are pending still."""
    found = []
    for approval_id in approval_ids:
        row = await tx.fetch_one(
            f"{_ANY} WHERE a.approval_id = :id AND a.status = 'pending' AND a.expires_at <= :now",
            {"id": approval_id, "now": now},
        )
        found += [_approval(row)] if row else []
    return found


_ANY = """
    SELECT a.approval_id, a.tenant_id, a.inbox_id, a.token_id, k.label, a.message_id, a.thread_id,
           a.subject, a.seen_message_id, a.task_id, a.status, a.reason, a.resolved_by_user_id,
           a.resolved_at, a.created_at, a.expires_at
    FROM approvals a LEFT JOIN tokens k ON k.token_id = a.token_id
"""
_APPROVAL = f"{_ANY} WHERE a.tenant_id = :tenant_id"


def _approval(row: Row) -> Approval:
    return Approval(
        bytes(row["approval_id"]),
        bytes(row["tenant_id"]),
        bytes(row["inbox_id"]),
        bytes(row["token_id"]),
        row["label"] or "",
        bytes(row["message_id"]),
        bytes(row["thread_id"]),
        row["subject"],
        row["seen_message_id"],
        bytes(row["task_id"]),
        row["status"],
        row["reason"],
        row["resolved_by_user_id"],
        row["resolved_at"],
        row["created_at"],
        row["expires_at"],
    )

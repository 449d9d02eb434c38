"""Retention: how long each kind of data is stored, and how expired data is deleted.

- Data expires when its age reaches its period, to the microsecond: not earlier, not later.
- Expired data is found on a snapshot; each deletion checks again, in a transaction of its own, with
  at most `AT_ONCE` rows. The rest is found by the next query.
- Readers do not wait for this job: they leave out expired data by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage.accounts import audit_log, idempotency_keys, sign_in_links
from storage.accounts.sessions import IDLE, LIFETIME
from storage.clock import DAY
from storage.contacts import merges
from storage.database import Row, Tx
from storage.delivery import retry_receipts
from storage.drafts import approvals, drafts, uploads
from storage.events import log
from storage.ids import lowest_at
from storage.mailbox import trash as trash_folder
from storage.mailbox.deletion import delete_copy
from storage.maintenance.inbox_removal import GRACE, purge_some
from storage.outbound.letters import drop_held
from storage.sharing import contact_activity, resolutions, shares
from storage.teamwork import notes

AT_ONCE = 250
DELIVERIES_KEPT = 7 * DAY

Moment = Mapping[str, object]
Some = Callable[[Tx, Sequence[Row], Moment], Coroutine[Any, Any, "Removed"]]


@dataclass(frozen=True, slots=True)
class Removed:
    """The deletions of one transaction. `files` are contents to remove after the commit.

    `progress`: something was done, though it may count later, as a whole.
    """

    count: int
    files: tuple[str, ...] = ()
    progress: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of data: stored for `kept` microseconds; `due` selects expired rows."""

    name: str
    kept: int
    due: str
    some: Some

    def at(self, now: int) -> Moment:
        """Return the parameters of `due` at a time."""
        since = now - self.kept
        return {"now": now, "since": since, "since_id": lowest_at(since + 1)}


async def count_due(tx: Tx, kind: Kind, *, now: int) -> int:
    """Count the expired rows of a kind."""
    row = await tx.fetch_one(f"SELECT COUNT(*) AS due FROM ({kind.due}) over", kind.at(now))
    return int(row["due"]) if row else 0


async def find_due(tx: Tx, kind: Kind, *, now: int) -> list[Row]:
    """Return some of the expired rows."""
    return await tx.fetch_all(f"{kind.due} LIMIT {AT_ONCE}", kind.at(now))


def _rows(name: str, kept: int, table: str, key: str, over: str) -> Kind:
    """Declare a kind whose rows are deleted by themselves.

    `key` is one column, or two with a comma.
    """
    columns = key.split(", ")

    async def some(tx: Tx, rows: Sequence[Row], moment: Moment) -> Removed:
        values: list[str] = []
        names: dict[str, object] = {}
        for number, row in enumerate(rows):
            places = {f"k{number}_{place}": row[name] for place, name in enumerate(columns)}
            names |= places
            values.append(f"({', '.join(f':{place}' for place in places)})")
        return Removed(
            await tx.execute(
                f"DELETE FROM {table} WHERE ({key}) IN (VALUES {', '.join(values)}) AND ({over})",
                {**moment, **names},
            )
        )

    return Kind(name, kept, f"SELECT {key} FROM {table} WHERE {over}", some)


async def _notes(tx: Tx, rows: Sequence[Row], moment: Moment) -> Removed:
    return Removed(await notes.remove_expired_notes(tx, now=_now(moment)))


async def _lapses(tx: Tx, rows: Sequence[Row], moment: Moment) -> Removed:
    return Removed(await resolutions.lapse_some(tx, now=_now(moment)))


async def _trash(tx: Tx, rows: Sequence[Row], moment: Moment) -> Removed:
    files = []
    for row in rows:
        key = {"inbox_id": row["inbox_id"], "message_id": row["message_id"]}
        # Once more under the write lock: since it was found it may have left the trash.
        still = await tx.fetch_one(
            f"{_TRASH} AND t.inbox_id = :inbox_id AND t.message_id = :message_id",
            {**moment, **key},
        )
        if still is not None:
            files.append(await delete_copy(tx, tenant_id=bytes(still["tenant_id"]), **key))
            await tx.execute(_NO_TRASH, key)
    return Removed(len(files), tuple(file for file in files if file))


_NO_TRASH = "DELETE FROM trashed WHERE inbox_id = :inbox_id AND message_id = :message_id"
_TRASH = """
    SELECT t.inbox_id, t.message_id, i.tenant_id
    FROM trashed t JOIN inboxes i ON i.inbox_id = t.inbox_id
    WHERE t.trashed_at <= :since AND i.deleted_at IS NULL
"""


async def _inboxes(tx: Tx, rows: Sequence[Row], moment: Moment) -> Removed:
    row = rows[0]
    purged = await purge_some(
        tx,
        tenant_id=bytes(row["tenant_id"]),
        inbox_id=bytes(row["inbox_id"]),
        now=_now(moment),
    )
    return Removed(int(purged.whole), purged.files, progress=True)


async def _approvals(tx: Tx, rows: Sequence[Row], moment: Moment) -> Removed:
    now, ids = _now(moment), [bytes(row["approval_id"]) for row in rows]
    overdue = await approvals.overdue(tx, approval_ids=ids, now=now)
    for one in overdue:
        await approvals.resolve(
            tx, found=one, verdict="expired", user_id=None, reason=None, now=now
        )
        await drop_held(tx, tenant_id=one.tenant_id, message_id=one.message_id, now=now)
    return Removed(len(overdue))


async def _uploads(tx: Tx, rows: Sequence[Row], moment: Moment) -> Removed:
    ids = [bytes(row["upload_id"]) for row in rows]
    files = await uploads.remove_expired(tx, upload_ids=ids, now=_now(moment))
    return Removed(len(files), tuple(files))


def _now(moment: Moment) -> int:
    now = moment["now"]
    assert isinstance(now, int)
    return now


# A completed task of a note is deleted with the note, but not within a day of its completion. An
# event outlives its days while a webhook delivery of it is pending: earlier ones may take days.
KINDS: tuple[Kind, ...] = (
    _rows("receipts", retry_receipts.RECEIPTS_KEPT, "receipts", "digest", "received_at <= :since"),
    _rows(
        "idempotency_keys", idempotency_keys.KEPT, "idempotency_keys", "key", "claimed_at <= :since"
    ),
    _rows(
        "sessions",
        LIFETIME,
        "sessions",
        "session_id",
        f"expires_at <= :now OR last_used_at + {IDLE} <= :now",
    ),
    _rows(
        "sign_in_links", sign_in_links.LIFETIME, "sign_in_links", "code_hash", "expires_at <= :now"
    ),
    Kind("notes", notes.KEPT, "SELECT note_id FROM notes WHERE expires_at <= :now", _notes),
    _rows(
        "tasks_of_notes",
        notes.KEPT,
        "tasks",
        "task_id",
        "type = 'mention' AND completed_at IS NOT NULL AND created_at <= :since"
        f" AND completed_at + {DAY} <= :now",
    ),
    Kind(
        "shares_lapsed",
        shares.LAPSE,
        "SELECT share_id FROM shares WHERE status = 'pending' AND created_at <= :since",
        _lapses,
    ),
    _rows(
        "shares",
        shares.KEPT,
        "shares",
        "share_id",
        "status <> 'pending' AND resolved_at <= :since",
    ),
    _rows("merges", merges.UNDO, "contact_merges", "merge_id", "merged_at <= :since"),
    _rows("activity", contact_activity.KEPT, "activity", "activity_id", "created_at <= :since"),
    _rows(
        "deliveries",
        DELIVERIES_KEPT,
        "deliveries",
        "delivery_id",
        "finished_at IS NOT NULL AND finished_at <= :since",
    ),
    _rows(
        "events",
        log.KEPT,
        "events",
        "event_id",
        "event_id < :since_id AND event_id NOT IN"
        " (SELECT d.event_id FROM deliveries d WHERE d.status = 'pending')",
    ),
    Kind(
        "uploads",
        uploads.KEPT,
        "SELECT upload_id FROM uploads WHERE expires_at <= :now",
        _uploads,
    ),
    Kind(
        "approvals_lapsed",
        approvals.WAITS,
        "SELECT approval_id FROM approvals WHERE status = 'pending' AND expires_at <= :now",
        _approvals,
    ),
    _rows("approvals", approvals.KEPT, "approvals", "approval_id", "resolved_at <= :since"),
    _rows("drafts", drafts.KEPT, "drafts", "draft_id", "updated_at <= :since"),
    _rows(
        "audit_log",
        audit_log.KEPT,
        "audit_log",
        "tenant_id, entry_id",
        "created_at <= :since",
    ),
    Kind("trash", trash_folder.KEPT, _TRASH, _trash),
    Kind(
        "inboxes",
        GRACE,
        "SELECT inbox_id, tenant_id FROM inboxes WHERE deleted_at <= :since",
        _inboxes,
    ),
)

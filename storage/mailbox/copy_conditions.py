"""Conditions of a query on the copy `c`, and on the thread of the message `m`, in SQL.

- The state of a thread is the same for all; its assignee counts where the viewer may see it.
- Numbers are written out: an index of some copies only serves a statement that shows them.

They take `:viewer`, `:tenant_id` and `:now`, as those of `storage.mailbox.visibility`.
"""

from __future__ import annotations

from storage.address import canonical_or_none
from storage.database import Tx
from storage.directory.inboxes import find_inbox_by_address
from storage.errors import FieldFault, Invalid, NotFound
from storage.index.query import FOLDERS, Query
from storage.mailbox.visibility import UNASSIGNED, VISIBLE_ASSIGNEE

Assignees = frozenset[bytes | None]

_MARKS = {"unread": "c.is_read = 0", "read": "c.is_read = 1", "flagged": "c.is_flagged = 1"}


async def assignees_of(tx: Tx, *, tenant_id: bytes, inbox_id: bytes, query: Query) -> Assignees:
    """Resolve `assigned:`; None stands for nobody.

    Raises Invalid on `q` for an address that is no inbox of the tenant.
    """
    found: set[bytes | None] = set()
    for text in query.assigned:
        if text in ("me", "none"):
            found.add(inbox_id if text == "me" else None)
            continue
        try:
            canonical = canonical_or_none(text) or ""
            inbox = await find_inbox_by_address(tx, tenant_id=tenant_id, canonical=canonical)
        except NotFound:
            # One fault for unknown, foreign and list addresses: `q` must not tell them apart.
            fault = FieldFault("q", "holds an assigned: that is no inbox of this tenant")
            raise Invalid(fault) from None
        found.add(inbox.inbox_id)
    return frozenset(found)


def never_holds(query: Query, assignees: Assignees) -> bool:
    """Whether two conditions exclude each other."""
    alternatives = (query.folders, query.statuses, assignees, query.marks & {"read", "unread"})
    return any(len(each) > 1 for each in alternatives)


def conditions_of(query: Query, assignees: Assignees) -> list[str]:
    """Return the conditions on the copy, then those on the thread."""
    parts = [_MARKS[mark] for mark in sorted(query.marks)]
    parts += [f"c.folder = {FOLDERS.index(folder)}" for folder in query.folders]
    return [*parts, *thread_conditions(query, assignees)]


def thread_conditions(query: Query, assignees: Assignees) -> list[str]:
    """Return the conditions on the thread of `m`; their parameters are `condition_params`."""
    parts = [_STATUS.format(status) for status in query.statuses]
    return parts + [_NOBODY if one is None else _ASSIGNED for one in assignees]


def condition_params(assignees: Assignees) -> dict[str, object]:
    """Return the parameters, beside those of the view."""
    return {"assigned_to": next(iter(assignees), None)}


_STATUS = """
    EXISTS (SELECT 1 FROM threads t WHERE t.thread_id = m.thread_id AND t.status = '{}')
"""
_ASSIGNED = f"""
    EXISTS (SELECT 1 FROM threads t
            WHERE t.thread_id = m.thread_id AND t.assignee_inbox_id = :assigned_to
              AND {VISIBLE_ASSIGNEE})
"""
_NOBODY = f"""
    EXISTS (SELECT 1 FROM threads t
            WHERE t.thread_id = m.thread_id
              AND {UNASSIGNED})
"""

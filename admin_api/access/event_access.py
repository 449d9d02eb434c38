"""The access that a caller needs to read each event type.

- A type is for callers that may read its object; other callers never learn of it. For webhooks and
  tasks, which have no credential, the `terms` in `storage.events.catalogue` say the same.
- A test holds that this table and the catalogue name the same types.
"""

from __future__ import annotations

from collections.abc import Mapping

from admin_api.access.credentials import Principal
from admin_api.access.policy import (
    READ_AGENDA,
    READ_APPROVALS,
    READ_CONTACTS,
    READ_LISTS,
    READ_MAIL,
    READ_NOTES,
    READ_SHARES,
    Access,
    check,
)
from admin_api.http.problems import Problem

ACCESS: Mapping[str, Access] = {
    "message.received": READ_MAIL,
    "message.changed": READ_MAIL,
    "message.checked": READ_MAIL,
    "message.sent": READ_MAIL,
    "message.bounced": READ_MAIL,
    "thread.assigned": READ_MAIL,
    "thread.unassigned": READ_MAIL,
    "thread.note_added": READ_NOTES,
    "thread.mentioned": READ_NOTES,
    "thread.closed": READ_MAIL,
    "thread.reopened": READ_MAIL,
    "contact.share_received": READ_SHARES,
    "contact.share_resolved": READ_SHARES,
    "contact.handoff_received": READ_CONTACTS,
    "task.created": READ_AGENDA,
    "task.completed": READ_AGENDA,
    "approval.requested": READ_APPROVALS,
    "approval.resolved": READ_APPROVALS,
    "list.member_added": READ_LISTS,
    "list.member_removed": READ_LISTS,
}


def readable_types(principal: Principal) -> frozenset[str]:
    """Return the event types that this caller may read."""
    return frozenset(name for name, access in ACCESS.items() if _may_read(access, principal))


def _may_read(access: Access, principal: Principal) -> bool:
    try:
        check(access, principal)
    except Problem:
        return False
    return True

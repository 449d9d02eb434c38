"""The verbs of the audit log: `user.created` was done to a user, whose id begins with `usr_`."""

from __future__ import annotations

from storage.audit_log import Act, Details
from storage.ids import to_text

PREFIXES = {
    "tenant": "tnt",
    "user": "usr",
    "domain": "dom",
    "inbox": "inb",
    "token": "tok",
    "list": "lst",
    "template": "tpl",
    "share": "shr",
    "contact": "ctc",
    "message": "msg",
    "thread": "thr",
    "alert": "alr",
}


def act_of(
    action: str,
    raw_id: bytes,
    *,
    name: str = "",
    inbox_id: bytes | None = None,
    details: Details | None = None,
) -> Act:
    """The act of this verb; what stands before its dot is the kind of its object."""
    kind = action.partition(".")[0]
    object_id = to_text(PREFIXES[kind], raw_id)
    return Act(action, kind, object_id, name, inbox_id, details or {})

"""Which event types a caller may subscribe an inbox to.

- To subscribe to an event type you need the scope, plan and governance to read it. Else an alert
  would read for a token what the token may not read itself.
- A change of the target or of the types needs this for all types of the alert. Switching an alert
  off, and deleting it, does not.
"""

from __future__ import annotations

from collections.abc import Iterable

from admin_api.access.event_access import ACCESS
from admin_api.access.policy import check
from admin_api.call.call import Call
from admin_api.http.strict_json import JsonValue


def require_types(call: Call, names: Iterable[str]) -> None:
    """Raises Problem 403 for the first type that the caller may not read."""
    for name in names:
        # An unknown type is no question of rights: validation answers 400 later.
        if name in ACCESS:
            check(ACCESS[name], call.caller)


def permit_types(call: Call) -> None:
    """The same, for the `events` of an alert in the body."""
    require_types(call, _texts(call.sent.get("events")))


def permit_inbox_types(call: Call) -> None:
    """The same, for the `webhook_events` of an inbox in the body."""
    require_types(call, _texts(call.sent.get("webhook_events")))


def _texts(value: JsonValue) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []

"""Which types of events a caller may have an inbox told of.

- Who names a type must be allowed to read what it tells of: a token needs its read scope, the
  tenant its plan and governance. Else an alert would read for a token what it may not read itself.
- Who changes where events go, or which of them, names all that the alert has. Switching one off,
  and deleting it, takes none.
"""

from __future__ import annotations

from collections.abc import Iterable

from admin_api.access.event_access import ACCESS
from admin_api.access.policy import check
from admin_api.call.call import Call
from admin_api.http.strict_json import JsonValue


def require_types(call: Call, names: Iterable[str]) -> None:
    """Raises Problem 403 for the first type that the caller may not be told of."""
    for name in names:
        if name in ACCESS:
            check(ACCESS[name], call.caller)


def permit_types(call: Call) -> None:
    """The same, of those that a body names as the `events` of an alert."""
    require_types(call, _texts(call.sent.get("events")))


def permit_inbox_types(call: Call) -> None:
    """The same, of those that it names as the `webhook_events` of an inbox."""
    require_types(call, _texts(call.sent.get("webhook_events")))


def _texts(value: JsonValue) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []

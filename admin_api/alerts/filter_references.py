"""References in an alert's filter: a list, a thread, an assignee.

- Every spelling that an answer shows is accepted: ids and addresses, `me` and `none`; the id is
  stored.
- A condition that the alert already has stays valid, also when its list, thread or inbox is
  deleted: a filter can be sent back as it was read.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

from admin_api.call.call import Call, acting_inbox
from admin_api.call.references import Reference, any_inbox, any_list, visible_thread
from admin_api.http.payload import ReferenceText
from storage.alerts.alerts import Alert, find_alert
from storage.database import Tx
from storage.errors import Invalid
from storage.ids import to_text
from storage.notifications.filters import NOBODY


async def referred(tx: Tx, call: Call, field: str, name: str) -> str:
    """Resolve the condition `field` to its stored form. Raises Invalid."""
    condition = field.removeprefix("filter.")
    try:
        return await REFERENCES[condition](tx, call, field, name)
    except Invalid:
        if "alert_id" in call.arguments:
            alert = await alert_in_path(tx, call)
            # Otherwise no client could send an alert back as it was read, once its list is deleted.
            if alert.filter.get(condition) == name:
                return name
        raise


async def alert_in_path(tx: Tx, call: Call) -> Alert:
    """Return the acting inbox's alert in the path. Raises NotFound."""
    return await find_alert(
        tx,
        tenant_id=call.tenant_id,
        inbox_id=await acting_inbox(tx, call),
        alert_id=call.path_id("alr", "alert_id"),
    )


async def _list(tx: Tx, call: Call, field: str, name: str) -> str:
    return to_text("lst", await any_list(tx, call, field, name))


async def _thread(tx: Tx, call: Call, field: str, name: str) -> str:
    return to_text("thr", await visible_thread(tx, call, field, name))


async def _holder(tx: Tx, call: Call, field: str, name: str) -> str:
    if name == NOBODY:
        return NOBODY
    if name == "me":
        return to_text("inb", await acting_inbox(tx, call))
    return to_text("inb", (await any_inbox(tx, call, field, name)).inbox_id)


REFERENCES: Mapping[str, Callable[[Tx, Call, str, str], Coroutine[Any, Any, str]]] = {
    "list_id": _list,
    "thread_id": _thread,
    "assignee": _holder,
}
Referred = Annotated[ReferenceText, Reference(referred)]

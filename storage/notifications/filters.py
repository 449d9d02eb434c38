"""Alert filters: which events of its types an alert gets.

- All conditions of a filter must hold. Each fits some types only; an alert with a type that a
  condition does not fit is refused when it is made, so that no alert silently never fires.
- A filter compares what the inbox itself sees of the message or the thread: `list_id` is a list by
  which its own copy came, `assignee` is the assignee if the inbox may see the assignment.

| condition | holds for | of the types | | --- | --- | --- | | `from` | the address in From, or
every address `@domain` | `message.received` | | `list_id` | mail that came by the list; its members
| `message.received`, `list.…` | | `thread_id` | events in the thread | `message.received`,
`thread.…`, `task.…` | | `assignee` | threads assigned to that inbox, or to nobody (`none`) | as
`thread_id`, but tasks | | `verdict` | mail with one of these verdicts | `message.checked` |
"""

from __future__ import annotations

from collections.abc import Mapping

from storage.address import canonical_or_none
from storage.database import Tx
from storage.delivery.thread_merge import current_thread
from storage.errors import NotFound
from storage.events.log import RECEIVED, Event
from storage.events.record import CHECKED
from storage.ids import from_text
from storage.mailbox.copies import Copy
from storage.mailbox.visibility import View, find_message
from storage.teamwork.assignment import known_assignee

NOBODY = "none"

_MAIL = (RECEIVED, CHECKED)
_THREADS = (
    "thread.assigned",
    "thread.unassigned",
    "thread.note_added",
    "thread.mentioned",
    "thread.closed",
    "thread.reopened",
)
FITS: Mapping[str, frozenset[str]] = {
    "from": frozenset(_MAIL),
    "list_id": frozenset((*_MAIL, "list.member_added", "list.member_removed")),
    "thread_id": frozenset((*_MAIL, *_THREADS, "task.created", "task.completed")),
    "assignee": frozenset((*_MAIL, *_THREADS)),
    "verdict": frozenset((CHECKED,)),
}


async def matches(
    tx: Tx, *, inbox_id: bytes, chosen: Mapping[str, str], event: Event, now: int
) -> bool:
    """Whether the event passes the filter `chosen`, as the inbox sees it now."""
    if not chosen:
        return True
    view = View(event.tenant_id, inbox_id, now)
    thread_id, came_by = event.thread_id, {event.list_id}
    if event.message_id is not None:
        try:
            copy = await find_message(tx, view=view, message_id=event.message_id)
        except NotFound:
            return False
        thread_id, came_by = copy.thread_id, {route.list_id for route in copy.routes}
        if not _is_from(copy, chosen.get("from")):
            return False
        if "verdict" in chosen and copy.verdict not in chosen["verdict"].split(","):
            return False
    if "list_id" in chosen and from_text("lst", chosen["list_id"]) not in came_by:
        return False
    if "thread_id" in chosen:
        wanted = from_text("thr", chosen["thread_id"]) or b""
        if await current_thread(tx, tenant_id=event.tenant_id, thread_id=wanted) != thread_id:
            return False
    return "assignee" not in chosen or await _is_in_hand(tx, view, thread_id, chosen["assignee"])


def _is_from(copy: Copy, wanted: str | None) -> bool:
    """Whether the message is from the canonical address, or any address `@domain`, given."""
    if wanted is None:
        return True
    canonical = canonical_or_none(copy.sender.email) or ""
    return canonical.endswith(wanted) if wanted.startswith("@") else canonical == wanted


async def _is_in_hand(tx: Tx, view: View, thread_id: bytes | None, wanted: str) -> bool:
    holder = None if thread_id is None else await known_assignee(tx, view, thread_id)
    return holder is None if wanted == NOBODY else holder == from_text("inb", wanted)

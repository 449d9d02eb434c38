"""The calls of the API that work a thread: the same from its page and from a list."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from admin_api.call.call import Call
from admin_api.console.inside import ask, path_of
from admin_api.console.listing.bulk_acts import MARKS, STATUSES, read_back
from admin_api.console.visit import Visit
from admin_api.http.strict_json import JsonValue
from storage.errors import NotFound

THREAD = "/v1/messages/threads/{}/"
MOST_COPIES = 500  # as many as the API changes together


async def set_copies(call: Call, visit: Visit, mark: str, ids: Sequence[str]) -> None:
    """Give own copies a mark or folder."""
    for start in range(0, len(ids), MOST_COPIES):
        some: list[JsonValue] = [*ids[start : start + MOST_COPIES]]
        body: dict[str, JsonValue] = {"message_ids": some, "set": {**MARKS[mark]}}
        await ask(call, "PATCH", "/v1/messages/", inbox=visit.inbox, body=body)


async def assign_thread(
    call: Call, visit: Visit, thread_id: str, to: str, *, key: str | None = None
) -> None:
    """Assign a thread; `to` empty: to nobody. Done once for a `key`, however often it comes."""
    path = path_of(THREAD, thread_id) + "assign/"
    if to:
        await ask(call, "POST", path, inbox=visit.inbox, body={"to": to}, key=key)
    else:
        await ask(call, "DELETE", path, inbox=visit.inbox)


async def hand_off_thread(
    call: Call, visit: Visit, thread_id: str, to: str, *, key: str | None
) -> None:
    """Assign a thread with the note, and the card, that the form offers along with it."""
    body: dict[str, JsonValue] = {"to": to}
    if visit.form.get("note", "").strip():
        body["note"] = visit.form["note"]
    if visit.form.get("share_contact"):
        body["share_contact"] = True
    path = path_of(THREAD, thread_id) + "handoff/"
    await ask(call, "POST", path, inbox=visit.inbox, body=body, key=key)


async def change_status(call: Call, visit: Visit, thread_id: str, status: str) -> None:
    """Close a thread, or open it again, whatever its version is."""
    path = path_of(THREAD, thread_id)
    await ask(call, "PATCH", path, inbox=visit.inbox, body={"status": status})


async def take_back(call: Call, visit: Visit) -> None:
    """Give messages and threads back what they had, as the field `back` names it."""
    for name, values in read_back(visit.form.get("back", "")):
        if name in MARKS:
            starts = range(0, len(values), MOST_COPIES)
            steps = (set_copies(call, visit, name, values[at : at + MOST_COPIES]) for at in starts)
        elif name in STATUSES:
            steps = (change_status(call, visit, one, STATUSES[name]) for one in values)
        else:
            steps = (assign_thread(call, visit, name, one) for one in values)
        for step in steps:
            with suppress(NotFound):  # what has gone meanwhile needs nothing back
                await step

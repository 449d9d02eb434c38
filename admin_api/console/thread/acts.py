"""The calls of the API that work a thread: the same from its page and from a list."""

from __future__ import annotations

from collections.abc import Sequence

from admin_api.call.call import Call
from admin_api.console.inside import ask, path_of
from admin_api.console.listing.bulk_acts import MARKS
from admin_api.console.visit import Visit
from admin_api.http.strict_json import JsonValue

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

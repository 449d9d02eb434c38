"""The acts on a thread: each is a form, goes the API's way, and leads back to the page.

- An act that can be taken back is done at once, and the next page offers to undo it.
- A form has a key: sent twice, it is done once. That of a status has the version it was made of.
- An act on the messages is on those that the page showed: what came later was not seen.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.console.inside import ask, ask_with_tag, path_of
from admin_api.console.listing.bulk_acts import MARKS, SAID, back_of_copies, copies_of
from admin_api.console.thread import acts
from admin_api.console.thread.undo import Done, tell
from admin_api.console.views.thread_view import summary, thread_page, thread_path
from admin_api.console.visit import Visit
from admin_api.http.problems import Problem, problem_of
from admin_api.http.records import ReadRecord as Record
from admin_api.http.strict_json import JsonValue
from storage.errors import FieldFault, Invalid, StorageError

JsonObject = dict[str, JsonValue]
_USED_KEY = ("idempotency_mismatch", "idempotency_in_progress")
_SENT_BEFORE = (
    "This form was sent before with another text, which is above if it was saved."
    " Save again to add this one."
)


async def _back(
    call: Call,
    visit: Visit,
    text: str,
    act: str = "",
    fields: Mapping[str, str] | None = None,
    *,
    saved: str = "",
    to: str = "",
) -> Response:
    """Lead to the thread, which tells what was done, and offers the `act` that undoes it."""
    done = Done(text, visit.arguments["thread_id"], act, fields or {}, saved)
    if not tell(call, visit, done):
        return await thread_page(call, visit, done=done)
    return visit.redirect(thread_path(visit) + to)


async def _thread(call: Call, visit: Visit) -> Record:
    found: Record = await ask(call, "GET", _at(visit), inbox=visit.inbox)
    return found


def _at(visit: Visit, rest: str = "") -> str:
    return path_of(acts.THREAD, visit.arguments["thread_id"]) + rest


def _key(visit: Visit) -> str | None:
    return visit.form.get("key") or None


async def _post(call: Call, visit: Visit, path: str, body: JsonObject | None = None) -> Any:  # noqa: ANN401  # the record of whatever route is asked
    """Make a call of the API that is done once, even if the form comes twice."""
    return await ask(call, "POST", path, inbox=visit.inbox, body=body, key=_key(visit))


# ---- notes


async def add_note(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/threads/{thread_id}/note/."""
    mentions = _addresses(visit.form.every("mentions"))
    body: JsonObject = {"body": visit.form.get("body", ""), "mentions": [*mentions]}
    try:
        note = await _post(call, visit, _at(visit, "notes/"), body)
    except (Problem, StorageError) as error:
        return await _refused(call, visit, error, "body")
    said = await _said_of_note(call, visit)
    return await _back(call, visit, said, saved=_key(visit) or "", to=f"#i-{note['note_id']}")


async def _said_of_note(call: Call, visit: Visit) -> str:
    count = (await _thread(call, visit))["note_count"]
    seen = visit.form.get("seen", "")
    if seen.isdecimal() and count > int(seen[:9]) + 1:
        return "Note saved. Another note came meanwhile; both are here."
    return "Note saved."


async def _refused(call: Call, visit: Visit, error: Exception, main: str) -> Response:
    """Show the thread with the form as it was sent, and a new key: this one is used.

    `main` is the field that is told of a used key, if the page still has it. Raises what is no
    fault of a field.
    """
    problem = problem_of(error)
    faults: Sequence[FieldFault] = problem.faults
    # The key was used for another text: this one is not saved, and must not be lost.
    if problem.code in _USED_KEY and main:
        faults = (FieldFault(main, _SENT_BEFORE),)
    if not faults:
        raise error
    return await thread_page(call, visit, status=problem.status, faults=faults)


def _addresses(fields: Sequence[str]) -> list[str]:
    found = [one for text in fields for one in re.split(r"[,;\s]+", text) if one]
    return list(dict.fromkeys(found))


async def delete_note(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/threads/{thread_id}/delete-note/."""
    path = _at(visit, path_of("notes/{}/", visit.form.get("note_id", "")))
    await ask(call, "DELETE", path, inbox=visit.inbox)
    return await _back(call, visit, "Note deleted.")


# ---- assignment


async def assign(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/threads/{thread_id}/assign/: to a teammate; `to` empty: to nobody."""
    return await _give(call, visit, acts.assign_thread, "Assigned", "to")


async def hand_off(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/threads/{thread_id}/handoff/: assignment and note in one."""
    return await _give(call, visit, acts.hand_off_thread, "Handed off", "note")


async def _give(
    call: Call, visit: Visit, give: Callable[..., Awaitable[None]], did: str, main: str
) -> Response:
    to, key = visit.form.get("to", "").strip(), _key(visit)
    assignee = (await _thread(call, visit))["assignee"]
    before = str(assignee["address"]) if assignee else ""
    try:
        await give(call, visit, visit.arguments["thread_id"], to, key=key)
    except (Problem, StorageError) as error:
        return await _refused(call, visit, error, main)
    said = f"{did} to {to}." if to else f"{did} to nobody."
    if before and before != visit.form.get("was", before) and before.lower() != to.lower():
        said = f"{before} had taken it meanwhile. {said}"
    return await _back(call, visit, said, "assign", {"to": before, "was": to}, saved=key or "")


# ---- status and marks


async def set_status(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/threads/{thread_id}/status/: `open` or `closed`.

    Closing archives one's own copies as well.
    """
    body: JsonObject = {"status": visit.form.get("status", "")}
    version = visit.form.get("version") or None
    thread, now = await ask_with_tag(call, "GET", _at(visit), inbox=visit.inbox)
    # The version that was shown: closing would hide mail that came since, unread. Marks alone, and
    # the text of a letter that is parsed, are no reason to refuse.
    last = [one["message_id"] for one in thread["messages"][-1:]]
    shown = [*visit.form.every("newest"), visit.form.get("seen")]
    if version and shown == [*last, summary(thread)]:
        version = now
    try:
        await ask(call, "PATCH", _at(visit), inbox=visit.inbox, body=body, condition=version)
    except Problem as problem:
        if problem.status != 412:
            raise
        stale = visit.form.get("seen", "") or "another state"
        return await thread_page(call, visit, status=412, stale=stale)
    if body["status"] != "closed":
        return await _back(call, visit, "Reopened.", "status", {"status": "closed"})
    chosen = _meant(visit, "archive", await _thread(call, visit))
    said = "Closed for everybody, archived for you." if chosen else "Closed for everybody."
    try:
        await acts.set_copies(call, visit, "archive", [one["message_id"] for one in chosen])
    except (Problem, StorageError) as error:
        # It is closed already, for everybody: that has to be said, whatever happened after it.
        said, chosen = f"Closed for everybody, not archived: {problem_of(error).detail}", []
    back = {"reopen": visit.arguments["thread_id"]} | back_of_copies("archive", chosen)
    return await _back(call, visit, said, "acts", {"back": urlencode(back)})


async def mark(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/threads/{thread_id}/marks/: read, flag and folder of own copies.

    `newest` is the last message that the page showed; `only` are ids, where not all are meant.
    """
    named = visit.form.get("set", "")
    if named not in MARKS:
        raise Invalid(FieldFault("set", f"must be of {', '.join(MARKS)}"))
    before, version = await ask_with_tag(call, "GET", _at(visit), inbox=visit.inbox)
    chosen = _meant(visit, named, before)
    await acts.set_copies(call, visit, named, [one["message_id"] for one in chosen])
    # The page goes on with the new version, but where it shows an older state: it would not ask for
    # the rest then, and close with it what nobody saw.
    if visit.form.get("quiet"):
        after, new = await ask_with_tag(call, "GET", _at(visit), inbox=visit.inbox)
        shown = visit.form.get("version") or version
        tag = new if shown == version and summary(after) == summary(before) else shown
        return Response(status_code=204, headers={"ETag": tag or ""})
    if not chosen:
        return await _back(call, visit, "Nothing to change.")
    fields = {"back": urlencode(back_of_copies(named, chosen))}
    return await _back(call, visit, f"{SAID[named].capitalize()}.", "acts", fields)


async def undo(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/threads/{thread_id}/acts/: take back a mark or a status."""
    await acts.take_back(call, visit)
    return await _back(call, visit, "Taken back.")


def _meant(visit: Visit, named: str, thread: Record) -> list[Record]:
    """The copies that are meant, as in a list: of those that the page showed, or that are named."""
    by_id = {one["message_id"]: one for one in thread["messages"]}
    if only := visit.form.get("only", "").split():
        return [by_id[one] for one in only if one in by_id]
    newest = by_id.get(visit.form.get("newest", ""))
    return copies_of(named, thread, newest["received_at"] if newest else "")


# ---- what stands in the panel


async def complete_task(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/threads/{thread_id}/tasks/: complete one, or take that back."""
    task_id, is_done = visit.form.get("task_id", ""), visit.form.get("completed", "true") == "true"
    path = path_of("/v1/tasks/{}/", task_id)
    await ask(call, "PATCH", path, inbox=visit.inbox, body={"completed": is_done})
    said = "Task completed." if is_done else "Task opened again."
    fields = {"task_id": task_id, "completed": "false" if is_done else "true"}
    return await _back(call, visit, said, "tasks", fields)


async def add_card(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/threads/{thread_id}/card/: make a card of the sender."""
    name = visit.form.get("full_name", "")
    emails: list[JsonValue] = [{"label": "", "address": visit.form.get("address", "")}]
    try:
        await _post(call, visit, "/v1/contacts/", {"full_name": name, "emails": emails})
    except (Problem, StorageError) as error:
        return await _refused(call, visit, error, "")
    return await _back(call, visit, "Card added.", to="#panel")


async def request_card(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/threads/{thread_id}/request/: ask a teammate for the sender's card."""
    body: JsonObject = {
        "type": "request",
        "to_inbox_id": visit.form.get("to_inbox_id", ""),
        "contact_address": visit.form.get("address", ""),
    }
    await _post(call, visit, "/v1/contacts/shares/", body)
    said = "Asked for the card. The answer is the same whether or not there is one."
    return await _back(call, visit, said, to="#panel")


async def resolve_share(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/threads/{thread_id}/shares/: accept or decline."""
    answer = "accept" if visit.form.get("answer") == "accept" else "decline"
    path = path_of("/v1/contacts/shares/{}/" + answer + "/", visit.form.get("share_id", ""))
    await _post(call, visit, path)
    said = "Accepted." if answer == "accept" else "Declined."
    return await _back(call, visit, said, to="#panel")

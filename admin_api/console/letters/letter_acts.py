"""The acts on letters: send, take back, save as a draft; each is a form and goes the API's way.

- The text of a refused form comes back with its faults: a refusal loses nothing.
- After sending, the next page offers to take the letter back while it waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.console.inside import ask, ask_with_tag, path_of, upload
from admin_api.console.letters import letter_form
from admin_api.console.letters.compose_view import DRAFT, MESSAGE, compose_page, signature_of
from admin_api.console.thread.undo import Done, tell
from admin_api.console.views.thread_view import thread_page
from admin_api.console.visit import Visit, inbox_path
from admin_api.http.problems import Problem, problem_of
from admin_api.http.records import ReadRecord as Record
from admin_api.http.responses import answer
from storage.errors import Conflict, StorageError

_TOLD: Mapping[str, str] = {
    "thread_moved": "A newer message came meanwhile; it is above. Send again if this still fits.",
    "precondition_failed": "A teammate has changed this draft meanwhile. Send again to send yours.",
    "idempotency_mismatch": "This form was sent before with another text. Send again to send this.",
}
_GONE = "This draft was sent or deleted meanwhile. Send again to send this text."
_OURS = frozenset((403, 404, 409, 412, 413, 429))


async def send(call: Call, visit: Visit) -> Response:
    """POST …/threads/{thread_id}/letter/ and …/compose/: hand the letter to the queue."""
    try:
        queued = await _sent(call, visit)
    except (Problem, StorageError) as error:
        return await _refused(call, visit, error)
    fields = {"message_id": str(queued["message_id"])}
    said = f"Waiting {_seconds(queued, call.now)} s, then it is sent."
    done = Done(said, str(queued["thread_id"]), "unsend", fields, visit.form.get("key", ""))
    return _thread(call, visit, str(queued["thread_id"]), done)


async def _sent(call: Call, visit: Visit) -> Record:
    form, signature = visit.form, ""
    if form.get("signed"):
        here = await ask(call, "GET", path_of("/v1/inboxes/{}/", visit.inbox))
        signature = await signature_of(call, visit, here, form.get("from", ""))
    body = letter_form.letter_of(form, signature=signature)
    if form.get("last"):
        body["expected_last_message_id"] = form["last"]
    if form.get("draft_id"):
        body["draft_id"] = form["draft_id"]
    found: Record = await ask(
        call,
        "POST",
        "/v1/messages/",
        inbox=visit.inbox,
        body=body,
        key=form.get("key") or None,
        condition=form.get("draft_tag") or None,
    )
    return found


def _seconds(queued: Record, now: int) -> int:
    if not queued["send_at"]:
        return 0
    left = datetime.fromisoformat(queued["send_at"]).timestamp() - now / 1_000_000
    return max(0, round(left))


async def _refused(call: Call, visit: Visit, error: Exception) -> Response:
    """Show the letter as it was written. Raises what its author can do nothing about."""
    problem, typed = problem_of(error), letter_form.of_form(visit.form)
    faults, status = problem.faults, problem.status
    is_fault = status == 400 and bool(faults)
    is_gone = any(one.field == "draft_id" for one in faults)
    if not is_fault and status not in _OURS:
        raise error
    said = _TOLD.get(problem.code, "" if is_fault else problem.detail)
    if is_gone or (status == 404 and visit.form.get("draft_id")):
        is_gone, said = True, _GONE
    if is_gone or problem.code == "precondition_failed":
        # The draft is a teammate's text now, or none: this one goes as a letter of its own.
        typed |= {"draft_id": "", "draft_tag": ""}
    if "thread_id" in visit.arguments:
        return await thread_page(
            call, visit, status=status, letter=typed, letter_faults=faults, problem=said
        )
    return await compose_page(call, visit, status=status, faults=faults, problem=said, typed=typed)


def _thread(call: Call, visit: Visit, thread_id: str, done: Done, to: str = "") -> Response:
    tell(call, visit, done)
    return visit.redirect(inbox_path(visit.inbox, f"threads/{thread_id}/{to}"))


async def take_file(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/files/: a file for a letter, sent by the page's own script."""
    query = {"filename": visit.query.get("filename", "")}
    try:
        found = await upload(call, "/v1/uploads/", inbox=visit.inbox, query=query)
    except (Problem, StorageError) as error:
        problem = problem_of(error)
        fault = f"The name {problem.faults[0].message}." if problem.faults else problem.detail
        return answer({"fault": fault})
    name = f"{found['upload_id']}~{found['filename']}"
    return answer({"file": name, "filename": found["filename"]})


async def take_back(call: Call, visit: Visit) -> Response:
    """POST …/threads/{thread_id}/unsend/: the letter becomes a draft again, while it waits."""
    thread_id = visit.arguments["thread_id"]
    path = path_of(MESSAGE, visit.form.get("message_id", "")) + "cancel/"
    try:
        await ask(call, "POST", path, inbox=visit.inbox)
    except Conflict as error:
        # The one refusal that a person can do nothing about: told in passing, not as an error.
        if error.code != "already_sending":
            raise
        return _thread(call, visit, thread_id, Done("Too late: the letter is on its way."))
    done = Done("Taken back: it is a draft again.", thread_id)
    return _thread(call, visit, thread_id, done, "#letter")


async def save_draft(call: Call, visit: Visit) -> Response:
    """POST …/threads/{thread_id}/draft/: for teammates to see that somebody is replying.

    `quiet` is the page's own script: it gets the draft's id and version, and no page.
    """
    thread_id = visit.arguments["thread_id"]
    body = letter_form.letter_of(visit.form)
    draft_id = visit.form.get("draft_id", "")
    if draft_id:
        method, path = "PATCH", path_of(DRAFT, draft_id)
    else:
        method, path = "POST", path_of("/v1/messages/threads/{}/drafts/", thread_id)
    condition = visit.form.get("draft_tag") or None
    try:
        draft, tag = await ask_with_tag(
            call, method, path, inbox=visit.inbox, body=body, condition=condition
        )
    except (Problem, StorageError) as error:
        if visit.form.get("quiet"):
            raise
        return await _refused(call, visit, error)
    if visit.form.get("quiet"):
        headers = {"X-Draft": str(draft["draft_id"]), "ETag": tag or ""}
        return Response(status_code=204, headers=headers)
    return _thread(call, visit, thread_id, Done("Draft saved.", thread_id), "#letter")

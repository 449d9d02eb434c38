"""Letters of agents that wait for a person: each is shown whole, as it will go.

- Approving and rejecting are the API's acts; what became of it meanwhile is told in place.
- When the thread has moved on since, the letter goes only after a person said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.console import words
from admin_api.console.inside import ask, path_of, with_counts
from admin_api.console.letters.compose_view import record_of
from admin_api.console.listing.inbox_views import navigation
from admin_api.console.thread import plain_text, undo
from admin_api.console.visit import Visit, inbox_path, surround
from admin_api.http.problems import Problem, problem_of
from admin_api.http.strict_json import JsonValue
from storage.errors import StorageError

MOST_SHOWN = 20
_APPROVAL = "/v1/approvals/{}/"
_MEANWHILE = ("already_resolved", "expired", "thread_moved")


async def show_approvals(
    call: Call, visit: Visit, *, status: int = 200, fault: str = "", at: str = ""
) -> Response:
    """GET /console/{inbox}/approvals/; `fault` is why an act on the letter `at` was not done."""
    path = inbox_path(visit.inbox, "approvals/")
    await surround(call, visit, place=path)
    of_inbox = partial(ask, call, "GET", inbox=visit.inbox)
    here, counts = await with_counts(call, partial(record_of, visit.inbox), inbox=visit.inbox)
    query = {"status": "pending", "limit": str(MOST_SHOWN)}
    listed = await of_inbox("/v1/approvals/", query=query)
    found = [await of_inbox(path_of(_APPROVAL, one["approval_id"])) for one in listed["results"]]
    return visit.render(
        "approvals.html",
        status=status,
        letters=[_shown(visit, one) for one in found],
        more=listed["cursor"] is not None,
        when=partial(words.moment, zone=here["default_timezone"], now=call.now),
        nav=navigation(visit, here["aliases"], counts),
        part="approvals",
        path=path,
        done=undo.take_done(call, visit),
        fault=fault,
        at=at,
    )


def _shown(visit: Visit, approval: Mapping[str, Any]) -> Mapping[str, Any]:
    message = approval["message"]
    text = (message["text_body"] or "") if message else ""
    return {
        "approval": approval,
        "message": message,
        "blocks": plain_text.blocks(text),
        "is_cut": plain_text.is_cut(text),
        "thread_path": inbox_path(visit.inbox, f"threads/{approval['thread_id']}/"),
    }


async def approve(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/approvals/{approval_id}/approve/."""
    body: dict[str, JsonValue] = {"force": True} if visit.form.get("force") else {}
    return await _resolve(call, visit, "approve/", body, "Approved: the letter goes.")


async def reject(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/approvals/{approval_id}/reject/."""
    reason = visit.form.get("reason", "")
    body: dict[str, JsonValue] = {"reason": reason} if reason.strip() else {}
    return await _resolve(call, visit, "reject/", body, "Rejected: the letter is not sent.")


async def _resolve(
    call: Call, visit: Visit, act: str, body: dict[str, JsonValue], said: str
) -> Response:
    at = visit.arguments["approval_id"]
    path = path_of(_APPROVAL, at) + act
    key = visit.form.get("key") or None
    try:
        await ask(call, "POST", path, inbox=visit.inbox, body=body, key=key)
    except (Problem, StorageError) as error:
        problem = problem_of(error)
        # These come of somebody else who was faster: the page as it is now says more than an error.
        if not problem.faults and problem.code not in _MEANWHILE:
            raise
        fault = " ".join(f"{one.field.capitalize()} {one.message}." for one in problem.faults)
        return await show_approvals(
            call, visit, status=problem.status, fault=fault or problem.detail, at=at
        )
    undo.tell(call, visit, undo.Done(said))
    return visit.redirect(inbox_path(visit.inbox, "approvals/"))

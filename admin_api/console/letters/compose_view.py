"""The composer: under a thread for an answer, on a page of its own for a new letter.

- The own draft of a thread is opened in it; teammates' drafts are told: somebody is replying too.
- Without a smarthost there is none, and an answer is a link to the reader's own mail program.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.console.inside import ask, ask_with_tag, path_of, with_counts
from admin_api.console.letters import letter_form
from admin_api.console.listing.inbox_views import navigation
from admin_api.console.visit import Visit, inbox_path, surround
from admin_api.http.problems import Problem
from admin_api.http.records import ReadRecord as Record
from storage.clock import MINUTE
from storage.errors import FieldFault, NotFound

MESSAGE = "/v1/messages/{}/"
DRAFT = "/v1/drafts/{}/"
_REPLYING = 30 * MINUTE


async def answer_values(
    call: Call,
    visit: Visit,
    *,
    thread: Record,
    here: Record,
    own: frozenset[str],
    shown: Mapping[str, Record],
    typed: Record | None,
    template: Record | None,
) -> Record | None:
    """Return what the composer under a thread shows; `shown` are messages that were asked for,
    `typed` are fields that were refused, `template` is the text that was chosen, filled in.
    """
    if not visit.sends or not thread["messages"]:
        return None
    at = path_of("/v1/messages/threads/{}/drafts/", thread["thread_id"])
    drafts = await ask(call, "GET", at, inbox=visit.inbox)
    mine = [one for one in drafts if one["author"]["inbox_id"] == here["inbox_id"]]
    answered = await _answered(call, visit, thread, shown)
    fields: dict[str, Any] = dict(letter_form.EMPTY)
    if answered is not None:
        everybody = visit.query.get("reply") == "all"
        fields |= letter_form.of_answer(answered, own=own, everybody=everybody)
    draft = None
    if typed is None and mine and visit.query.get("reply") is None:
        path = path_of(DRAFT, mine[-1]["draft_id"])
        draft, tag = await ask_with_tag(call, "GET", path, inbox=visit.inbox)
        fields |= letter_form.of_draft(draft, tag or "")
    if template is not None:
        fields |= {"text": template["body"], "subject": template["subject"] or fields["subject"]}
    senders = _senders(here, answered)
    fields["last"] = thread["messages"][-1]["message_id"]
    fields |= typed or {}
    fields["from"] = fields["from"] or senders[0]
    values = await _values(call, visit, here, senders, fields)
    others = [one for one in drafts if _is_replying(one, here["inbox_id"], call.now)]
    return values | {"others": others, "superseded": draft is not None and draft["superseded"]}


async def _values(
    call: Call, visit: Visit, here: Record, senders: Sequence[str], fields: Record
) -> dict[str, Any]:
    """Return what every composer shows; nobody else writes a new letter."""
    return {
        "fields": fields,
        "senders": senders,
        "others": [],
        "superseded": False,
        "signature": await signature_of(call, visit, here, fields["from"]),
        "key": secrets.token_urlsafe(12),
        "files_path": inbox_path(visit.inbox, "files/"),
    }


async def _answered(
    call: Call, visit: Visit, thread: Record, shown: Mapping[str, Record]
) -> Record | None:
    """The newest message of the thread that came from outside, or the newest of all.

    Nobody answers a report of failure.
    """
    written = [one for one in thread["messages"] if one["kind"] != "bounce"] or thread["messages"]
    # Whoever sent the last letter wants to answer what came before it.
    came = [one for one in written if one["folder"] != "sent"]
    newest = (came or written)[-1]["message_id"]
    if newest in shown:
        return shown[newest]
    try:
        found: Record = await ask(call, "GET", path_of(MESSAGE, newest), inbox=visit.inbox)
    except NotFound:
        return None
    return found


def _senders(here: Record, answered: Record | None) -> list[str]:
    """The addresses from which a letter can go, the likeliest first."""
    came = [one["address"] for one in (answered or {}).get("via") or () if one["list_id"]]
    lists = [one["address"] for one in here["aliases"]]
    return list(dict.fromkeys([*came, here["address"], *lists]))


def _is_replying(draft: Record, inbox_id: str, now: int) -> bool:
    moment = datetime.fromisoformat(draft["updated_at"]).timestamp() * 1_000_000
    return draft["author"]["inbox_id"] != inbox_id and now - moment < _REPLYING


async def signature_of(call: Call, visit: Visit, here: Record, sender: str) -> str:
    """Return what stands under letters from this address."""
    for one in here["aliases"]:
        if one["address"] == sender:
            path = path_of("/v1/distribution-lists/{}/", one["list_id"])
            try:
                return str((await ask(call, "GET", path))["signature"])
            except Problem:  # lists are not of this plan
                return ""
    return str(here.get("signature", ""))


async def record_of(name: str, call: Call) -> Record:
    """Return the record of an inbox. Raises as the API answers."""
    return await ask(call, "GET", path_of("/v1/inboxes/{}/", name))  # type: ignore[no-any-return]


async def compose_page(
    call: Call,
    visit: Visit,
    *,
    status: int = 200,
    faults: Sequence[FieldFault] = (),
    problem: str = "",
    typed: Record | None = None,
) -> Response:
    """GET /console/{inbox}/compose/: a new letter.

    `faults`, `problem` and `typed` are of one that was refused.
    """
    path = inbox_path(visit.inbox, "compose/")
    await surround(call, visit, place=path)
    here, counts = await with_counts(call, partial(record_of, visit.inbox), inbox=visit.inbox)
    fields: dict[str, Any] = {**letter_form.EMPTY, "to": visit.query.get("to", ""), **(typed or {})}
    senders = _senders(here, None)
    fields["from"] = fields["from"] or senders[0]
    letter = await _values(call, visit, here, senders, fields)
    return visit.render(
        "compose.html",
        status=status,
        letter=letter if visit.sends else None,
        letter_faults=faults_of(faults),
        problem=problem,
        here=here,
        path=path,
        nav=navigation(visit, here["aliases"], counts),
        part="compose",
        draft_name=f"{visit.user_id}/{here['inbox_id']}/new/letter",
    )


_FIELDS = {"text_body": "text", "attachments": "file", "reply_to_message_id": "reply_to"}


def faults_of(faults: Sequence[FieldFault]) -> dict[str, str]:
    """Return the faults of a letter by the fields of the form."""
    found: dict[str, str] = {}
    for fault in faults:
        name = fault.field.partition("[")[0].partition(".")[0]
        found.setdefault(_FIELDS.get(name, name), fault.message)
    return found

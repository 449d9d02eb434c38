"""Pending work of an inbox, in numbers."""

from __future__ import annotations

from starlette.responses import Response

from admin_api.call.call import Call, act_for, may_act_for, named_inbox
from admin_api.directory.records import counts_record
from admin_api.http.problems import not_found
from admin_api.http.responses import answer
from storage.database import Tx
from storage.mailbox.visibility import View
from storage.teamwork.counts import Counts, count_inbox


async def show_counts(call: Call) -> Response:
    """GET /v1/inboxes/{inbox_id}/counts/."""
    return answer(counts_record(await _counts(call)))


async def _counts(call: Call) -> Counts:
    """Count what waits for the inbox in the path, unless nothing was committed since."""

    async def count(tx: Tx) -> Counts:
        return await count_inbox(tx, view=await locate(tx, call))

    kept, number = call.service.counts, call.database.commit_number()
    if number is None:
        return await call.database.read(count)
    view = await call.database.read_quick(lambda tx: locate(tx, call))
    counts = kept.get(view, number)
    if counts is None:
        counts = await call.database.read(lambda tx: count_inbox(tx, view=view))
        kept.keep(view, number, counts)
    return counts


async def locate(tx: Tx, call: Call) -> View:
    """Return the view of the inbox in the path. Raises Problem 404 if the caller may not act for
    it.
    """
    inbox = await named_inbox(tx, tenant_id=call.tenant_id, name=call.arguments["inbox_id"])
    if inbox is None or not may_act_for(call.caller, inbox):
        raise not_found()
    # The path names the inbox here: a look into another's goes on record as with `inbox_id`.
    act_for(call, inbox)
    return View(call.tenant_id, inbox.inbox_id, call.now)

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

    async def work(tx: Tx) -> Counts:
        return await count_inbox(tx, view=await locate(tx, call))

    return answer(counts_record(await call.database.read(work)))


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

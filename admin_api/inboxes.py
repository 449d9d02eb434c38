"""Inboxes: how teammates are found."""

from __future__ import annotations

from starlette.responses import Response

from admin_api.answers import answer
from admin_api.call import Call, may_act_for
from admin_api.records import inbox_record
from storage import inboxes
from storage.database import Tx
from storage.inboxes import Alias, Inbox


async def list_inboxes(call: Call) -> Response:
    """GET /v1/inboxes/: settings are shown to the inbox itself, its owner and admins."""

    async def work(tx: Tx) -> tuple[list[Inbox], dict[bytes, list[Alias]]]:
        found = await inboxes.list_inboxes(tx, tenant_id=call.tenant_id)
        return found, await inboxes.aliases(tx, tenant_id=call.tenant_id)

    found, aliases = await call.database.read(work)
    return answer(
        [
            inbox_record(
                inbox,
                aliases.get(inbox.inbox_id, ()),
                settings=may_act_for(call.caller, inbox),
            )
            for inbox in found
        ]
    )

"""The first page: the inboxes of who signed in, with what is unread in each.

Whoever may act for one inbox only is led there, unless all are asked for.
"""

from __future__ import annotations

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.console.inside import ask, path_of, snapshot
from admin_api.console.visit import Visit, inbox_path
from admin_api.http.records import Record

_MOST = 20
_MOST_OTHERS = 200


async def show_home(call: Call, visit: Visit) -> Response:
    """GET /console/."""
    own = visit.own[:_MOST]
    if len(visit.inboxes) == 1 and "all" not in visit.query:
        return visit.redirect(inbox_path(visit.inboxes[0]["address"]))

    async def counts(inner: Call) -> list[Record]:
        paths = [path_of("/v1/inboxes/{}/counts/", str(one["inbox_id"])) for one in own]
        return [await ask(inner, "GET", path) for path in paths]

    found = await snapshot(call, counts)
    rows = [
        {"address": one["address"], "aliases": one["aliases"], "counts": each}
        for one, each in zip(own, found, strict=True)
    ]
    others = [one for one in visit.inboxes if one["owner_user_id"] != visit.user_id]
    return visit.render("home.html", rows=rows, others=others[:_MOST_OTHERS])

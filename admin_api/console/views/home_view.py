"""The first page: the inboxes of who signed in, with what is unread in each.

Whoever may act for one inbox only is led there, unless all are asked for.
"""

from __future__ import annotations

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.console.inside import ask, path_of
from admin_api.console.visit import Visit

_MOST = 20
_MOST_OTHERS = 200


async def show_home(call: Call, visit: Visit) -> Response:
    """GET /console/."""
    if visit.query.get("to"):  # of the switcher
        return visit.redirect(visit.way_into(visit.query["to"]))
    own = visit.own[:_MOST]
    if len(visit.inboxes) == 1 and "all" not in visit.query:
        return visit.redirect(visit.way_into(visit.inboxes[0]["address"]))

    paths = [path_of("/v1/inboxes/{}/counts/", str(one["inbox_id"])) for one in own]
    rows = [
        {"address": one["address"], "aliases": one["aliases"], "counts": await ask(call, "GET", at)}
        for one, at in zip(own, paths, strict=True)
    ]
    others = [one for one in visit.inboxes if one["owner_user_id"] != visit.user_id]
    return visit.render("home.html", rows=rows, others=others[:_MOST_OTHERS])

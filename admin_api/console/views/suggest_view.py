"""The offers of the search box, as options."""

from __future__ import annotations

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.console.inside import ask, optional
from admin_api.console.listing.inbox_views import inbox_of
from admin_api.console.listing.suggestions import MOST, offers, person_asked
from admin_api.console.visit import Visit
from admin_api.http.records import ReadRecord as Record

_MOST_TYPED = 200


async def show_offers(call: Call, visit: Visit) -> Response:
    """GET /console/{inbox}/suggest/: for `q`, the word that is being typed.

    Of another's inbox no card is offered: each look into it is on record.
    """
    word = visit.query.get("q", "")[:_MOST_TYPED]
    team = visit.team or await ask(call, "GET", "/v1/inboxes/")
    here = inbox_of(team, visit.inbox)
    asked, cards = person_asked(word), list[Record]()
    if asked is not None and here["owner_user_id"] == visit.user_id:
        query = {"q": asked, "limit": str(MOST)}
        found = await optional(ask(call, "GET", "/v1/contacts/", inbox=visit.inbox, query=query))
        cards = found["results"] if found else []
    given = offers(word, team=team, lists=here["aliases"], cards=cards)
    return visit.render("suggest.html", offers=given)

"""The test mail of the first steps, by SMTP to the server's own port: the page says what it said.

It goes to an address of the inbox in the path, whose owner the user is, while no mail is there.
"""

from __future__ import annotations

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.console import words
from admin_api.console.inside import ask
from admin_api.console.listing.first_run import addresses_of
from admin_api.console.listing.inbox_views import inbox_of
from admin_api.console.thread.undo import Done, tell
from admin_api.console.views.list_view import IN_LIST
from admin_api.console.visit import Visit, inbox_path
from admin_api.http.problems import Problem, not_found
from storage.errors import FieldFault, Invalid

_SUBJECT = "Hello from Postroom"
_BODY = """This mail came by SMTP, as every mail does.

Next: assign it (a, or i to take it yourself), then write a note (n).
Everything else is one key away: ? shows them all."""


async def send_test_mail(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/test-mail/: to the address `to` of this inbox."""
    here = inbox_of(await ask(call, "GET", "/v1/inboxes/"), visit.inbox)
    if here["owner_user_id"] != visit.user_id:
        raise not_found()
    to = visit.form.get("to", "")
    if to not in addresses_of(here):
        raise Invalid(FieldFault("to", "This is no address of the inbox."))
    one = {"limit": "1"}
    found = await ask(call, "GET", "/v1/messages/threads/", inbox=visit.inbox, query=one)
    # Otherwise this button would be a way to fill an inbox.
    if found["results"]:
        raise Problem(409, "not_empty", "A test mail is for an inbox without mail.")
    refused = await call.service.trial.send(to, _SUBJECT, _BODY)
    text = f"Test mail sent to {to}; it appears here by itself."
    if refused is not None:
        text = f"The test mail was refused: {words.visible(refused[:300])}"
    tell(call, visit, Done(text, IN_LIST))
    return visit.redirect(inbox_path(visit.inbox))

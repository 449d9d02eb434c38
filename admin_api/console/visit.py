"""A visit: one request of the page, admitted, and the ways to answer it.

- A view gets the call (`admin_api.console.inside` asks the API with it) and the visit.
- `render` shows the whole page, or to htmx one block of the same template.
- `redirect` leads on with 303, to htmx by its own header: it would follow a 303 without being seen.
- A page that answers a refused form has the same around it as any other, and says where it is:
  scripts put that into the address, so that it can be asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.responses import HTMLResponse, Response

from admin_api.access.policy import is_admin
from admin_api.call.call import Call
from admin_api.console.forms import Form
from admin_api.console.inside import ask
from admin_api.console.kept_parts import KeptParts
from admin_api.console.live.shared_rows import SharedRows
from admin_api.console.rendering import page
from admin_api.events.page_stream import MOST_INBOXES, SharedFrames
from admin_api.http.records import Record
from storage.accounts.users import User

View = Callable[[Call, "Visit"], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Page:
    """One row of the page table; `public`: nobody has to be signed in.

    A `part` is shown alone, without what stands around a page. The body of a `file` is one, which
    a script of ours sends.
    """

    method: str
    path: str
    view: View
    public: bool = False
    file: bool = False
    part: bool = False


@dataclass(slots=True)
class Visit:
    """One request of the page.

    `inbox` is the address in the path, `arguments` are the other segments that the path names,
    decoded. `user` is None and `token` empty when nobody is signed in. `inboxes` are the records of
    the inboxes that this user may act for, own ones first, `team` those of all teammates; a
    fragment has none. A `pane` is a page in a frame of ours, beside a list. `sends` tells whether
    letters leave from here; `place` is the address of a page that answers a form. `look` are the
    choices of this browser, `shared`, `parts` and `frames` are made for all; `cookies` are
    Set-Cookie headers for the response.
    """

    path: str
    fragment: bool
    pane: bool
    look: Mapping[str, str]
    shared: SharedRows
    parts: KeptParts
    frames: SharedFrames
    form: Form = field(default_factory=lambda: Form([]))
    query: Form = field(default_factory=lambda: Form([]))
    arguments: Mapping[str, str] = field(default_factory=dict)
    sends: bool = False
    place: str = ""
    token: str = ""
    user: User | None = None
    user_id: str = ""
    inboxes: Sequence[Record] = ()
    team: Sequence[Record] = ()
    cookies: list[str] = field(default_factory=list)

    @property
    def inbox(self) -> str:
        return self.arguments["inbox"]

    @property
    def own(self) -> list[Record]:
        """The inboxes of which the user is the owner."""
        return [one for one in self.inboxes if one["owner_user_id"] == self.user_id]

    @property
    def here(self) -> Record | None:
        """The record of the inbox in the path, where this user may act for it."""
        named = self.arguments.get("inbox")
        return next((one for one in self.inboxes if one["address"] == named), None)

    @property
    def is_acting(self) -> bool:
        """Whether the inbox in the path is somebody else's."""
        return self.here is not None and self.here["owner_user_id"] != self.user_id

    @property
    def live(self) -> str:
        """The ids of the inboxes that the browser's stream is about; none in another's inbox.

        Each look into an inbox of somebody else is on record.
        """
        shown = self.own[:MOST_INBOXES]
        if self.is_acting:
            return ""
        return " ".join(str(one["inbox_id"]) for one in shown)

    def way_into(self, address: object) -> str:
        """Return the path into an inbox: to the view with which it opens in this browser."""
        view = self.look["view"]
        return inbox_path(address, "" if view == "inbox" else f"?view={view}")

    def path_to(self, address: str) -> str:
        """Return the path of an inbox's list, for templates."""
        return inbox_path(address)

    def render(
        self, template: str, *, block: str | None = None, status: int = 200, **values: object
    ) -> Response:
        """Show a page; to htmx, its `block` only, where one is named."""
        given = {"visit": self, "inbox": self.arguments.get("inbox", ""), **values}
        shown = block if self.fragment else None
        return HTMLResponse(page(template, given, block=shown), status)

    def redirect(self, path: str) -> Response:
        """Lead to another page of ours."""
        if self.fragment:
            return Response(status_code=200, headers={"HX-Redirect": path, "HX-Reswap": "none"})
        return Response(status_code=303, headers={"Location": path})


async def surround(call: Call, visit: Visit, *, place: str = "") -> None:
    """Learn what stands around a page, unless it is known; a refused form was sent from `place`."""
    if visit.form:
        visit.place = place
    if visit.user is None or visit.team:
        return
    visit.team = await ask(call, "GET", "/v1/inboxes/")
    own = [one for one in visit.team if one["owner_user_id"] == visit.user_id]
    others = [one for one in visit.team if one["owner_user_id"] != visit.user_id]
    visit.inboxes = own + others if is_admin(call.caller) else own


def inbox_path(address: object, rest: str = "") -> str:
    """Return the path of an inbox's page."""
    return f"/console/{quote(str(address), safe='@')}/{rest}"

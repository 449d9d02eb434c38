"""The list of threads of an inbox: one view of it, or a search, page by page.

- Only what the API lists is shown. Counts are read beside the threads, by another reader: together
  they take as long as the slower of the two.
- A page of the API may hold few threads, or none, and still lead on: then it is followed, a bounded
  number of times.
- A search that the API refuses leaves the list as it is, with the fault at the box.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response

from admin_api.access.policy import is_admin
from admin_api.call.call import Call
from admin_api.console import words
from admin_api.console.inside import ask, path_of, snapshot
from admin_api.console.listing import bulk_acts
from admin_api.console.listing.first_run import first_steps
from admin_api.console.listing.inbox_views import (
    InboxView,
    list_path,
    navigation,
    view_of,
)
from admin_api.console.thread import undo
from admin_api.console.thread.undo import Done
from admin_api.console.views.thread_view import is_secure
from admin_api.console.visit import Visit, inbox_path
from admin_api.http.problems import Problem, not_found
from storage.errors import FieldFault, Invalid

Record = Mapping[str, Any]
PAGE = 50
MOST_ROWS = 500
_MOST_OF_API = 200
_MOST_STEPS = 4
# The acts of a list stand in the place of a thread's id.
IN_LIST = "list"
_NO_DRAFT: Record = {"to": "", "hand_to": "", "note": ""}


@dataclass(frozen=True, slots=True)
class Rows:
    """The threads of a page, where it goes on, and what waits for the inbox."""

    threads: Sequence[Record]
    cursor: str | None
    counts: Record


async def show_list(call: Call, visit: Visit) -> Response:
    """GET /console/{inbox}/."""
    response = await list_page(call, visit, place=visit.query)
    if undo.COOKIE in call.request.cookies:
        visit.cookies.append(undo.done_cookie(None, secure=is_secure(call)))
    return response


_PATHS = {"suggest": "suggest", "test_mail": "test-mail", "acts": "acts", "threads": "threads"}


async def list_page(
    call: Call,
    visit: Visit,
    *,
    place: Mapping[str, str],
    done: Done | None = None,
    status: int = 200,
    faults: Mapping[str, str] | None = None,
    draft: Record | None = None,
    chosen: Collection[str] = (),
) -> Response:
    """Show the list at `place`: its view, search, page, and how many rows are `shown`.

    `faults`, `draft` and `chosen` are of an act that was refused: by field, its texts, its threads.
    """
    team = visit.team or await ask(call, "GET", "/v1/inboxes/")
    here = inbox_of(team, visit.inbox)
    view = view_of(place.get("view") or "inbox", here["aliases"])
    if view is None:
        raise not_found()
    query = place.get("q", "").strip()
    rows, fault = await _searched(call, visit, here, view, place)
    done = done or undo.read_done(call.request.cookies.get(undo.COOKIE, ""))
    more = {"view": view.name, "q": "" if fault else query, "cursor": rows.cursor or ""}
    back = {"view": view.name, "q": query}
    is_more = visit.fragment and place is visit.query and "cursor" in place
    return visit.render(
        "list.html",
        block="rows" if is_more else "page",
        status=status if fault is None else 400,
        view=view,
        q=query,
        cursor=place.get("cursor", ""),
        is_more=is_more,
        fault=fault,
        faults=faults or {},
        draft={**_NO_DRAFT, **(draft or {})},
        chosen=frozenset(chosen),
        key=secrets.token_urlsafe(12),
        acts=bulk_acts,
        rows=rows,
        team=team,
        here=here,
        title=_title(view, query, here, rows.counts),
        nav=navigation(visit.inbox, here["aliases"], rows.counts),
        ours=frozenset(one.lower() for one in _addresses(here)),
        when=partial(words.moment, zone=here.get("default_timezone", "UTC"), now=call.now),
        done=done if done and done.thread == IN_LIST else None,
        first=first_steps(here, rows.threads, call.service.trial.server())
        if _is_beginning(visit, view, query, here)
        else None,
        place=list_path("", place).partition("?")[2],
        more=list_path(visit.inbox, more) if rows.cursor else "",
        back=list_path(visit.inbox, back),
        **{f"{name}_path": inbox_path(visit.inbox, f"{path}/") for name, path in _PATHS.items()},
        is_admin=is_admin(call.caller),
    )


async def _searched(
    call: Call, visit: Visit, here: Record, view: InboxView, place: Mapping[str, str]
) -> tuple[Rows, str | None]:
    """Return the rows; where the search is refused, those of the view and its fault."""
    query = place.get("q", "").strip()
    try:
        asked = {"q": query} if query else {**view.query}
        return await _rows(call, visit, here, asked, place), None
    except (Invalid, Problem) as error:
        fault = _fault_of_query(error)
        if fault is None:
            raise
    return await _rows(call, visit, here, {**view.query}, place), fault


def inbox_of(team: Sequence[Record], address: str) -> Record:
    """Return the record of the inbox in the path. Raises Problem 404."""
    for one in team:
        if address.lower() in (one["address"].lower(), one["inbox_id"]):
            return one
    raise not_found()


def _addresses(here: Record) -> list[str]:
    """The addresses that mail to this inbox has: they tell nothing in a row."""
    return [here["address"], *(alias["address"] for alias in here["aliases"])]


def _is_beginning(visit: Visit, view: InboxView, query: str, here: Record) -> bool:
    """Whether the first steps may be shown: to its owner, where an inbox begins."""
    return view.name == "inbox" and not query and bool(here["owner_user_id"] == visit.user_id)


def _fault_of_query(error: Invalid | Problem) -> str | None:
    """Return the fault of the search, if it is that."""
    faults: Sequence[FieldFault] = error.faults or ()
    return next((one.message for one in faults if one.field == "q"), None)


async def _rows(
    call: Call, visit: Visit, here: Record, asked: dict[str, str], place: Mapping[str, str]
) -> Rows:
    is_own = here["owner_user_id"] == visit.user_id
    shown = place.get("shown", "")
    wanted = min(max(int(shown[:4]), PAGE), MOST_ROWS) if shown.isdecimal() else PAGE

    async def threads(inner: Call) -> tuple[list[Record], str | None]:
        return await listed(inner, visit, asked, place.get("cursor", ""), wanted)

    async def counts(inner: Call) -> Record:
        at = path_of("/v1/inboxes/{}/counts/", visit.inbox)
        return await ask(inner, "GET", at)  # type: ignore[no-any-return]

    async def both(inner: Call) -> Rows:
        return Rows(*await threads(inner), await counts(inner))

    if not is_own:  # a look on record is one transaction
        return await snapshot(call, both, inbox=visit.inbox)
    counting = asyncio.ensure_future(snapshot(call, counts))
    try:
        found = await snapshot(call, threads)
    finally:
        await asyncio.wait([counting])  # also when the search is refused: nothing runs on
    return Rows(*found, await counting)


async def listed(
    call: Call, visit: Visit, asked: dict[str, str], cursor: str, wanted: int
) -> tuple[list[Record], str | None]:
    """Return as many threads as wanted, or all there are, and where the list goes on."""
    found: list[Record] = []
    following: str | None = cursor
    for _ in range(_MOST_STEPS):
        query = asked | {"limit": str(min(wanted - len(found), _MOST_OF_API))}
        query |= {"cursor": following} if following else {}
        page = await ask(call, "GET", "/v1/messages/threads/", inbox=visit.inbox, query=query)
        found += page["results"]
        following = page["cursor"]
        if following is None or len(found) >= wanted:
            break
    return found, following


def _title(view: InboxView, query: str, here: Record, counts: Record) -> str:
    unread = counts["unread"]["inbox"]
    name = f"Search: {query}" if query else view.label
    number = f"({words.capped(unread)}) " if unread else ""
    return f"{number}{words.visible(name)} · {words.visible(here['address'])}"

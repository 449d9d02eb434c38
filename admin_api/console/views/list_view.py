"""The list of threads of an inbox: one view of it, or a search, page by page.

- Only what the API lists is shown. Counts are read beside the threads, by another reader: together
  they take as long as the slower of the two.
- A page of the API may hold few threads, or none, and still lead on: then it is followed, a bounded
  number of times.
- A search that the API refuses leaves the list as it is, with the fault at the box.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import HTMLResponse, Response

from admin_api.access.policy import is_admin
from admin_api.call.call import Call
from admin_api.console import words
from admin_api.console.inside import ask, is_own, path_of, snapshot, with_counts
from admin_api.console.listing import bulk_acts
from admin_api.console.listing.first_run import first_steps
from admin_api.console.listing.inbox_views import (
    InboxView,
    inbox_of,
    list_path,
    navigation,
    view_of,
)
from admin_api.console.live.shared_rows import PackedPage
from admin_api.console.rendering import macro, page
from admin_api.console.thread import undo
from admin_api.console.thread.undo import Done
from admin_api.console.visit import Visit, inbox_path, surround
from admin_api.http.problems import Problem, not_found
from admin_api.http.records import ReadRecord as Record
from storage.errors import Invalid
from storage.ids import from_text

PAGE = 50
MOST_ROWS = 500
_MOST_OF_API = 200
_MOST_STEPS = 4
# The acts of a list stand in the place of a thread's id.
IN_LIST = "list"


@dataclass(frozen=True, slots=True)
class Rows:
    """The threads of a page, where it goes on, and what waits for the inbox, if it is asked."""

    threads: Sequence[Record]
    cursor: str | None
    counts: Record | None


async def show_list(call: Call, visit: Visit) -> Response:
    """GET /console/{inbox}/; to scripts, with `follow` or `cursor`, its rows alone."""
    if visit.fragment and not {"follow", "cursor"}.isdisjoint(visit.query):
        return await _rows_alone(call, visit)
    return await list_page(call, visit, place=visit.query)


async def list_page(
    call: Call,
    visit: Visit,
    *,
    place: Mapping[str, str],
    done: Done | None = None,
    faults: Mapping[str, str] | None = None,
    refused: str = "",
    chosen: Collection[str] = (),
) -> Response:
    """Show the list at `place`: its view, search, page, and how many rows are `shown`.

    `faults` and `chosen` are of the act that was `refused`: by field, and its threads.
    """
    await surround(call, visit, place=list_path(visit.inbox, place))
    here = inbox_of(visit.team, visit.inbox)
    view = view_of(place.get("view") or "inbox", here["aliases"])
    if view is None:
        raise not_found()
    rows, fault = await _searched(call, visit, view, place)
    is_beginning = view.name == "inbox" and not _query(place)
    done = done or undo.take_done(call, visit)
    shown = _shown(call, visit, here, view, rows, place=place)
    if fault is not None:
        more = {"view": view.name, "cursor": rows.cursor or ""}
        shown["more"] = list_path(visit.inbox, more) if rows.cursor else ""
    return visit.render(
        "list.html",
        block="page",
        status=200 if fault is None and not faults else 400,
        refused=refused,
        **shown,
        cursor=place.get("cursor", ""),
        fault=fault,
        faults=faults or {},
        chosen=frozenset(chosen),
        key=secrets.token_urlsafe(12),
        acts=bulk_acts,
        done=done if done and done.thread == IN_LIST else None,
        first=first_steps(here, rows.threads, call.service.trial.server())
        if is_beginning and here["owner_user_id"] == visit.user_id
        else None,
        back=list_path(visit.inbox, {"view": view.name, "q": _query(place)}),
        acts_path=inbox_path(visit.inbox, "acts/"),
        test_mail_path=inbox_path(visit.inbox, "test-mail/"),
        is_admin=is_admin(call.caller),
    )


async def _rows_alone(call: Call, visit: Visit) -> Response:
    """Older rows, or what is live: one rendering for all tabs of a user that show the same.

    `follow` is the newest event of which the tab was told, or empty. Only of one's own inbox: each
    look into another is on record.
    """
    place, made = visit.query, partial(_rows_text, call, visit)
    if "follow" not in place:
        return HTMLResponse(await made())
    if not await is_own(call, visit.inbox):
        raise not_found()
    key = (visit.user_id, visit.inbox, place.get("view", ""), _query(place), _wanted(place))
    since = from_text("evt", place["follow"]) or b""
    packed = await visit.shared.get(key, made, tenant_id=call.tenant_id, since=since)
    return PackedPage(packed)


async def _rows_text(call: Call, visit: Visit) -> str:
    place, is_live = visit.query, "follow" in visit.query
    here = await ask(call, "GET", path_of("/v1/inboxes/{}/", visit.inbox))
    view = view_of(place.get("view") or "inbox", here["aliases"])
    if view is None:
        raise not_found()
    rows = await _rows(call, visit, _asked(view, _query(place)), place, counted=is_live)
    shown = _shown(call, visit, here, view, rows, place=place)
    return page("list_rows.html", {**shown, "is_live": is_live})


def _shown(
    call: Call, visit: Visit, here: Record, view: InboxView, rows: Rows, *, place: Mapping[str, str]
) -> dict[str, object]:
    """The values of the rows and of the views at their side, and where the list goes on."""
    query = _query(place)
    more = {"view": view.name, "q": query, "cursor": rows.cursor or ""}
    return {
        "view": view,
        "q": query,
        "rows": rows,
        "here": here,
        "inbox": visit.inbox,
        "title": _title(view, query, here, rows.counts),
        "nav": navigation(visit, here["aliases"], rows.counts),
        "row": visit.parts.at(_rows_place(call, visit, here, view, place), _row),
        "more": list_path(visit.inbox, more) if rows.cursor else "",
    }


def _rows_place(
    call: Call, visit: Visit, here: Record, view: InboxView, place: Mapping[str, str]
) -> dict[str, Any]:
    """All that rows depend on beside what they show; at midnight hours become dates."""
    query, zone = list_path("", place).partition("?")[2], here.get("default_timezone", "UTC")
    return {
        "path": inbox_path(visit.inbox, "threads/"),
        "query": f"?{query}" if query else "",
        "own": here["inbox_id"],
        # The addresses that mail to this inbox has: they tell nothing in a row.
        "ours": [one["address"].lower() for one in (here, *here["aliases"])],
        "view": view.name,
        "zone": zone,
        "day": words.today(call.now, zone),
    }


def _row(place: Record, one: Record, is_chosen: bool) -> str:
    when = partial(words.moment_on, zone=place["zone"], day=place["day"])
    return macro("list_parts.html", "row")(one, place, when, is_chosen)


def _query(place: Mapping[str, str]) -> str:
    return place.get("q", "").strip()


def _asked(view: InboxView, query: str) -> dict[str, str]:
    """A search is in all folders."""
    return {"q": query} if query else {**view.query}


def _wanted(place: Mapping[str, str]) -> int:
    """How many rows a page has: as many as are shown, within bounds."""
    shown = place.get("shown", "")
    return min(max(int(shown[:4]), PAGE), MOST_ROWS) if shown.isdecimal() else PAGE


async def _searched(
    call: Call, visit: Visit, view: InboxView, place: Mapping[str, str]
) -> tuple[Rows, str | None]:
    """Return the rows; where the search is refused, those of the view and its fault."""
    query = _query(place)
    try:
        return await _rows(call, visit, _asked(view, query), place), None
    except (Invalid, Problem) as error:
        fault = next((one.message for one in error.faults or () if one.field == "q"), None)
        if fault is None:
            raise
    return await _rows(call, visit, {**view.query}, place), fault


async def _rows(
    call: Call,
    visit: Visit,
    asked: dict[str, str],
    place: Mapping[str, str],
    *,
    counted: bool = True,
) -> Rows:
    async def threads(inner: Call) -> tuple[list[Record], str | None]:
        return await listed(inner, visit, asked, place.get("cursor", ""), _wanted(place))

    if not counted:
        return Rows(*await snapshot(call, threads, inbox=visit.inbox), None)
    found, counts = await with_counts(call, threads, inbox=visit.inbox)
    return Rows(*found, counts)


async def listed(
    call: Call, visit: Visit, asked: dict[str, str], cursor: str, wanted: int
) -> tuple[list[Record], str | None]:
    """Return as many threads as wanted, or all there are, and where the list goes on."""
    found: list[Record] = []
    following: str | None = cursor
    # Bounded: for a rare word one page would read the whole inbox.
    for _ in range(_MOST_STEPS):
        query = asked | {"limit": str(min(wanted - len(found), _MOST_OF_API))}
        query |= {"cursor": following} if following else {}
        page = await ask(call, "GET", "/v1/messages/threads/", inbox=visit.inbox, query=query)
        found += page["results"]
        following = page["cursor"]
        if following is None or len(found) >= wanted:
            break
    return found, following


def _title(view: InboxView, query: str, here: Record, counts: Record | None) -> str:
    unread = counts["unread"]["inbox"] if counts else 0
    name = f"Search: {query}" if query else view.label
    number = f"({words.capped(unread)}) " if unread else ""
    return f"{number}{words.visible(name)} · {words.visible(here['address'])}"

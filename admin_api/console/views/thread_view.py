"""The page of a thread: its time line, who is on it, and the panel about the sender.

- All but the bodies of open messages is one state of the store.
- Parts that the plan leaves out (notes, relationships, shares) are left out of the page.
- Looking changes nothing, not even what is read: that is an act of the page's own script, or of a
  button.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response

from admin_api.access.policy import is_admin
from admin_api.call.call import Call
from admin_api.console import words
from admin_api.console.inside import (
    ask,
    ask_with_tag,
    members_of,
    optional,
    path_of,
    snapshot,
    with_counts,
)
from admin_api.console.letters import compose_view
from admin_api.console.listing.inbox_views import inbox_of, list_path, navigation
from admin_api.console.rendering import macro
from admin_api.console.thread import reply, undo
from admin_api.console.thread.acts import THREAD
from admin_api.console.thread.audience import Members, audience, copies_of_all, gets
from admin_api.console.thread.time_line import Item, People, outside_sender, sentence, time_line
from admin_api.console.views.message_view import MESSAGE, message_values
from admin_api.console.visit import Visit, inbox_path, surround
from admin_api.http.problems import not_found
from admin_api.http.records import ReadRecord as Record
from storage.errors import FieldFault

_MOST_EXPLAINED = 20


@dataclass(frozen=True, slots=True)
class Parts:
    """The API's record of a thread and its sender; None: not for this plan, or not there."""

    thread: Record
    version: str
    here: Record
    team: Sequence[Record]
    acts: Sequence[Record]
    notes: Sequence[Record] | None
    tasks: Sequence[Record]
    templates: Sequence[Record] | None
    panel: Record
    members: Members

    @property
    def people(self) -> People:
        names = {one["inbox_id"]: one["display_name"] or one["address"] for one in self.team}
        ids = {one["address"].lower(): one["inbox_id"] for one in self.team}
        return People(names, self.here["inbox_id"], ids)


async def show_thread(call: Call, visit: Visit) -> Response:
    """GET /console/{inbox}/threads/{thread_id}/.

    To scripts, with the version that is shown as `follow`, nothing if it is the present one.
    """
    if visit.fragment and visit.query.get("follow"):
        at = path_of(THREAD, visit.arguments["thread_id"])
        _, version = await ask_with_tag(call, "GET", at, inbox=visit.inbox)
        # The page stays as it is, with what is being typed in it.
        if version == visit.query["follow"]:
            return Response(status_code=204)
    return await thread_page(call, visit)


async def show_who(call: Call, visit: Visit) -> Response:
    """GET …/threads/{thread_id}/who/: all copies of its newest messages, for admins, on record."""
    if not is_admin(call.caller):
        raise not_found()
    at = path_of(THREAD, visit.arguments["thread_id"])
    thread = await ask(call, "GET", at, inbox=visit.inbox)
    ids = [one["message_id"] for one in thread["messages"][-_MOST_EXPLAINED:]]
    explained = [await ask(call, "GET", path_of(MESSAGE + "deliveries/", one)) for one in ids]
    return visit.render(
        "who.html", copies=copies_of_all(explained), count=len(ids), path=thread_path(visit)
    )


def thread_path(visit: Visit, rest: str = "") -> str:
    """Return the path of the thread's page."""
    return inbox_path(visit.inbox, f"threads/{visit.arguments['thread_id']}/{rest}")


async def thread_page(
    call: Call,
    visit: Visit,
    *,
    status: int = 200,
    faults: Sequence[FieldFault] = (),
    stale: str = "",
    letter: Record | None = None,
    letter_faults: Sequence[FieldFault] = (),
    problem: str = "",
    done: undo.Done | None = None,
) -> Response:
    """Show the thread; `faults` are of the form that was refused, `stale` of a change, `letter`,
    `letter_faults` and `problem` of a letter; `done` is the act that this answers.
    """
    await surround(call, visit, place=thread_path(visit))
    read = partial(_parts, inbox=visit.inbox, visit=visit)
    if visit.pane:  # beside a list there are no views
        parts, counts = await snapshot(call, read, inbox=visit.inbox), None
    else:
        parts, counts = await with_counts(call, read, inbox=visit.inbox)
    thread = parts.thread
    items = time_line(
        thread["messages"], parts.notes or (), parts.acts, opened=visit.query.get("open", "")
    )
    opened = [item.id for item in items if item.kind == "message" and item.is_open]
    bodies = await _bodies(call, visit, opened)
    done = done or undo.take_done(call, visit)
    answer = await _answer(call, visit, parts, bodies)
    composer = await compose_view.answer_values(
        call,
        visit,
        thread=thread,
        here=parts.here,
        own=_own(parts.team),
        shown={one: values["message"] for one, values in bodies.items()},
        typed=letter,
        template=answer["template"] if answer and "mail" in visit.query else None,
    )
    return visit.render(
        "thread.html",
        status=status,
        parts=parts,
        thread=thread,
        items=items,
        bodies=bodies,
        entry=visit.parts.at(_time_line_place(call, visit, parts), _entry),
        **_frame_values(call, visit, parts, counts),
        answer=answer,
        parts_of=reply.parts_of,
        letter=composer,
        letter_faults=compose_view.faults_of(letter_faults),
        problem=problem,
        done=done if done and done.thread in ("", thread["thread_id"]) else None,
        faults={fault.field: fault.message for fault in faults},
        stale=stale,
        # The form that comes back as it was sent; that of a letter is put back by the composer.
        sent=visit.path.split("/")[-2] if faults else "",
    )


async def _bodies(call: Call, visit: Visit, opened: Sequence[str]) -> dict[str, Record]:
    """Read the open messages, outside of the snapshot: no transaction waits for files."""
    reads = [message_values(call, visit, one) for one in opened]
    found = await asyncio.gather(*reads, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):  # all are done: nothing runs on behind the answer
            raise one
    return {one: each for one, each in zip(opened, found, strict=True) if isinstance(each, dict)}


def _frame_values(call: Call, visit: Visit, parts: Parts, counts: Record | None) -> dict[str, Any]:
    """The values around the time line, whatever was typed."""
    messages = parts.thread["messages"]
    held = [one for one in messages if one["folder"] is not None]
    return {
        "people": parts.people,
        "when": partial(words.moment, zone=parts.here["default_timezone"], now=call.now),
        "path": thread_path(visit),
        # The list from which the thread was opened, as far as its link says so.
        "back": f"{list_path(visit.inbox, visit.query)}#t-{visit.arguments['thread_id']}",
        "nav": navigation(visit, parts.here["aliases"], counts),
        "part": "",
        "audience": audience(messages, parts.notes or (), parts.acts, parts.people, parts.members),
        "held": held,
        "gets": gets(held, [one for one in parts.team if one != parts.here], parts.members),
        "is_admin": is_admin(call.caller),
        "summary": summary(parts.thread),
        "is_own": parts.here["owner_user_id"] == visit.user_id,
        "new_key": partial(secrets.token_urlsafe, 12),
    }


def _time_line_place(call: Call, visit: Visit, parts: Parts) -> dict[str, Any]:
    """All that entries of the time line depend on beside what they show."""
    zone = parts.here["default_timezone"]
    return {
        "path": thread_path(visit),
        "messages": inbox_path(visit.inbox, "messages/"),
        "people": parts.people,
        "is_admin": is_admin(call.caller),
        "zone": zone,
        "day": words.today(call.now, zone),
    }


def _entry(place: Record, item: Item, body: Record | None) -> str:
    """Show an entry of the time line; an open message with its `body`."""
    when = partial(words.moment_on, zone=place["zone"], day=place["day"])
    return macro("time_line.html", item.kind)(item, item.record, body, place, when, sentence)


async def _parts(call: Call, *, inbox: str, visit: Visit) -> Parts:
    get = partial(ask, call, "GET")
    of_inbox = partial(get, inbox=inbox)
    at = path_of(THREAD, visit.arguments["thread_id"])
    thread, version = await ask_with_tag(call, "GET", at, inbox=inbox)
    team = visit.team
    agenda = await of_inbox("/v1/agenda/", query={"limit": "200"})
    return Parts(
        thread=thread,
        version=version or "",
        here=inbox_of(team, inbox),
        team=team,
        acts=await of_inbox(at + "history/"),
        notes=await optional(of_inbox(at + "notes/")),
        tasks=[one for one in agenda if one["thread_id"] == thread["thread_id"]],
        templates=await optional(get("/v1/templates/")),
        panel=await _panel(call, inbox, outside_sender(thread["messages"], _own(team))),
        members={
            one["list_id"]: await members_of(call, one["list_id"])
            for one in thread["via"]
            if one["list_id"]
        },
    )


def _own(team: Sequence[Record]) -> frozenset[str]:
    """Return the addresses of the team, in lower case."""
    return frozenset(
        address.lower()
        for one in team
        for address in (one["address"], *(alias["address"] for alias in one["aliases"]))
    )


async def _panel(call: Call, inbox: str, sender: Record | None) -> Record:
    """The card and the relationship of the last sender from outside."""
    of_inbox = partial(ask, call, "GET", inbox=inbox)
    shares = await optional(of_inbox("/v1/contacts/shares/", query={"limit": "20"})) or []
    if sender is None:
        return {"sender": None, "shares": shares, "known": None, "card": None, "activity": []}
    address = sender["email"]
    known = await optional(of_inbox(path_of("/v1/relationships/{}/", address)))
    activity = await optional(of_inbox("/v1/activity/", query={"address": address, "limit": "20"}))
    return {
        "sender": sender,
        "shares": shares,
        "known": known,
        "card": await _card(of_inbox, address, known),
        "activity": activity["results"] if activity else [],
    }


async def _card(of_inbox: Any, address: str, known: Record | None) -> Record | None:  # noqa: ANN401
    if known and known["contact_id"]:
        card: Record = await of_inbox(path_of("/v1/contacts/{}/", known["contact_id"]))
        return card
    found = await of_inbox("/v1/contacts/", query={"q": address, "limit": "5"})
    for card in found["results"]:
        if address.lower() in [one["address"].lower() for one in card["emails"]]:
            return card
    return None


def summary(thread: Record) -> str:
    """Return the state of a thread in words, to compare it with what it was."""
    assignee = thread["assignee"]["address"] if thread["assignee"] else "nobody"
    messages = words.plural(thread["message_count"], "message")
    notes = words.plural(thread["note_count"], "note")
    return f"{thread['status']}, assigned to {assignee}, {messages}, {notes}"


async def _answer(
    call: Call, visit: Visit, parts: Parts, bodies: Mapping[str, Record]
) -> Record | None:
    """The mailto of a reply to the last message, with the template that was chosen."""
    last = [one["message_id"] for one in parts.thread["messages"]][-1:]
    if not last:
        return None
    message, own = bodies[last[0]]["message"], _own(parts.team)
    chosen = visit.query.get("template", "")
    if not chosen or parts.templates is None:
        return {"link": reply.mailto(message, own=own), "template": None}
    rendered = await ask(
        call,
        "POST",
        path_of("/v1/templates/{}/", chosen),
        inbox=visit.inbox,
        body={"thread_id": parts.thread["thread_id"]},
    )
    link = reply.mailto(message, own=own, subject=rendered["subject"], body=rendered["body"])
    named = {one["template_id"]: one["variables"] for one in parts.templates}.get(chosen, ())
    filled = rendered["subject"] + rendered["body"]
    left = [f"{{{name}}}" for name in named if f"{{{name}}}" in filled]
    return {"link": link, "template": rendered, "chosen": chosen, "left": left}

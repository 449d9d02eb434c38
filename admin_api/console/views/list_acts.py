"""Acts on the threads chosen in a list: one form, one act, and one undo for all of them.

- Each thread goes the API's own way. One that is gone meanwhile is left out, and the next page says
  so. Any other refusal ends the act there: the page tells why, and offers to undo what was done.
- Closing is for everybody, and archives one's own copies as well.
- Pressed in the page, the answer is the list anew; without scripts the form leads back to it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.responses import Response

from admin_api.call.call import Call
from admin_api.console import words
from admin_api.console.inside import ask, path_of, snapshot
from admin_api.console.listing import bulk_acts
from admin_api.console.listing.inbox_views import inbox_of, list_path, view_of
from admin_api.console.thread import acts
from admin_api.console.thread.undo import Done, tell
from admin_api.console.views.list_view import IN_LIST, list_page, listed
from admin_api.console.visit import Visit
from admin_api.http.problems import Problem, problem_of
from admin_api.http.records import ReadRecord as Record
from storage.errors import FieldFault, Invalid, NotFound, StorageError

T = TypeVar("T")
_STEP = 100
_TO = {"assign": "to", "handoff": "hand_to"}


async def act(call: Call, visit: Visit) -> Response:
    """POST /console/{inbox}/acts/: `act` on every `thread`, or `back` to undo one."""
    form, named = visit.form, _named(visit.form)
    try:
        done = await _done(call, visit, named)
    except (Invalid, Problem) as error:
        if not error.faults:
            raise
        faults = {fault.field: fault.message for fault in error.faults}
        chosen = [one.partition("~")[0] for one in form.every("thread")]
        return await list_page(call, visit, place=form, faults=faults, chosen=chosen, refused=named)
    if visit.fragment or not tell(call, visit, done):
        return await list_page(call, visit, place=form, done=done)
    return visit.redirect(list_path(visit.inbox, form))


def _named(form: Mapping[str, str]) -> str:
    """The act; Enter in a field of an address sends the form without the name of a button."""
    if form.get("act"):
        return form["act"]
    return "handoff" if form.get("hand_to") else "assign"


async def _done(call: Call, visit: Visit, named: str) -> Done:
    if named == "back":
        await acts.take_back(call, visit)
        return Done("Taken back.", IN_LIST)
    if named in bulk_acts.WHOLE:
        return await _whole_view(call, visit, named)
    chosen = bulk_acts.chosen_of(visit.form.every("thread"))
    if not chosen:
        raise Invalid(FieldFault("thread", "Choose at least one thread."))
    if len(chosen) > bulk_acts.MOST_THREADS:
        raise Invalid(FieldFault("thread", f"Choose at most {bulk_acts.MOST_THREADS} threads."))
    threads = await _threads(call, visit, chosen)
    named = bulk_acts.meant(named, threads)
    until = {one.thread_id: one.shown_until for one in chosen}
    if named in bulk_acts.MARKS:
        did = await _mark(call, visit, named, threads, until)
    elif named in bulk_acts.STATUSES:
        did = await _set_status(call, visit, named, threads, until)
    elif named in ("take", "unassign", "assign", "handoff"):
        did = await _assign(call, visit, named, threads)
    else:
        raise Invalid(FieldFault("act", "There is no such act."))
    if not did.back and named != "handoff":
        return Done("Nothing to change.", IN_LIST)
    saved = visit.form.get("key", "") if named == "handoff" and not did.why else ""
    return _told(did, len(threads), len(chosen), saved)


def _told(did: _Did, count: int, asked: int, saved: str) -> Done:
    text = f"{words.plural(did.count if did.why else count, 'thread')} {did.said}."
    if did.why:
        text += f" Then it ended: {did.why}"
    if count < asked:
        text += f" {words.plural(asked - count, 'thread')} had gone."
    act, fields = ("acts", {"back": urlencode(did.back)}) if did.back else ("", {})
    return Done(text, IN_LIST, act, fields, saved)


async def _whole_view(call: Call, visit: Visit, named: str) -> Done:
    """One step of an act on all that the view or search holds now; the next page offers the next.

    It has no undo: it is on more than anybody looked at.
    """
    form, (mark, still, _) = visit.form, bulk_acts.WHOLE[named]
    here = inbox_of(await ask(call, "GET", "/v1/inboxes/"), visit.inbox)
    view, query = view_of(form.get("view", ""), here["aliases"]), form.get("q", "").strip()
    if view is None or view.query.get("folder", "inbox") != "inbox":
        raise Invalid(FieldFault("act", "There is no such act."))
    asked = {**({"q": query} if query else view.query), **still}
    found, more = await snapshot(
        call, lambda inner: listed(inner, visit, asked, "", _STEP), inbox=visit.inbox
    )
    chosen = [bulk_acts.Chosen(one["thread_id"], one["last_message_at"]) for one in found]
    threads = await _threads(call, visit, chosen)
    until = {one.thread_id: one.shown_until for one in chosen}
    if not (await _mark(call, visit, mark, threads, until)).back:
        return Done("Nothing more to change.", IN_LIST)
    before = form.get("so_far", "")
    count = len(threads) + (int(before[:9]) if before.isdecimal() else 0)
    text = f"{words.plural(count, 'thread')} {bulk_acts.SAID[mark]}"
    if more is None:
        return Done(f"{text}.", IN_LIST)
    return Done(f"{text} so far.", IN_LIST, "again", {"act": named, "so_far": str(count)})


async def _threads(call: Call, visit: Visit, chosen: Sequence[bulk_acts.Chosen]) -> list[Record]:
    """The chosen threads with their messages, as they are now; without those that are gone."""

    async def work(inner: Call) -> list[Record]:
        found = []
        for one in chosen:
            try:
                path = path_of(acts.THREAD, one.thread_id)
                found.append(await ask(inner, "GET", path, inbox=visit.inbox))
            except NotFound:  # the thread has gone since it was chosen
                continue
        return found

    return await snapshot(call, work, inbox=visit.inbox)


# ---- each act


@dataclass(frozen=True, slots=True)
class _Did:
    """The result of an act on `count` threads: its undo, and why it ended, if it did."""

    back: Mapping[str, str]
    count: int
    said: str
    why: str = ""


async def _in_turn(
    items: Sequence[T], work: Callable[[T], Coroutine[Any, Any, object]]
) -> tuple[list[T], str]:
    """Return the items that it was done to, and why not to the rest; what is gone is left out.

    Raises the refusal of the very first.
    """
    done: list[T] = []
    for one in items:
        try:
            await work(one)
        except NotFound:  # it has gone since it was chosen: the act is on the others
            continue
        except (Problem, StorageError) as error:
            # Nothing was done yet: the refusal is the answer, and the form comes back as it was.
            if not done:
                raise
            problem = problem_of(error)
            return done, " ".join(fault.message for fault in problem.faults) or problem.detail
        done.append(one)
    return done, ""


async def _mark(
    call: Call, visit: Visit, named: str, threads: Sequence[Record], until: Mapping[str, str]
) -> _Did:
    copies = [
        (copy, thread["thread_id"])
        for thread in threads
        for copy in bulk_acts.copies_of(named, thread, until.get(thread["thread_id"], ""))
    ]
    starts = range(0, len(copies), acts.MOST_COPIES)
    done, why = await _in_turn(
        [copies[at : at + acts.MOST_COPIES] for at in starts],
        lambda some: acts.set_copies(call, visit, named, [copy["message_id"] for copy, _ in some]),
    )
    changed = [one for some in done for one in some]
    back = bulk_acts.back_of_copies(named, [copy for copy, _ in changed])
    return _Did(back, len({thread_id for _, thread_id in changed}), bulk_acts.SAID[named], why)


async def _set_status(
    call: Call, visit: Visit, named: str, threads: Sequence[Record], until: Mapping[str, str]
) -> _Did:
    status = bulk_acts.STATUSES[named]
    done, why = await _in_turn(
        [one for one in threads if one["status"] != status],
        lambda one: acts.change_status(call, visit, one["thread_id"], status),
    )
    back = bulk_acts.back_of_status(named, done) if done else {}
    said = bulk_acts.SAID[named]
    if named == "close" and done:
        try:
            moved = await _mark(call, visit, "archive", done, until)
            back, why = {**back, **moved.back}, why or moved.why
        except (Problem, StorageError) as error:
            said, why = "closed for everybody, not archived", why or problem_of(error).detail
    return _Did(back, len(done), said, why)


async def _assign(call: Call, visit: Visit, named: str, threads: Sequence[Record]) -> _Did:
    """Assign, or hand off with a note."""
    field = _TO.get(named, "")
    to = visit.form.get(field, "").strip() if field else ""
    if named == "take":
        to = visit.inbox
    elif field and not to:
        raise Invalid(FieldFault(field, "Name a teammate."))
    others = [one for one in threads if named == "handoff" or not _has(one, to)]

    async def give(one: Record) -> None:
        thread_id, key = one["thread_id"], visit.form.get("key")
        if named != "handoff":
            return await acts.assign_thread(call, visit, thread_id, to)
        # The key of the form is that of each thread, too: sent twice, it is done once.
        return await acts.hand_off_thread(
            call, visit, thread_id, to, key=f"{key}-{thread_id}" if key else None
        )

    try:
        done, why = await _in_turn(others, give)
    except (Invalid, Problem) as error:
        if not error.faults:
            raise
        names = {"to": field}  # by the names of the form's fields
        faults = [FieldFault(names.get(one.field, one.field), one.message) for one in error.faults]
        raise Invalid(*faults) from None
    said = {
        "unassign": bulk_acts.SAID["unassign"],
        "take": "taken",
        "assign": f"assigned to {to}",
        "handoff": f"handed off to {to}",
    }
    back = bulk_acts.back_of_assignees([one for one in done if not _has(one, to)])
    return _Did(back, len(done), said[named], why)


def _has(thread: Record, to: str) -> bool:
    """Whether a thread is already in the hands of `to`, or of nobody."""
    assignee = thread["assignee"]
    return bool((assignee["address"].lower() if assignee else "") == to.lower())

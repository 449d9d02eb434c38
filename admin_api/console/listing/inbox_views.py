"""Views of an inbox: a name in the address, and the query of the thread list that it stands for.

- A list that the inbox is a member of is a view, too, named by the list's id.
- A search looks in all folders; its view is where it leads back to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from admin_api.console.visit import Visit, inbox_path
from admin_api.http.problems import not_found
from admin_api.http.records import ReadRecord as Record


@dataclass(frozen=True, slots=True)
class InboxView:
    """One view: `key` leads there.

    `query` are parameters of the thread list; `count` is the path to its number in the counts.
    """

    name: str
    label: str
    key: str
    query: dict[str, str]
    count: tuple[str, ...] = ()

    @property
    def empty(self) -> str:
        """The text where it holds nothing: it teaches what comes there."""
        return _EMPTY.get(self.name, f"Mail to {self.label} comes here.")


_OPEN = {"status": "open"}
_TO_NOBODY = {"folder": "inbox", "assigned_to": "none"} | _OPEN
VIEWS = (
    InboxView("inbox", "Inbox", "g i", {"folder": "inbox"}, ("unread", "inbox")),
    InboxView("unread", "Unread", "g u", {"folder": "inbox", "unread": "true"}),
    InboxView("mine", "Mine", "g m", {"assigned_to": "me"} | _OPEN, ("mine",)),
    InboxView("unassigned", "Unassigned", "g n", _TO_NOBODY, ("unassigned",)),
    InboxView("closed", "Closed", "", {"status": "closed"}),
    InboxView("flagged", "Flagged", "", {"flagged": "true"}),
    InboxView("archive", "Archive", "", {"folder": "archive"}, ("unread", "archive")),
    InboxView("junk", "Junk", "", {"folder": "junk"}, ("unread", "junk")),
    InboxView("trash", "Trash", "", {"folder": "trash"}, ("unread", "trash")),
)
_EMPTY = {
    "inbox": "Mail to this address and to the lists it is on comes here.",
    "unread": "Everything in the inbox has been read.",
    "mine": "Threads that you take (i), or that are assigned to you, are here until they close.",
    "unassigned": "Every open thread has somebody who takes care of it.",
    "closed": "A thread that is done is closed (c), for everybody.",
    "flagged": "Threads that you flag (s) are here. Only you see your flags.",
    "archive": "What you archive (e) leaves your inbox, and nobody else's.",
    "junk": "What you mark as junk (!) is here.",
    "trash": "What you move to the trash (#) is here until it is deleted for good.",
}


def inbox_of(team: Sequence[Record], address: str) -> Record:
    """Return the record of the inbox in the path. Raises Problem 404."""
    for one in team:
        if address.lower() in (one["address"].lower(), one["inbox_id"]):
            return one
    raise not_found()


def view_of(name: str, lists: Sequence[Record]) -> InboxView | None:
    """Return the view of this name; `lists` are the aliases of the inbox."""
    return next((one for one in (*VIEWS, *list_views(lists)) if one.name == name), None)


def list_views(lists: Sequence[Record]) -> list[InboxView]:
    """Return the views of the lists that the inbox is on."""
    return [
        InboxView(one["list_id"], one["address"], "", VIEWS[0].query | {"list_id": one["list_id"]})
        for one in lists
    ]


def count_of(view: InboxView, counts: Record | None) -> int:
    """Return the number beside a view; 1,000 means more, 0 shows none."""
    if counts is None:
        return 0
    if not view.count:
        return sum(one["unread"] for one in counts["by_list"] if one["list_id"] == view.name)
    found: Any = counts
    for part in view.count:
        found = found[part]
    return int(found)


_LETTERS = (
    InboxView("compose", "New letter", "C", {}),
    InboxView("approvals", "Approvals", "g a", {}),
)


def navigation(visit: Visit, lists: Sequence[Record], counts: Record | None = None) -> list[Record]:
    """Return the views with their paths and numbers: those of everybody, the lists, and letters.

    Where no letter leaves, there is nothing to write or to approve.
    """
    groups = {"": VIEWS[:-3], "Folders": VIEWS[-3:], "Lists": list_views(lists)}
    found: list[Record] = [
        {
            "view": one,
            "path": list_path(visit.inbox, {"view": one.name}),
            "count": count_of(one, counts),
            "group": group,
        }
        for group, views in groups.items()
        for one in views
    ]
    for one in _LETTERS if visit.sends else ():
        path = inbox_path(visit.inbox, f"{one.name}/")
        found.append({"view": one, "path": path, "count": 0, "group": "Letters"})
    return found


def list_path(address: object, place: Mapping[str, str]) -> str:
    """Return the path of a list: of `place` its view, its search and its page."""
    given = {name: place[name] for name in ("view", "q", "cursor") if place.get(name)}
    if given.get("view") == "inbox":
        del given["view"]
    return inbox_path(address, f"?{urlencode(given)}" if given else "")

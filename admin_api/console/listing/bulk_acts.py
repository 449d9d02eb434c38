"""Acts on the chosen threads of a list: which there are, and on which messages each is.

- An act on messages is on own copies that were there when the list was shown: what came later was
  not seen. Archiving is of copies in the inbox. A flag, and being unread, is set on the newest copy
  and taken off all. One's own letters stay in the folder `sent`: nothing brings them back there.
- The undo of an act names messages and threads, not a state: only what was changed goes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from admin_api.http.records import ReadRecord as Record
from storage.errors import FieldFault, Invalid

MOST_THREADS = 500
_MOST_PARTS = 600
# Value of the button, label, key, and what its title says.
Button = tuple[str, str, str, str]
OFTEN: tuple[Button, ...] = (
    ("archive", "Archive", "e", "Archive, for you only"),
    ("close", "Close", "c", "Close for everybody and archive, or open again"),
    ("take", "Take", "i", "Take it myself"),
    ("read", "Read", "I", "Mark as read"),
    ("unread", "Unread", "U", "Mark as unread"),
    ("flag", "Flag", "s", "Flag, or take the flag off"),
)
MORE: tuple[Button, ...] = (
    ("unassign", "Assign to nobody", "A", "Assign to nobody"),
    ("inbox", "Move to the inbox", "", ""),
    ("junk", "Junk", "!", "Junk"),
    ("trash", "Trash", "#", "Move to the trash"),
)
# Of each mark: what is set, and what it was before.
MARKS: Mapping[str, Record] = {
    "read": {"is_read": True},
    "unread": {"is_read": False},
    "flag": {"is_flagged": True},
    "unflag": {"is_flagged": False},
    "inbox": {"folder": "inbox"},
    "archive": {"folder": "archive"},
    "junk": {"folder": "junk"},
    "trash": {"folder": "trash"},
}
# Acts on all that a view holds: the mark, the condition on threads that still lack it, the label.
WHOLE: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    "all-read": ("read", {"unread": "true"}, "Mark all that match as read"),
    "all-archive": ("archive", {"folder": "inbox"}, "Archive all that match"),
}
OPPOSITE = {"read": "unread", "unread": "read", "flag": "unflag", "unflag": "flag"}
STATUSES = {"close": "closed", "reopen": "open"}
SAID = {
    "read": "marked as read",
    "unread": "marked as unread",
    "flag": "flagged",
    "unflag": "no longer flagged",
    "inbox": "moved to the inbox",
    "archive": "archived, for you only",
    "junk": "moved to junk",
    "trash": "moved to the trash",
    "close": "closed for everybody, archived for you",
    "reopen": "opened again",
    "unassign": "assigned to nobody",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A thread that was chosen: its id, and the time of the newest message that was shown."""

    thread_id: str
    shown_until: str


def chosen_of(values: Sequence[str]) -> list[Chosen]:
    """Return the threads of a form, each once."""
    pairs = dict(value.partition("~")[::2] for value in values)
    return [Chosen(thread_id, until) for thread_id, until in pairs.items() if thread_id]


def meant(act: str, threads: Sequence[Record]) -> str:
    """Return which of two acts a button means: if all have it already, its opposite."""
    if act == "flag" and all(one["is_flagged"] for one in threads):
        return "unflag"
    if act == "close" and all(one["status"] == "closed" for one in threads):
        return "reopen"
    return act


def copies_of(act: str, thread: Record, until: str) -> list[Record]:
    """Return the copies of a thread that the mark changes; `until` is RFC 3339, or empty."""
    held = [
        one
        for one in thread["messages"]
        if one["folder"] is not None and (not until or one["received_at"] <= until)
    ]
    came = [one for one in held if one["folder"] != "sent"]
    if act in ("flag", "unread"):
        # One mark is enough to find the thread again; taking it off has to reach all copies.
        held = (came or held)[-1:]
    elif "folder" in MARKS[act]:
        held = [one for one in came if act != "archive" or one["folder"] == "inbox"]
    change = MARKS[act]
    return [one for one in held if any(one[name] != value for name, value in change.items())]


def back_of_copies(act: str, copies: Sequence[Record]) -> dict[str, str]:
    """Return what takes a mark back: the messages, by the mark or folder they had."""
    found: dict[str, list[str]] = {}
    for one in copies:
        former = OPPOSITE.get(act) or str(one["folder"])
        found.setdefault(former, []).append(one["message_id"])
    return {name: " ".join(ids) for name, ids in found.items()}


def back_of_status(act: str, threads: Sequence[Record]) -> dict[str, str]:
    """Return what takes back that threads were closed or opened."""
    return {"reopen" if act == "close" else "close": " ".join(one["thread_id"] for one in threads)}


def back_of_assignees(threads: Sequence[Record]) -> dict[str, str]:
    """Return what gives threads back to those who had them."""
    return {
        one["thread_id"]: one["assignee"]["address"] if one["assignee"] else "" for one in threads
    }


def read_back(text: str) -> list[tuple[str, list[str]]]:
    """Return the parts of a field that takes an act back, written as a query: a mark, status or
    thread, and the ids or address to it.

    Raises Invalid for more threads than an act has.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARTS)
    except ValueError:
        raise _too_many() from None
    parts = [
        (name, value.split() if name in MARKS or name in STATUSES else [value])
        for name, value in pairs
    ]
    # One call of the API for each thread: a form that was made up must not ask for thousands.
    if sum(len(values) for name, values in parts if name not in MARKS) > MOST_THREADS:
        raise _too_many()
    return parts


def _too_many() -> Invalid:
    return Invalid(FieldFault("back", f"At most {MOST_THREADS} threads can be taken back."))

"""The audience of a thread, and what a mention opens to whom, as far as an inbox may know it.

- It knows who was on a list when a message came by it, and who has read that message; other copies
  are the business of those who hold them.
- An admin may see all copies: of that the API keeps a record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from admin_api.console import words
from admin_api.console.thread.time_line import People
from admin_api.http.records import ReadRecord as Record

# The members of a list by its id: inbox, and since when.
Members = Mapping[str, Mapping[str, str]]


def holders(messages: Sequence[Record], members: Members) -> Counter[str]:
    """Return of how many messages the inboxes hold copies."""
    found = Counter[str]()
    for one in messages:
        lists = [route["list_id"] or "" for route in one["via"] or ()]
        by_list = [_on_list(members, list_id, one["received_at"]) for list_id in lists]
        found.update({each["inbox_id"] for each in one["seen_by"] or ()}.union(*by_list))
    return found


def _on_list(members: Members, list_id: str, at: str) -> set[str]:
    return {inbox for inbox, since in members.get(list_id, {}).items() if since <= at}


def gets(held: Sequence[Record], others: Sequence[Record], members: Members) -> dict[str, str]:
    """Return what a mention opens of one's `held` copies, for each of the others."""
    found = holders(held, members)
    left = {one["inbox_id"]: len(held) - found[one["inbox_id"]] for one in others}
    given = {inbox_id: _these(count, len(held)) for inbox_id, count in left.items()}
    had = "has a copy" if held else "will see the note alone"
    return {one: f"will be given {given[one]}" if count else had for one, count in left.items()}


def _these(count: int, whole: int) -> str:
    if count < whole:
        return f"{count} of these {whole} messages"
    return f"these {count} messages" if count > 1 else "this message"


def audience(
    messages: Sequence[Record],
    notes: Sequence[Record],
    acts: Sequence[Record],
    people: People,
    members: Members,
) -> list[str]:
    """Return who can see the thread: one sentence each."""
    held = [one for one in messages if one["folder"] is not None]
    told = [f"You hold {len(held)} of {words.plural(len(messages), 'message')}."]
    lists: dict[str, set[str]] = {}
    for one in messages:
        for route in one["via"] or ():
            if route["list_id"] is not None:
                on_it = _on_list(members, route["list_id"], one["received_at"])
                lists.setdefault(route["address"], set()).update(on_it - {people.own})
    for address, inboxes in lists.items():
        names = _listed(sorted(map(people.name, inboxes))) or "Its members"
        told.append(f"{names} got copies by {address}.")
    had = holders(messages, members) | Counter({people.own: len(held)})
    given = {
        act["assignee"]["inbox_id"]: people.whom(act["by"]["inbox_id"])
        for act in acts
        if act["type"] == "assigned" and act["assignee"] and act["by"]
        if act["assignee"]["inbox_id"] != act["by"]["inbox_id"]
        if had[act["assignee"]["inbox_id"]] < len(messages)
    }
    told += [
        f"{people.was(one)} given messages when {by} assigned it." for one, by in given.items()
    ]
    mentioned = {
        people.at(address): people.name(note["author_inbox_id"])
        for note in notes
        for address in note["mentions"]
    }
    return told + [f"{by} mentioned {whom} in a note." for whom, by in mentioned.items()]


def _listed(names: Collection[str]) -> str:
    """Some names as in a sentence, at most eight."""
    first = [*names][:8]
    if len(names) > len(first):
        first.append(f"{len(names) - len(first)} more")
    return " and ".join([", ".join(first[:-1]), first[-1]] if len(first) > 1 else first)


def copies_of_all(explained: Sequence[Record]) -> Mapping[str, Record]:
    """Return how many copies each inbox has, and by which ways, by its address."""
    found: dict[str, dict[str, Any]] = {}
    for one in (each for message in explained for each in message["deliveries"]):
        row = found.setdefault(one["address"] or one["inbox_id"], {"had": Counter(), "via": {}})
        row["had"][one["status"]] += 1
        row["via"] |= {(way["address"], way["rule"]): way for way in one["via"]}
    return found

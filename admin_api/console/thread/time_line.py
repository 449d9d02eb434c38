"""The time line of a thread: its messages, notes and acts, oldest first.

- Read messages are folded, but for the last; an unread one is open. Not more than a few are open.
- A person is shown by a name; an inbox that is gone, in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_OPEN = 5
_ORDER = ("message", "act", "note")
# What a report that came back says of the letter.
REPORTS: Mapping[str | None, str] = {
    "bounced": "A mail server reports that the letter was not delivered.",
    "delayed": "A mail server reports that the letter is delayed; it tries on.",
    "delivered": "A mail server reports that the letter was delivered.",
    "other": "This came to the return address of the letter: a machine answered.",
    None: "This came to the return address of the letter, and has not been read yet.",
}
_ACTS = {
    "assigned": "assigned this to",
    "unassigned": "took this from",
    "closed": "closed this",
    "reopened": "opened this again",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One entry: a `kind` of `message`, `note` or `act`, and its record."""

    kind: str
    id: str
    at: str
    record: Mapping[str, Any]
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class People:
    """The inboxes of the team by id, which one is looking, and their ids by address."""

    names: Mapping[str, str]
    own: str
    ids: Mapping[str, str] = field(default_factory=dict)

    def name(self, inbox_id: str | None) -> str:
        if inbox_id == self.own:
            return "You"
        return self.names.get(inbox_id or "", "A deleted inbox")

    def was(self, inbox_id: str) -> str:
        return "You were" if inbox_id == self.own else f"{self.name(inbox_id)} was"

    def at(self, address: str) -> str:
        """The name within a sentence of the inbox at an address; the address of any other."""
        found = self.ids.get(address.lower())
        return self.whom(found) if found else address

    def whom(self, inbox_id: str | None) -> str:
        """The name within a sentence."""
        found = self.name(inbox_id)
        return found[0].lower() + found[1:] if found in ("You", "A deleted inbox") else found


def time_line(
    messages: Sequence[Mapping[str, Any]],
    notes: Sequence[Mapping[str, Any]],
    acts: Sequence[Mapping[str, Any]],
    *,
    opened: str = "",
) -> list[Item]:
    """Return the entries; the message `opened` is open in any case."""
    chosen = _open(messages, opened)
    items = [
        Item("message", one["message_id"], one["received_at"], one, one["message_id"] in chosen)
        for one in messages
    ]
    items += [Item("note", one["note_id"], one["created_at"], one) for one in notes]
    items += [
        Item("act", f"act-{place}", one["created_at"], one) for place, one in enumerate(acts, 1)
    ]
    return sorted(items, key=lambda item: (item.at, _ORDER.index(item.kind)))


def _open(messages: Sequence[Mapping[str, Any]], opened: str) -> set[str]:
    unread = [one["message_id"] for one in messages if one["is_read"] is False]
    last = [one["message_id"] for one in messages[-1:]]
    return {opened, *last, *unread[: MOST_OPEN - 1]}


def sentence(act: Mapping[str, Any], people: People) -> str:
    """Return an act in words."""
    by, to = act["by"], act["assignee"]
    who = people.name(by["inbox_id"]) if by else "Postroom"
    whom = people.whom(to["inbox_id"]) if to else ""
    if to and by and to["inbox_id"] == by["inbox_id"] and act["type"] == "assigned":
        return f"{who} took this"
    if act["type"] == "unassigned" and not whom:
        return f"{who} assigned this to nobody"
    text = f"{who} {_ACTS[act['type']]}"
    return f"{text} {whom}" if whom else text


def outside_sender(
    messages: Sequence[Mapping[str, Any]], own: frozenset[str]
) -> Mapping[str, Any] | None:
    """Return the last sender who is not of the team, and no server that reports a failure."""
    for one in reversed(messages):
        email = one["from"]["email"].lower()
        if email and email not in own and one.get("kind") != "bounce":
            return one["from"]  # type: ignore[no-any-return]
    return None


def facts(message: Mapping[str, Any]) -> list[str]:
    """Return what the envelope says beside the header, in sentences."""
    told = []
    envelope = message["envelope"]
    if message.get("bounce"):
        return [REPORTS[message["bounce"]["state"]]]
    if envelope is None:
        return ["You have no copy: this message was opened to you."]
    sender, mail_from = message["from"]["email"], envelope["mail_from"]
    if not mail_from:
        told.append("Sent with an empty return address: an automatic message.")
    elif mail_from.lower() != sender.lower():
        told.append(f"The envelope names {mail_from} as the sender.")
    addressed = {one["email"].lower() for one in [*message["to"], *message["cc"]]}
    hidden = [one for one in envelope["rcpt_to"] if one.lower() not in addressed]
    if hidden and not addressed & {one.lower() for one in envelope["rcpt_to"]}:
        told.append(f"It came for {', '.join(hidden)}, who is not named in To or Cc.")
    # A letter of ours went no way that could be listened to.
    if envelope["tls"] is None and message.get("kind") != "sent":
        told.append("It came without encryption.")
    return told

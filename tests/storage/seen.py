"""A second telling of who sees what, in sets; nothing of it is derived from the store's rows.

Where the store derives what an assignment opens when somebody looks, this writes it down at the
moment of the act.
"""

from dataclasses import dataclass, field

NOTES_KEPT = 90


@dataclass(slots=True)
class NoteTold:
    """A note: who wrote it, whom it mentions, what its author saw and held when writing."""

    author: str
    thread: str
    mentions: set[str]
    saw: set[str]
    held: set[str]
    day: int


@dataclass(slots=True)
class Team:
    """Inboxes are names, messages and threads are the texts by which the store knows them."""

    day: int = 0
    thread_of: dict[str, str] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    copies: set[tuple[str, str]] = field(default_factory=set)
    opened: set[tuple[str, str]] = field(default_factory=set)
    assignee: dict[str, str] = field(default_factory=dict)
    givers: dict[str, set[str]] = field(default_factory=dict)
    notes: dict[str, NoteTold] = field(default_factory=dict)
    assigned: list[tuple[str, str, str, frozenset[str]]] = field(default_factory=list)

    def deliver(self, message: str, thread: str, inboxes: set[str]) -> None:
        self.thread_of[message] = thread
        self.order.append(message)
        self.copies |= {(inbox, message) for inbox in inboxes}
        if self.givers.get(thread, set()) & inboxes:
            self.opened.add((self.assignee[thread], message))

    def discard(self, inbox: str, message: str) -> None:
        self.copies.discard((inbox, message))
        if not any(held == message for _, held in self.copies):
            self.order.remove(message)

    def assign(self, by: str, to: str, thread: str) -> None:
        if self.assignee.get(thread) != to:
            self.givers[thread] = set()
        self.assignee[thread] = to
        self.assigned.append((thread, by, to, frozenset(self._messages(thread))))
        if by != to:
            self.givers[thread].add(by)
            self.opened |= {(to, message) for message in self.held(by, thread)}

    def unassign(self, thread: str) -> None:
        self.assignee.pop(thread, None)
        self.givers.pop(thread, None)

    def known_assignee(self, inbox: str, thread: str) -> str | None:
        """Who has the thread, for whoever may know of an act by which it was given to them."""
        has_it = self.assignee.get(thread)
        if has_it == inbox:
            return has_it
        for about, by, to, messages in self.assigned:
            if (about, to) != (thread, has_it):
                continue
            if by == inbox or any(self.sees(inbox, m) and self.sees(by, m) for m in messages):
                return has_it
        return None

    def annotate(self, name: str, by: str, thread: str, mentions: set[str]) -> None:
        self.notes[name] = NoteTold(
            by, thread, mentions - {by}, self.seen(by, thread), self.held(by, thread), self.day
        )

    def held(self, inbox: str, thread: str) -> set[str]:
        return {one for one in self._messages(thread) if (inbox, one) in self.copies}

    def seen(self, inbox: str, thread: str) -> set[str]:
        return {one for one in self._messages(thread) if self.sees(inbox, one)}

    def sees(self, inbox: str, message: str) -> bool:
        if message not in self.order:
            return False
        if (inbox, message) in self.copies or (inbox, message) in self.opened:
            return True
        return any(
            inbox in note.mentions and message in note.held
            for note in self.notes.values()
            if self._is_alive(note)
        )

    def sees_note(self, inbox: str, name: str) -> bool:
        note = self.notes[name]
        if not self._is_alive(note):
            return False
        if inbox == note.author or inbox in note.mentions:
            return True
        return any(self.sees(inbox, message) for message in note.saw)

    def threads(self, inbox: str) -> list[str]:
        """Newest first by the newest message seen."""
        newest = {self.thread_of[one]: one for one in self.order if self.sees(inbox, one)}
        return sorted(newest, key=lambda one: self.order.index(newest[one]), reverse=True)

    def _messages(self, thread: str) -> list[str]:
        return [one for one in self.order if self.thread_of[one] == thread]

    def _is_alive(self, note: NoteTold) -> bool:
        return self.day < note.day + NOTES_KEPT

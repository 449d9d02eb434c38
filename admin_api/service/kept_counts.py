"""The last counts of inboxes, each good for as long as nothing is committed to the store.

- Whoever may ask for an inbox is found out at each call; only the counting is left out.
- A minute is the longest: a grant ends by time, without a commit.
- Where the store tells no number of its commits, nothing is kept.
"""

from __future__ import annotations

from collections import OrderedDict

from storage.clock import MINUTE
from storage.mailbox.visibility import View
from storage.teamwork.counts import Counts

_MOST = 1_000


class KeptCounts:
    """The counts of a process, by inbox."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[int, int, Counts]] = OrderedDict()

    def get(self, view: View, number: int) -> Counts | None:
        """Return the counts of the viewer, if this is the commit number at which they were kept."""
        kept = self._kept.get(view.inbox_id)
        if kept is None or kept[0] != number or not 0 <= view.now - kept[1] < MINUTE:
            return None
        return kept[2]

    def keep(self, view: View, number: int, counts: Counts) -> None:
        """Keep counts that were read after the store told this number."""
        self._kept[view.inbox_id] = (number, view.now, counts)
        self._kept.move_to_end(view.inbox_id)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)

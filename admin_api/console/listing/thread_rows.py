"""The rows of a list, each rendered once as long as it shows the same.

- A key holds all that a row depends on: its record, the list in which it stands, and the day. So
  nobody gets a row that they would not be shown anyway, and none is older than its record.
- Where mail comes fast, a look at a list has a few new rows; all others are those of the last look.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import orjson

from admin_api.console import words
from admin_api.console.rendering import macro
from admin_api.http.records import ReadRecord as Record

_MOST = 1_000


@dataclass(frozen=True, slots=True)
class RowsPlace:
    """The list in which rows stand: `path` leads to its threads, with `query` behind each.

    `own` is the id of the inbox, `ours` are its addresses, `now` is in microseconds.
    """

    path: str
    query: str
    own: str
    ours: frozenset[str]
    view: str
    zone: str
    now: int


class ThreadRows:
    """The rows that a process keeps, as the template made them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, str] = OrderedDict()

    def at(self, place: RowsPlace) -> Callable[..., str]:
        """Return the function that gives the row of a record, for templates."""
        # At midnight the hours of a row become a date.
        day = words.today(place.now, place.zone).isoformat()
        fixed = [place.path, place.query, place.own, place.view, place.zone, day]
        key = hashlib.blake2b(orjson.dumps([*fixed, sorted(place.ours)])).digest()
        return partial(self._row, place, key)

    def _row(self, place: RowsPlace, key: bytes, one: Record, is_chosen: bool = False) -> str:
        name = hashlib.blake2b(orjson.dumps([one, is_chosen]), key=key).digest()
        row = self._kept.get(name)
        if row is None:
            row = self._kept[name] = _rendered(place, one, is_chosen)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(name)
        return row


def _rendered(place: RowsPlace, one: Record, is_chosen: bool) -> str:
    path = f"{place.path}{one['thread_id']}/{place.query}"
    when = partial(words.moment, zone=place.zone, now=place.now)
    row = macro("list_parts.html", "row")
    return row(one, path, when, place.own, place.ours, place.view, is_chosen)

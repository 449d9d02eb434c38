"""Parts of pages, each rendered once as long as it shows the same: rows of lists, time lines.

- A key holds all that a part depends on: what it shows, and the page in which it stands, with the
  day. So nobody gets a part that they would not be shown anyway, and none is older than its record.
- Where mail comes fast, a look at a list has a few new rows; all others are those of the last look.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import orjson

_MOST, _LONGEST = 1_000, 4_000

P = TypeVar("P")


class KeptParts:
    """The parts that a process keeps, as their templates made them; long ones are made anew."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, str] = OrderedDict()

    def at(self, place: P, make: Callable[..., str]) -> Callable[..., str]:
        """Return `make(place, *shown)`, asked once for the same place and shown values.

        They are JSON, or dataclasses of it.
        """
        key = hashlib.blake2b(orjson.dumps(place)).digest()

        def part(*shown: object) -> str:
            name = hashlib.blake2b(orjson.dumps(shown), key=key).digest()
            made = self._kept.pop(name, None)
            if made is None:
                made = make(place, *shown)
                while len(self._kept) >= _MOST:
                    self._kept.popitem(last=False)
            if len(made) <= _LONGEST:
                self._kept[name] = made  # at the end: the oldest goes first
            return made

        return part

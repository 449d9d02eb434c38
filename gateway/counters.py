"""Counters of all mail processes, in shared memory: one row of cells for each.

- To be made before the processes are forked; then each calls `begin` with its number. Nobody writes
  to another's row, so nothing is locked, and a reader adds the rows up.
- The counts of a process stay when it dies. A count never goes down.
- A cell is a whole number; times are microseconds.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Labels = Mapping[tuple[int, str], tuple[str, str]]

_CELL_OCTETS = 8

# The plain ones; each has a help text in `gateway.server.metrics`.
NAMES = (
    "connections",
    "connections_closed",
    "connections_refused",
    "connections_displaced",
    "messages_accepted",
    "messages_repeated",
    "copies_written",
    "octets_accepted",
    "commits",
    "commits_failed",
    "mail_processes_lost",
    "mail_processes_replaced",
    "mail_processes_hung",
    "http_turned_away",
    "http_refused",
)

# Upper bounds of the buckets: microseconds, and messages of one transaction.
COMMIT_MICROSECONDS = (
    *(500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000),
    *(1_000_000, 2_500_000, 5_000_000),
)
BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass(frozen=True, slots=True)
class Distribution:
    """How often a value was at most each of `bounds`, how often at all, and the sum of all."""

    bounds: tuple[int, ...]
    counts: tuple[int, ...]
    total: int


class Counters:
    """All processes' counts; `add` and its like write to this process's row."""

    __slots__ = (
        "_base",
        "_batch",
        "_cells",
        "_index",
        "_names",
        "_replies",
        "_seconds",
        "_width",
        "processes",
    )

    def __init__(self, processes: int, labels: Labels) -> None:
        """`labels` has code and name of each reply, by its code and text."""
        self.processes = processes
        keys: list[tuple[str, object]] = [("pid", 0), *(("name", name) for name in NAMES)]
        keys += [("reply", label) for label in sorted({*labels.values()})]
        for kind, bounds in (("seconds", COMMIT_MICROSECONDS), ("batch", BATCH_SIZES)):
            keys += [(kind, bucket) for bucket in range(len(bounds) + 2)]
        self._index = {key: place for place, key in enumerate(keys)}
        self._replies = {reply: self._index["reply", label] for reply, label in labels.items()}
        self._names = {name: self._index["name", name] for name in NAMES}
        self._seconds, self._batch = self._index["seconds", 0], self._index["batch", 0]
        self._width = len(keys)
        self._base = 0
        shared = mmap.mmap(-1, processes * self._width * _CELL_OCTETS)
        self._cells = memoryview(shared).cast("q")

    def begin(self, number: int) -> None:
        """Count in the row of process `number` from here on."""
        self._base = number * self._width
        self._cells[self._base + self._index["pid", 0]] = os.getpid()

    def add(self, name: str, amount: int = 1) -> None:
        """Count one of NAMES."""
        self._cells[self._base + self._names[name]] += amount

    def replied(self, code: int, text: str) -> None:
        """Count a reply that was sent."""
        place = self._replies.get((code, text))
        if place is None:
            self.replied_code(code)
        else:
            self._cells[self._base + place] += 1

    def replied_code(self, code: int) -> None:
        """Count a reply without a label of its own, such as that to EHLO."""
        place = self._index.get(("reply", unlabelled(code)))
        if place is not None:  # an unknown reply must stop no mail
            self._cells[self._base + place] += 1

    def committed(self, *, messages: int, copies: int, octets: int, seconds: float) -> None:
        """Count a transaction that is on stable storage, with the time since its beginning."""
        self.add("commits")
        self.add("messages_accepted", messages)
        self.add("copies_written", copies)
        self.add("octets_accepted", octets)
        self._observe(self._seconds, COMMIT_MICROSECONDS, round(seconds * 1_000_000))
        self._observe(self._batch, BATCH_SIZES, messages)

    def _observe(self, first: int, bounds: tuple[int, ...], value: int) -> None:
        """Count a value in its bucket, from the place `first` on; the sum is behind the buckets."""
        place = self._base + first
        self._cells[place + bisect_left(bounds, value)] += 1
        self._cells[place + len(bounds) + 1] += value

    def total(self, name: str) -> int:
        """Return the sum of one of NAMES over all processes."""
        return self._sum(("name", name))

    def replies(self) -> Iterator[tuple[tuple[str, str], int]]:
        """Return code and name of each reply that was ever sent, with its count."""
        for kind, label in self._index:
            if kind == "reply" and isinstance(label, tuple) and (count := self._sum((kind, label))):
                yield label, count

    def commit_microseconds(self) -> Distribution:
        """Return the distribution of commit times."""
        return self._distribution("seconds", COMMIT_MICROSECONDS)

    def batch_sizes(self) -> Distribution:
        """Return the distribution of messages in a commit."""
        return self._distribution("batch", BATCH_SIZES)

    def _distribution(self, kind: str, bounds: tuple[int, ...]) -> Distribution:
        counts = [self._sum((kind, bucket)) for bucket in range(len(bounds) + 2)]
        return Distribution(bounds, tuple(counts[:-1]), counts[-1])

    def _sum(self, key: tuple[str, object]) -> int:
        place = self._index[key]
        return sum(self._cells[row * self._width + place] for row in range(self.processes))

    def pids(self) -> dict[int, int]:
        """Return the process of each row, by its number; without those that have not begun."""
        place = self._index["pid", 0]
        found = {row: self._cells[row * self._width + place] for row in range(self.processes)}
        return {row: pid for row, pid in found.items() if pid}


def unlabelled(code: int) -> tuple[str, str]:
    """Return the label of all replies of this code that have no name."""
    return str(code), "other"

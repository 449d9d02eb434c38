"""Reserved disk space of all mail processes, in shared memory.

- In all, and by client network, so that no network reserves the space of the others. Networks share
  `_BUCKETS` counts by a hash that nobody outside can aim at.
- Nobody writes to another process's counts, so nothing is locked.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Collection

_SLOT_OCTETS = 8
_BUCKETS = 16_384
_ID_OCTETS = 16
_MOST_FULL = 16_384
_HEAD = struct.Struct("=QQ")


class Reservations:
    """Mail transactions under way and the bytes reserved for them: counts seen by all processes.

    To be made before the processes are forked; then each sets `own` to the number of its counts.
    """

    __slots__ = ("_by_network", "_messages", "_octets", "_under_way", "full", "own", "processes")

    def __init__(self, processes: int) -> None:
        self.processes = processes
        cells = 2 * processes * (1 + _BUCKETS)
        shared = memoryview(mmap.mmap(-1, cells * _SLOT_OCTETS)).cast("q")
        self._octets = shared[:processes]
        self._under_way = shared[processes : 2 * processes]
        half = processes * _BUCKETS
        self._by_network = shared[2 * processes : 2 * processes + half]
        self._messages = shared[2 * processes + half :]
        self.own = 0
        self.full = FullBoxes()

    def begin(self) -> None:
        """Count a transaction that begins."""
        self._under_way[self.own] += 1

    def arrived(self) -> None:
        """Count the end of a transaction: its message is complete, or will never be."""
        self._under_way[self.own] -= 1

    def add_message(self, network: str, count: int) -> None:
        """Count a message of this network that begins to arrive (1), or has ended (-1)."""
        self._messages[self._place(network)] += count

    def reserve(self, network: str, octets: int) -> None:
        """Reserve so many bytes for a message of this network; negative: give back."""
        self._octets[self.own] += octets
        self._by_network[self._place(network)] += octets

    def _place(self, network: str) -> int:
        # Python's hash has a random key, and forked processes share it: nobody can aim at a bucket.
        return self.own * _BUCKETS + hash(network) % _BUCKETS

    def forget(self, process: int) -> None:
        """Drop the counts of a process that is gone."""
        self._octets[process] = self._under_way[process] = 0
        nothing = memoryview(bytes(_BUCKETS * _SLOT_OCTETS)).cast("q")
        row = slice(process * _BUCKETS, (process + 1) * _BUCKETS)
        self._by_network[row] = nothing
        self._messages[row] = nothing

    def total(self) -> int:
        """Return the bytes that all processes have reserved."""
        return sum(self._octets)

    def of_network(self, network: str) -> int:
        """Return the bytes reserved for messages of this network."""
        return sum(self._by_network[hash(network) % _BUCKETS :: _BUCKETS])

    def messages_of(self, network: str) -> int:
        """Return the number of messages of this network that are arriving."""
        return sum(self._messages[hash(network) % _BUCKETS :: _BUCKETS])

    def under_way(self) -> int:
        """Return the number of messages that may be complete soon, in all processes."""
        return sum(self._under_way)


class FullBoxes:
    """The ids of tenants, inboxes and lists that take no more mail now, at most 16,384.

    One process publishes them, all look. To be made before the processes are forked.
    """

    __slots__ = ("_ids", "_memory", "_seen")

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _HEAD.size + _MOST_FULL * _ID_OCTETS)
        self._ids: frozenset[bytes] = frozenset()
        self._seen = 0

    def publish(self, ids: Collection[bytes]) -> None:
        """Have all processes see these ids from now on."""
        shown = sorted(ids)[:_MOST_FULL]
        number = _HEAD.unpack_from(self._memory)[0]
        if frozenset(shown) == self._ids and number == self._seen:
            return
        _HEAD.pack_into(self._memory, 0, 0, 0)  # nobody reads what is half written
        self._memory[_HEAD.size : _HEAD.size + len(shown) * _ID_OCTETS] = b"".join(shown)
        _HEAD.pack_into(self._memory, 0, max(number, self._seen) + 1, len(shown))
        self._look()

    def holds(self, *ids: bytes | None) -> bool:
        """Whether one of these takes no more mail."""
        if _HEAD.unpack_from(self._memory)[0] != self._seen:
            self._look()
        return bool(self._ids) and any(one in self._ids for one in ids)

    def _look(self) -> None:
        number, count = _HEAD.unpack_from(self._memory)
        octets = self._memory[_HEAD.size : _HEAD.size + count * _ID_OCTETS]
        # Read twice: when the number has changed, the ids were written meanwhile.
        if number and _HEAD.unpack_from(self._memory)[0] == number:
            places = range(0, len(octets), _ID_OCTETS)
            self._ids = frozenset(octets[place : place + _ID_OCTETS] for place in places)
            self._seen = number

"""Admission of messages: free disk space, and bytes held in memory.

- Disk: the free space, less the reservations of messages in progress, must stay above one and a
  half times the size limit; checked at MAIL and at DATA, so that no sender pushes 50 MiB at a full
  disk. The sessions of all mail processes count.
- The disk is asked a hundred times a second at most, and again once a session has written to it:
  the question costs more than the rest of an admission.
- At DATA the declared size is reserved, without one 256 KiB, and more as the message grows. Written
  octets leave the reservation: the disk counts them itself.
- A client network may reserve a tenth of the free space above that floor, but always one message.
  Exempt networks may reserve all of it.
- Memory: the mail processes share one budget for contents that are not spooled, until they are
  stored; past its part of it, a process puts a content into its spool file from the first byte.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from gateway.reservations import Reservations
from storage.errors import StoreFull, StoreUnavailable

MEMORY_BUDGET = 16 * 1024 * 1024
_UNDECLARED = 256 * 1024
_STEP = 1024 * 1024
_SHARE = 10
_FRESH_SECONDS = 0.01


class Space:
    """The room that is left, as the sessions of one process see it."""

    __slots__ = (
        "_budget",
        "_data",
        "_floor",
        "_free",
        "_fresh_until",
        "_ticks",
        "held",
        "reservations",
    )

    def __init__(
        self,
        data: Path,
        *,
        size_limit: int,
        reservations: Reservations,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ticks` tells seconds."""
        self._data = str(data)
        self._ticks = ticks
        self._free = 0
        self._fresh_until = 0.0
        self._floor = size_limit * 3 // 2
        self._budget = MEMORY_BUDGET // max(1, reservations.processes - 1)
        self.reservations = reservations
        self.held = 0

    def has_room(self) -> bool:
        """Whether a further message may be taken. Raises StoreUnavailable."""
        return self._free_now() - self.reservations.total() >= self._floor

    def claim(self, network: str, size: int | None, *, exempt: bool) -> Claim | None:
        """Reserve space for a message of this network; None when it may not have it now.

        `size` is what its sender declared. Raises StoreUnavailable.
        """
        claim = Claim(self, network, exempt=exempt)
        if claim.begin(_UNDECLARED if size is None else size):
            return claim
        return None

    def may_reserve(self, network: str, octets: int, *, least: int, exempt: bool) -> bool:
        """Whether so much more may be reserved, and `least` stays free. Raises StoreUnavailable."""
        free = self._free_now()
        if free - self.reservations.total() < least:
            return False
        # One message always: where space is short, a tenth of it may be less than any message.
        if exempt or self.reservations.messages_of(network) <= 1:
            return True
        share = (free - self._floor) // _SHARE
        return self.reservations.of_network(network) + octets <= share

    @property
    def floor(self) -> int:
        """The free space needed to take a further message."""
        return self._floor

    def _free_now(self) -> int:
        now = self._ticks()
        if now >= self._fresh_until:
            self._free = self._ask()
            self._fresh_until = now + _FRESH_SECONDS
        return self._free

    def ask_again(self) -> None:
        """Something was written to the disk, and is no longer reserved."""
        self._fresh_until = 0.0

    def _ask(self) -> int:
        try:
            disk = os.statvfs(self._data)
        except OSError as error:  # the data directory was moved away, say
            raise StoreUnavailable(f"the data directory: {error.strerror}") from error
        # `f_bavail`: what the file system keeps for root is not ours to fill.
        return disk.f_bavail * disk.f_frsize

    def may_hold(self) -> bool:
        """Whether contents may be kept in memory."""
        return self.held < self._budget


class Claim:
    """The space that one message has reserved; made by `Space.claim`, ended by `give_back`."""

    __slots__ = ("_asked", "_exempt", "_left", "_network", "_space")

    def __init__(self, space: Space, network: str, *, exempt: bool) -> None:
        self._space = space
        self._network = network
        self._exempt = exempt
        self._asked = self._left = 0

    def begin(self, octets: int) -> bool:
        """Reserve what the message begins with; False when it may not be had."""
        # Counted before it asks: of two messages at one time not both may be the first.
        self._space.reservations.add_message(self._network, 1)
        try:
            granted = self._reserve(octets, least=self._space.floor)
        except BaseException:
            self.give_back()
            raise
        if not granted:
            self.give_back()
        return granted

    def cover(self, size: int) -> None:
        """Have reserved, in all, what a content of this size needs. Raises StoreFull."""
        if size <= self._asked:
            return
        # In steps: to ask for each chunk would cost more than the chunk does.
        more = max(size - self._asked, _STEP)
        if not self._reserve(more, least=more):
            raise StoreFull("no space is left for this client's network")

    def _reserve(self, octets: int, *, least: int) -> bool:
        space = self._space
        if not space.may_reserve(self._network, octets, least=least, exempt=self._exempt):
            return False
        space.reservations.reserve(self._network, octets)
        self._asked += octets
        self._left += octets
        return True

    def written(self, octets: int) -> None:
        """So many octets are on the disk, which counts them itself."""
        done = min(octets, self._left)
        self._left -= done
        self._space.reservations.reserve(self._network, -done)
        self._space.ask_again()

    def give_back(self) -> None:
        """The message is stored, or will never be."""
        self._space.reservations.reserve(self._network, -self._left)
        self._space.reservations.add_message(self._network, -1)
        self._left = 0

"""Confirmations: deliveries whose sender has not yet shown that it saw the 250.

- A delivery is *open* from its commit until its session settles it: confirmed (a byte came after
  the 250 was handed to the kernel), or closed without that.
- Confirmed digests are handed to the next delivery transaction of their partition, or to one of
  their own when none comes soon; those of a closed session stay stored as unconfirmed.
- A digest that two sessions hold, of a message and its retry, may be confirmed by one after the
  other was closed. Its partition is remembered for that, of the last 10,000 of them.
- `is_open` may be called from a store's thread, where a digest must never be missing from both the
  open and the confirmed: it would be taken for one that was closed unseen. So it is confirmed first
  and no longer open then, and each is one look-up in a dict.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import NamedTuple

_MOST_SHARED = 10_000


class _Open(NamedTuple):
    """The partition of an open delivery, and the event of its settlement."""

    part: bytes
    settled: asyncio.Event


class Confirmations:
    """The open deliveries of this process, by digest; `owner` names the process in receipts."""

    __slots__ = ("_confirmed", "_open", "_shared", "owner")

    def __init__(self) -> None:
        self.owner = os.urandom(8)
        self._open: dict[bytes, _Open] = {}
        self._confirmed: dict[bytes, bytes] = {}
        self._shared: dict[bytes, bytes] = {}

    def open(self, digests: Iterable[bytes], part: bytes) -> None:
        """Record that these are committed in a partition, and their reply is about to be sent."""
        opened = _Open(part, asyncio.Event())
        for digest in digests:
            if digest in self._open:  # its first session still holds it; whoever waits hears both
                self._share(digest, part)
            else:
                self._open[digest] = opened

    def _share(self, digest: bytes, part: bytes) -> None:
        self._shared.pop(digest, None)
        self._shared[digest] = part
        if len(self._shared) > _MOST_SHARED:
            del self._shared[next(iter(self._shared))]

    def is_open(self, digest: bytes) -> bool:
        """Whether this delivery may still be confirmed, or was since `take_confirmed`."""
        return digest in self._open or digest in self._confirmed

    def confirm(self, digests: Iterable[bytes]) -> None:
        """Record that the sender has seen the reply."""
        for digest in digests:
            opened = self._open.get(digest)
            part = self._shared.get(digest) if opened is None else opened.part
            if part is not None:
                self._confirmed[digest] = part
            self._settle(digest)

    def close(self, digests: Iterable[bytes]) -> None:
        """Record that the session ended and the sender may never have seen the reply."""
        for digest in digests:
            self._settle(digest)

    def _settle(self, digest: bytes) -> None:
        opened = self._open.pop(digest, None)
        if opened is not None:
            opened.settled.set()

    async def wait(self, digest: bytes, seconds: float) -> bool:
        """Wait until this delivery is settled; False when it was not within `seconds`."""
        opened = self._open.get(digest)
        if opened is None:
            return True
        try:
            async with asyncio.timeout(seconds):
                await opened.settled.wait()
        except TimeoutError:
            return False
        return True

    def confirmed_in(self) -> set[bytes]:
        """The partitions with confirmed digests whose receipts are still stored."""
        return set(self._confirmed.values())

    def take_confirmed(self, part: bytes) -> list[bytes]:
        """Return the confirmed digests of a partition; the caller has them now."""
        taken = [one for one, where in self._confirmed.items() if where == part]
        if len(taken) == len(self._confirmed):
            self._confirmed = {}
        for digest in taken if self._confirmed else ():
            del self._confirmed[digest]
        return taken

    def give_back(self, digests: list[bytes], part: bytes) -> None:
        """Undo `take_confirmed`: the transaction failed."""
        self._confirmed = dict.fromkeys(digests, part) | self._confirmed

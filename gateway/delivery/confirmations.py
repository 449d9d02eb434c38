"""Confirmations: deliveries whose sender has not yet shown that it saw the 250.

- A delivery is *open* from its commit until its session settles it: confirmed (a byte came after
  the 250 was handed to the kernel), or closed without that.
- Confirmed digests are handed to the next delivery transaction, or to one of their own when none
  comes soon; those of a closed session stay stored as unconfirmed.
- `is_open` may be called from a store's thread, where a digest must never be missing from both the
  open and the confirmed: it would be taken for one that was closed unseen. So it is confirmed first
  and no longer open then, and each is one look-up in a dict.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable


class Confirmations:
    """The open deliveries of this process, by digest; `owner` names the process in receipts."""

    __slots__ = ("_confirmed", "_open", "owner")

    def __init__(self) -> None:
        self.owner = os.urandom(8)
        self._open: dict[bytes, asyncio.Event] = {}
        self._confirmed: dict[bytes, None] = {}

    def open(self, digests: Iterable[bytes]) -> None:
        """Record that these are committed and their reply is about to be sent."""
        settled = asyncio.Event()
        for digest in digests:
            self._open[digest] = settled

    def is_open(self, digest: bytes) -> bool:
        """Whether this delivery may still be confirmed, or was since `take_confirmed`."""
        return digest in self._open or digest in self._confirmed

    def confirm(self, digests: Iterable[bytes]) -> None:
        """Record that the sender has seen the reply."""
        for digest in digests:
            self._confirmed[digest] = None
            self._settle(digest)

    def close(self, digests: Iterable[bytes]) -> None:
        """Record that the session ended and the sender may never have seen the reply."""
        for digest in digests:
            self._settle(digest)

    def _settle(self, digest: bytes) -> None:
        settled = self._open.pop(digest, None)
        if settled is not None:
            settled.set()

    async def wait(self, digest: bytes, seconds: float) -> bool:
        """Wait until this delivery is settled; False when it was not within `seconds`."""
        settled = self._open.get(digest)
        if settled is None:
            return True
        try:
            async with asyncio.timeout(seconds):
                await settled.wait()
        except TimeoutError:
            return False
        return True

    def take_confirmed(self) -> list[bytes]:
        """Return the confirmed digests whose receipts are still stored; the caller has them now."""
        taken, self._confirmed = self._confirmed, {}
        return list(taken)

    def give_back(self, digests: list[bytes]) -> None:
        """Undo `take_confirmed`: the transaction failed."""
        self._confirmed = dict.fromkeys(digests) | self._confirmed

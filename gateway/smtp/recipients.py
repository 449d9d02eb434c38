"""The route cache: where recipients lead, for the sessions of one process.

- A route is cached for one route generation of the store, that is until something is written that
  may change one (`storage.engines.route_generation`, on PostgreSQL `storage.engines.leases`): most
  mail comes for few addresses, and a look-up in a store that others write to is expensive.
- And for a second at most, so that even SQL run by hand counts.
- An address without a route is looked up each time: guessing addresses fills no memory.
- The delivery resolves again, in its own transaction: that result counts.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.smtp import replies
from gateway.smtp.replies import Reply
from storage.database import Lookups
from storage.directory.resolve import MailboxName, Resolution, Verdict, resolve

VERDICTS = {
    Verdict.ROUTE: replies.RECIPIENT_OK,
    Verdict.UNKNOWN: replies.NO_SUCH_RECIPIENT,
    Verdict.NOT_OURS: replies.RELAY_DENIED,
    Verdict.EMPTY_LIST: replies.LIST_EMPTY,
    Verdict.DOMAIN_REVOKED: replies.DOMAIN_REVOKED,
    Verdict.NO_POSTMASTER: replies.POSTMASTER_UNSET,
}

_MOST = 1000
_SECONDS = 1.0


def reply_for(resolution: Resolution) -> Reply:
    """Return the reply to RCPT for this resolution."""
    return VERDICTS[resolution.verdict]


class Recipients:
    """`postmaster` is the setting in canonical form; `time` tells seconds."""

    __slots__ = ("_epoch", "_known", "_lookups", "_postmaster", "_time", "_until")

    def __init__(self, lookups: Lookups, postmaster: str, time: Callable[[], float]) -> None:
        self._lookups = lookups
        self._postmaster = postmaster
        self._time = time
        self._known: dict[MailboxName, Resolution] = {}
        self._epoch: int | None = None
        self._until = 0.0

    async def resolve(self, local_part: str, domain: str) -> Resolution:
        """See `storage.directory.resolve.resolve`. Raises StoreUnavailable."""
        epoch = self._lookups.route_generation()
        now = self._time()
        if epoch is None or epoch != self._epoch or now > self._until:
            self._known.clear()
            self._epoch, self._until = epoch, now + _SECONDS
        found = self._known.get((local_part, domain))
        if found is not None:
            return found
        found = await self._lookups.read_quick(
            lambda tx: resolve(
                tx, local_part=local_part, domain=domain, postmaster=self._postmaster
            )
        )
        # Another generation may have been seen while this waited. If one has begun that nobody has
        # seen yet, the route cached now is dropped before it is used.
        if found.verdict is Verdict.ROUTE and epoch is not None and epoch == self._epoch:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[local_part, domain] = found
        return found

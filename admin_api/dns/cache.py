"""The DNS cache: one for everything in the process that asks the DNS.

- An answer is remembered for its time to live, at least 5 seconds and at most an hour; that there
  is no such name or record, for a minute (RFC 2308); a fault, not at all.
- One question about a name and type is in flight at a time; all who ask meanwhile get its answer.
  It goes on when they leave: the next one will ask the same.
- `fresh` asks anew, for an owner who has just published a record; the answer is remembered.
- At most 10,000 names and 16 MiB are remembered, the least used leave first. At most 1,000
  questions are in flight; one more is answered `failed`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

from admin_api.dns.questions import Kind, NameServer, Reply
from config.values import Endpoint

MOST_NAMES = 10_000
MOST_OCTETS = 16 * 1024 * 1024
MOST_IN_FLIGHT = 1_000
SHORTEST = 5.0
LONGEST = 3600.0
NEGATIVE = 60.0
_OVERHEAD = 400  # octets of an entry beside its name and records
_OVERHEAD_OF_RECORD = 50

_Key = tuple[str, Kind]


class Asks(Protocol):
    """Where the cache asks."""

    async def ask(self, name: str, kind: Kind) -> Reply:
        """See `NameServer.ask`."""
        ...


class _Entry(NamedTuple):
    reply: Reply
    until: float
    octets: int


class DnsCache:
    """Lives within one event loop."""

    def __init__(self, server: Asks, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._known: OrderedDict[_Key, _Entry] = OrderedDict()
        self._octets = 0
        self._in_flight: dict[_Key, asyncio.Task[Reply]] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def lookup(self, name: str, kind: Kind, *, fresh: bool = False) -> Reply:
        """Return what the DNS says of an absolute name; never raises for what it says."""
        key = name.removesuffix(".").lower(), kind
        known = None if fresh else self._remembered(key)
        if known is not None:
            return known
        asking = self._in_flight.get(key)
        if asking is None:
            if len(self._in_flight) >= MOST_IN_FLIGHT:
                return Reply("failed", cause="TooManyQuestions")
            asking = asyncio.create_task(self._ask(key))
            self._in_flight[key] = asking
        return await asyncio.shield(asking)

    async def close(self) -> None:
        """Give up the questions in flight."""
        asking = [*self._in_flight.values()]
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, key: _Key) -> Reply:
        try:
            reply = await self._server.ask(*key)
        finally:
            del self._in_flight[key]
        # A fault says nothing of the name: remembered, it would outlive the outage.
        if reply.state != "failed":
            self._remember(key, reply)
        return reply

    def _remembered(self, key: _Key) -> Reply | None:
        entry = self._known.get(key)
        if entry is None:
            return None
        if entry.until <= self._clock():
            self._forget(key)
            return None
        self._known.move_to_end(key)
        return entry.reply

    def _remember(self, key: _Key, reply: Reply) -> None:
        self._forget(key)
        found = reply.state == "found"
        # With a TTL of 0 each message of a burst would ask; a TTL of a year would hide changes.
        seconds = min(max(reply.ttl, SHORTEST), LONGEST) if found else NEGATIVE
        of_records = sum(_OVERHEAD_OF_RECORD + len(one) for one in reply.records)
        octets = _OVERHEAD + len(key[0]) + of_records
        self._known[key] = _Entry(reply, self._clock() + seconds, octets)
        self._octets += octets
        while len(self._known) > MOST_NAMES or self._octets > MOST_OCTETS:
            self._forget(next(iter(self._known)))

    def _forget(self, key: _Key) -> None:
        entry = self._known.pop(key, None)
        if entry is not None:
            self._octets -= entry.octets


def dns_cache(server: Endpoint | None) -> DnsCache:
    """Make an empty cache that asks `server`, or the machine's own."""
    return DnsCache(NameServer(server))

"""A lane: one smarthost, the letters under way to it, and the connections that stay open to it.

- So many letters at a time as connections are allowed; after a failure one, which finds out whether
  the smarthost is well again.
- A claim is a commit: with many connections letters are claimed half as many at a time, or after a
  moment, so that letters share commits.
- A connection that was used stays open for two seconds, for the next letter.
- The trouble of one smarthost stops no letter of another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gateway.outbound.host_health import HostHealth
from gateway.outbound.smarthost import Connection, Smarthost, connect
from storage.outbound.domain_smarthosts import Via
from storage.outbound.sending_queue import SendingClaim

_IDLE_SECONDS = 2.0
GATHER_SECONDS = 0.02


class Lane:
    """`reach` gives the smarthost anew for each connection: its password may have changed.

    `largest` is the most octets of a letter that it said it takes, None before it said so.
    """

    def __init__(self, via: Via, reach: Callable[[], Smarthost], *, connections: int) -> None:
        self.via = via
        self.health = HostHealth()
        self.largest: int | None = None
        self.under_way: dict[asyncio.Task[None], SendingClaim] = {}
        self._reach = reach
        self._connections = connections
        self._idle: list[tuple[float, Connection]] = []
        self._filled = float("-inf")

    @property
    def is_to_fill(self) -> bool:
        """Whether to claim letters now: for half of its places, or after a moment for fewer."""
        is_late = time.monotonic() - self._filled >= GATHER_SECONDS
        return self.room > 0 and (is_late or 2 * self.room >= self._connections)

    def note_filled(self) -> None:
        """Begin the moment after which fewer letters are claimed."""
        self._filled = time.monotonic()

    @property
    def room(self) -> int:
        """How many letters more may be under way."""
        places = 1 if self.health.failures else self._connections
        return places - len(self.under_way)

    async def connect(self) -> Connection:
        """Open a connection. Raises HostFailed and SignInRefused."""
        connection = await connect(await asyncio.to_thread(self._reach))
        self.largest = connection.largest
        return connection

    def take_idle(self) -> Connection | None:
        """Return an open connection that has nothing to do, if there is one."""
        while self._idle:
            connection = self._idle.pop()[1]
            if connection.is_open:
                return connection
        return None

    def put_back(self, connection: Connection) -> None:
        """Let the next letter have a connection."""
        self._idle.append((time.monotonic(), connection))

    def close_idle(self, *, all_of_them: bool = False) -> None:
        """Close connections that have had nothing to do for a while."""
        now = time.monotonic()
        for since, connection in [*self._idle]:
            if all_of_them or now - since > _IDLE_SECONDS or not connection.is_open:
                self._idle.remove((since, connection))
                connection.abort()

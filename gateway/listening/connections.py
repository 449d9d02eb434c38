"""All SMTP connections of one process: opened, watched, drained.

- One task watches the deadlines of all of them; none has a timer of its own.
- Draining: whoever waits for a command is told to come again, and what is past DATA may finish.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from functools import partial
from operator import itemgetter

from config.logs import event
from config.settings import Settings
from gateway.counters import Counters
from gateway.delivery.ports import ConfirmationPort
from gateway.listening.connection_limits import counted_as
from gateway.listening.making_room import IDLE_SECONDS
from gateway.smtp import replies
from gateway.smtp.connection import Connection
from gateway.smtp.scheduling import SessionQueue
from gateway.smtp.session import Session
from gateway.smtp.transaction import SessionContext
from gateway.transport.networks import client_network, is_exempt
from gateway.transport.origin import Origin

logger = logging.getLogger(__name__)


class Connections:
    """Lives within one event loop."""

    def __init__(
        self,
        context: SessionContext,
        confirmations: ConfirmationPort,
        counters: Counters,
        queue: SessionQueue,
    ) -> None:
        self._context = context
        self._confirmations = confirmations
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._queue = queue
        self._present: dict[Connection, tuple[str, Callable[[], None]]] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._present)

    def open(self, client: socket.socket, origin: Origin, closed: Callable[[], None]) -> None:
        """Begin a session on an accepted socket, which is ours now; `closed` tells of its end."""
        certificate = self._context.certificate
        connection = Connection(
            partial(self._converse, origin),
            self._closed,
            confirmations=self._confirmations,
            counters=self._counters,
            hostname=self._context.settings.hostname,
            loop=self._loop,
            queue=self._queue,
            client_ip=origin.client_ip,
            tls=certificate.context if origin.tls and certificate else None,
        )
        network = counted_as(self._context.settings, origin.client_ip)
        self._present[connection] = network, closed
        self._empty.clear()
        opening = self._loop.create_task(self._open(connection, client))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _open(self, connection: Connection, client: socket.socket) -> None:
        try:
            client.setblocking(False)
            if client.family != socket.AF_UNIX:
                # Replies are small: Nagle's algorithm would hold each until the peer's delayed ACK.
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(lambda: connection, client)
        except Exception as error:  # the client was gone already, or something has run out
            event(logger, "connection_unopened", level=logging.WARNING, cause=repr(error))
            client.close()
            self._closed(connection)

    async def _converse(self, origin: Origin, connection: Connection) -> None:
        client_ip = origin.client_ip
        exempt = is_exempt(self._context.settings, client_ip)
        session = Session(
            self._context, connection, origin, exempt=exempt, network=client_network(client_ip)
        )
        await session.converse()

    def _closed(self, connection: Connection) -> None:
        entry = self._present.pop(connection, None)
        if entry is not None:
            entry[1]()
        if not self._present:
            self._empty.set()

    async def watch(self) -> None:
        """Hang up on connections whose time to speak has passed; runs until cancelled."""
        interval = _watch_interval(self._context.settings)
        while True:
            await asyncio.sleep(interval)
            now = self._loop.time()
            for connection in tuple(self._present):
                if connection.inbound.deadline < now:
                    connection.inbound.hang_up(replies.IDLE_TIMEOUT)

    async def longest_idle(self, network: str) -> float:
        """See `longest_idle_now`; a process of its own answers later."""
        return self.longest_idle_now(network)

    def longest_idle_now(self, network: str) -> float:
        """For how many seconds a session of this network has waited for its client; the longest."""
        return self._idlest(network)[0]

    def end_idle(self, network: str) -> None:
        """End that session with 421, when it has waited for ten seconds at least."""
        seconds, connection = self._idlest(network)
        if connection is not None and seconds >= IDLE_SECONDS:
            connection.inbound.hang_up(replies.TOO_MANY_CONNECTIONS)

    def _idlest(self, network: str) -> tuple[float, Connection | None]:
        now = self._loop.time()
        idle = (
            (now - connection.inbound.waiting_since, connection)
            for connection, (counted, _) in self._present.items()
            if counted == network and connection.inbound.waiting
        )
        return max(idle, key=itemgetter(0), default=(0.0, None))

    async def drain(self, seconds: float) -> None:
        """Let messages under way finish, at most for `seconds`, then close all."""
        for connection in tuple(self._present):
            connection.drain()
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """Drop every connection now."""
        for connection in tuple(self._present):
            connection.abort()


def _watch_interval(settings: Settings) -> float:
    timeouts = (settings.command_timeout, settings.data_timeout, settings.envelope_timeout)
    return min(1.0, *(seconds / 4 for seconds in timeouts))

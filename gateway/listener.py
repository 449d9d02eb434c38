"""The listening sockets of the SMTP side, and all connections that came in by them.

- One connection is taken at a time, judged by the limits, and answered 421 or handed to a session.
- Limits count clients by IPv4 address or IPv6 /64; exempt networks are only counted in the whole.
- Out of descriptors, accepting pauses: a listening socket that stays readable would spin.
- One task watches the deadlines of all connections; none has a timer of its own.
- Draining: nothing new comes in, whoever waits for a command is told to come again, and what is
  past DATA may finish.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import Counter, deque
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address

from config.logs import event
from config.settings import Settings
from config.values import Endpoint
from gateway import replies
from gateway.ledger import Ledger
from gateway.protocol import Connection
from gateway.replies import Reply
from gateway.session import Edge, Session

logger = logging.getLogger(__name__)

_BACKLOG = 512
_PAUSE_SECONDS = 1.0
_MINUTE = 60.0
_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listener:
    """Listens, limits, watches and drains. Made and closed within one event loop."""

    def __init__(self, edge: Edge, ledger: Ledger) -> None:
        self._edge = edge
        self._ledger = ledger
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._connections: dict[Connection, str] = {}
        self._gate = Gate(edge.settings)
        self._opening: set[asyncio.Task[object]] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False

    def listen(self, endpoints: Sequence[Endpoint]) -> list[tuple[str, int]]:
        """Bind and listen on all endpoints; where. Raises OSError."""
        for endpoint in endpoints:
            listening = listening_socket(endpoint)
            self._sockets.append(listening)
            self._loop.add_reader(listening, self._accept, listening)
        return [bound.getsockname()[:2] for bound in self._sockets]

    def _accept(self, listening: socket.socket) -> None:
        try:
            client, peer = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in _OUT_OF_RESOURCES:
                raise
            self._pause(listening, error)
            return
        refusal = self._gate.refusal(peer[0], len(self._connections), self._loop.time())
        if refusal is not None:
            _refuse(client, refusal)
            event(logger, "turned_away", client=peer[0], reply=refusal.text)
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(
            self._converse,
            self._closed,
            ledger=self._ledger,
            hostname=self._edge.settings.hostname,
            loop=self._loop,
        )
        self._connections[connection] = self._gate.enter(peer[0])
        self._empty.clear()
        opening = self._loop.create_task(
            self._loop.connect_accepted_socket(lambda: connection, client)
        )
        self._opening.add(opening)
        opening.add_done_callback(lambda done: self._opened(connection, done))

    def _opened(self, connection: Connection, opening: asyncio.Task[object]) -> None:
        self._opening.discard(opening)
        if not opening.cancelled() and opening.exception() is not None:
            self._closed(connection)

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        event(logger, "accept_paused", level=logging.ERROR, cause=error.strerror)
        self._loop.remove_reader(listening)
        self._loop.call_later(_PAUSE_SECONDS, self._resume, listening)

    def _resume(self, listening: socket.socket) -> None:
        if not self._draining:
            self._loop.add_reader(listening, self._accept, listening)

    async def _converse(self, connection: Connection) -> None:
        session = Session(self._edge, connection, exempt=self._gate.exempts(connection.client_ip))
        await session.converse()

    def _closed(self, connection: Connection) -> None:
        network = self._connections.pop(connection, None)
        if network is not None:
            self._gate.leave(network)
        if not self._connections:
            self._empty.set()

    async def watch(self) -> None:
        """Hang up on connections whose time to speak has passed; runs until cancelled."""
        settings = self._edge.settings
        interval = min(1.0, settings.command_timeout / 4, settings.data_timeout / 4)
        while True:
            await asyncio.sleep(interval)
            now = self._loop.time()
            self._gate.forget_before(now - _MINUTE)
            for connection in tuple(self._connections):
                if connection.inbound.deadline < now:
                    connection.inbound.hang_up(replies.IDLE_TIMEOUT)

    async def drain(self, seconds: float) -> None:
        """Take no more, let messages under way finish, at most for `seconds`, then close all."""
        self._draining = True
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        for connection in tuple(self._connections):
            connection.drain()
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """Drop every connection now."""
        for connection in tuple(self._connections):
            connection.abort()


class Gate:
    """Who may connect: per client network at a time and per minute, and in all."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._present: Counter[str] = Counter()
        self._recent: dict[str, deque[float]] = {}

    def exempts(self, client_ip: str) -> bool:
        """Whether limits do not hold for this client."""
        try:
            address = ip_address(client_ip.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._settings.exempt_networks)

    def refusal(self, client_ip: str, connections: int, now: float) -> Reply | None:
        """The reply that turns this client away, if any; `now` in seconds of a steady clock."""
        if connections >= self._settings.max_connections:
            return replies.TOO_MANY_CONNECTIONS
        if self.exempts(client_ip):
            return None
        network = client_network(client_ip)
        if self._present[network] >= self._settings.max_connections_per_client:
            return replies.TOO_MANY_FROM_CLIENT
        recent = self._recent.setdefault(network, deque())
        while recent and recent[0] <= now - _MINUTE:
            recent.popleft()
        if len(recent) >= self._settings.max_new_connections_per_minute:
            return replies.TOO_MANY_FROM_CLIENT
        recent.append(now)
        return None

    def enter(self, client_ip: str) -> str:
        """Count a connection; the network to give back to `leave`."""
        network = client_network(client_ip)
        self._present[network] += 1
        return network

    def leave(self, network: str) -> None:
        """A connection is gone."""
        self._present[network] -= 1
        if self._present[network] <= 0:
            del self._present[network]

    def forget_before(self, then: float) -> None:
        """Drop what no minute counts any more."""
        stale = [network for network, recent in self._recent.items() if recent[-1] <= then]
        for network in stale:
            del self._recent[network]


def client_network(client_ip: str) -> str:
    """The network a client counts by: its IPv4 address, or its IPv6 /64."""
    address = ip_address(client_ip.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return address.packed[:8].hex()
    return str(address)


def listening_socket(endpoint: Endpoint) -> socket.socket:
    """A socket that listens on `endpoint`, not blocking. Raises OSError."""
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        listening.bind((endpoint.host, endpoint.port))
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def _refuse(client: socket.socket, reply: Reply) -> None:
    with client:
        client.setblocking(False)
        try:
            client.send(reply.line)
        except OSError as error:
            event(logger, "refusal_unsent", level=logging.DEBUG, cause=error.strerror)

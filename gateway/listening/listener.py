"""The listening sockets of the SMTP side.

- One connection is taken at a time, judged by the gate, and answered 421 or handed to the mail
  process that has the fewest; this process takes it when that one cannot, or none is left.
- When all connections are taken, one that is idle makes room (`gateway.listening.making_room`).
- Out of descriptors, accepting pauses: a listening socket that stays readable would spin.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Sequence
from functools import partial

from config.listening import ListenAddress
from config.logs import event
from config.settings import Settings
from config.values import Endpoint
from gateway.counters import Counters
from gateway.listening.connection_limits import ConnectionLimits
from gateway.listening.connections import Connections
from gateway.listening.making_room import MakingRoom
from gateway.listening.sockets import ListeningSocket, listening_sockets
from gateway.processes.supervision import MailProcesses
from gateway.smtp import replies
from gateway.smtp.replies import Reply
from gateway.transport import proxy_protocol
from gateway.transport.networks import is_within
from gateway.transport.origin import Origin, Protocol

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listener:
    """Listens, judges and hands on. Made and closed within one event loop."""

    def __init__(
        self,
        settings: Settings,
        connections: Connections,
        mail_processes: MailProcesses,
        counters: Counters,
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._gate = ConnectionLimits(settings)
        self._connections = connections
        self._mail_processes = mail_processes
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[socket.socket, ListeningSocket] = {}
        self._room = MakingRoom(lambda: (connections, *mail_processes.available()))
        self._unnamed: set[asyncio.Task[None]] = set()
        self._closed = False
        mail_processes.on_closed = self._left

    def listen(
        self,
        addresses: Sequence[ListenAddress],
        protocol: Protocol,
        *,
        tls: bool = False,
        handed: Sequence[int] = (),
    ) -> list[ListenAddress]:
        """Bind and listen on all addresses; where. Raises OSError.

        `tls` says that clients begin with a handshake. `handed` are listening sockets of the
        service manager, which take the place of `addresses`.
        """
        sockets = listening_sockets(addresses, self._settings, handed)
        for one in sockets:
            self._sockets[one.socket] = one
            self._watch(one.socket, Origin(protocol, "", tls))
        return [one.address for one in sockets]

    def _watch(self, listening: socket.socket, kind: Origin) -> None:
        self._loop.add_reader(listening, self._accept, listening, kind)

    def close(self) -> None:
        """Take no more connections."""
        self._closed = True
        for naming in self._unnamed:
            naming.cancel()
        for listening in self._sockets.values():
            self._loop.remove_reader(listening.socket)
            listening.close()

    def _accept(self, listening: socket.socket, kind: Origin) -> None:
        try:
            client, peer = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno in _OUT_OF_RESOURCES:
                self._pause(listening, kind, error)
            else:  # accept(2): what the network did to this connection is told here
                event(logger, "accept_failed", level=logging.WARNING, cause=error.strerror)
            return
        client_ip = peer[0] if listening.family != socket.AF_UNIX else ""
        origin = kind._replace(client_ip=client_ip)
        address = self._sockets[listening].address
        if isinstance(address, Endpoint) and address.proxy:
            self._introduce(client, origin)
        else:
            self._admit(client, origin)

    def _introduce(self, client: socket.socket, origin: Origin) -> None:
        """Have a trusted proxy say who the client is, and nobody else."""
        # Else anybody could choose the address that limits, exemptions and SPF go by.
        if not is_within(origin.client_ip, self._settings.trusted_proxies):
            self._turn_away(client, origin, replies.PROXY_REFUSED)
        elif len(self._unnamed) >= self._settings.max_connections:
            self._turn_away(client, origin, replies.TOO_MANY_CONNECTIONS)
        else:
            naming = self._loop.create_task(self._hear_name(client, origin))
            self._unnamed.add(naming)
            naming.add_done_callback(self._unnamed.discard)

    async def _hear_name(self, client: socket.socket, origin: Origin) -> None:
        try:
            client.setblocking(False)
            async with asyncio.timeout(proxy_protocol.HEADER_SECONDS):
                named = await proxy_protocol.read_header(client)
        except (proxy_protocol.BadHeader, OSError) as error:  # TimeoutError is one
            event(logger, "proxy_header_bad", client=origin.client_ip, cause=repr(error))
            self._turn_away(client, origin, replies.PROXY_REFUSED)
        except asyncio.CancelledError:
            client.close()
            raise
        else:
            if named is not None:
                origin = origin._replace(client_ip=named, proxied=True)
            self._admit(client, origin)

    def _admit(self, client: socket.socket, origin: Origin) -> None:
        client_ip = origin.client_ip
        refusal = self._gate.refusal(client_ip, self._loop.time())
        if refusal is replies.TOO_MANY_CONNECTIONS:
            making = self._loop.create_task(self._admit_in_place(client, origin))
            self._unnamed.add(making)
            making.add_done_callback(self._unnamed.discard)
        elif refusal is not None:
            self._turn_away(client, origin, refusal)
        else:
            self._let_in(client, origin)

    async def _admit_in_place(self, client: socket.socket, origin: Origin) -> None:
        """Let a client in when another, idle one can go."""
        try:
            made = await self._room.make(self._gate.fullest(origin.client_ip))
        except asyncio.CancelledError:
            client.close()
            raise
        if not made:
            self._turn_away(client, origin, replies.TOO_MANY_CONNECTIONS)
            return
        self._counters.add("connections_displaced")
        event(logger, "made_room", client=origin.client_ip)
        self._let_in(client, origin)

    def _let_in(self, client: socket.socket, origin: Origin) -> None:
        network = self._gate.enter(origin.client_ip)
        self._counters.add("connections")
        if not self._hand_over(client, network, origin):
            self._connections.open(client, origin, partial(self._left, network))

    def _turn_away(self, client: socket.socket, origin: Origin, refusal: Reply) -> None:
        if origin.tls:  # no word in the clear to a client that expects a handshake
            client.close()
        else:
            _refuse(client, refusal)
        self._counters.add("connections_refused")
        self._counters.replied(refusal.code, refusal.text)
        event(logger, "turned_away", client=origin.client_ip, reply=refusal.text)

    def _left(self, network: str) -> None:
        self._gate.leave(network)
        self._counters.add("connections_closed")

    def _hand_over(self, client: socket.socket, network: str, origin: Origin) -> bool:
        """Give the connection to the mail process with the fewest; False when it cannot take it."""
        mail_process = min(self._mail_processes.available(), key=len, default=None)
        return mail_process is not None and mail_process.take(client, network, origin.packed())

    def _pause(self, listening: socket.socket, kind: Origin, error: OSError) -> None:
        event(logger, "accept_paused", level=logging.ERROR, cause=error.strerror)
        self._loop.remove_reader(listening)
        self._loop.call_later(_PAUSE_SECONDS, self._resume, listening, kind)

    def _resume(self, listening: socket.socket, kind: Origin) -> None:
        if not self._closed:
            self._watch(listening, kind)


def _refuse(client: socket.socket, reply: Reply) -> None:
    with client:
        client.setblocking(False)
        try:
            client.send(reply.line)
        except OSError as error:
            event(logger, "refusal_unsent", level=logging.DEBUG, cause=error.strerror)

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
import os
import shutil
import socket
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from config.listening import MailEndpoint, UnixSocket
from config.logs import event
from config.settings import Settings
from config.values import Endpoint
from gateway.counters import Counters
from gateway.listening.connection_limits import ConnectionLimits
from gateway.listening.connections import Connections
from gateway.listening.making_room import MakingRoom
from gateway.processes.supervision import MailProcesses
from gateway.smtp import replies
from gateway.smtp.replies import Reply
from gateway.transport import proxy_protocol
from gateway.transport.networks import is_within
from gateway.transport.origin import Origin, Protocol

logger = logging.getLogger(__name__)

_BACKLOG = 512
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
        self._sockets: dict[socket.socket, MailEndpoint] = {}
        self._kept: set[socket.socket] = set()
        self._room = MakingRoom(lambda: (connections, *mail_processes.available()))
        self._unnamed: set[asyncio.Task[None]] = set()
        self._closed = False
        mail_processes.on_closed = self._left

    def listen(
        self,
        endpoints: Sequence[MailEndpoint],
        protocol: Protocol,
        *,
        tls: bool = False,
        handed: Sequence[int] = (),
    ) -> list[MailEndpoint]:
        """Bind and listen on all endpoints; where. Raises OSError.

        `tls` says that clients begin with a handshake. `handed` are listening sockets of the
        service manager, which take the place of `endpoints`.
        """
        bound: list[MailEndpoint] = []
        for listening in handed_over(handed):
            place = _place_of(listening, endpoints)
            self._sockets[listening] = place
            self._kept.add(listening)
            bound.append(place)
            self._watch(listening, Origin(protocol, "", tls))
        for endpoint in () if handed else endpoints:
            if isinstance(endpoint, UnixSocket):
                listening = listening_unix_socket(endpoint, self._settings)
                bound.append(endpoint)
            else:
                listening = listening_socket(endpoint)
                host, port = listening.getsockname()[:2]
                bound.append(Endpoint(host, port, endpoint.proxy))
            self._sockets[listening] = endpoint
            self._watch(listening, Origin(protocol, "", tls))
        return bound

    def _watch(self, listening: socket.socket, kind: Origin) -> None:
        self._loop.add_reader(listening, self._accept, listening, kind)

    def close(self) -> None:
        """Take no more connections."""
        self._closed = True
        for naming in self._unnamed:
            naming.cancel()
        for listening, endpoint in self._sockets.items():
            self._loop.remove_reader(listening)
            listening.close()
            if isinstance(endpoint, UnixSocket) and listening not in self._kept:
                endpoint.path.unlink(missing_ok=True)

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
        endpoint = self._sockets[listening]
        if isinstance(endpoint, Endpoint) and endpoint.proxy:
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


def handed_over(descriptors: Sequence[int]) -> list[socket.socket]:
    """The listening sockets behind descriptors of the service manager, not blocking."""
    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    for one in sockets:
        one.setblocking(False)
        one.set_inheritable(False)
    return sockets


def _place_of(listening: socket.socket, endpoints: Sequence[MailEndpoint]) -> MailEndpoint:
    """Where a socket listens; behind a proxy if the endpoint of that address is."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return UnixSocket(Path(name))
    host, port = name[:2]
    proxied = Endpoint(host, port, proxy=True)
    return proxied if proxied in endpoints else Endpoint(host, port)


def listening_unix_socket(endpoint: UnixSocket, settings: Settings) -> socket.socket:
    """A unix socket that listens on `endpoint`, not blocking. Raises OSError.

    A file that an earlier process left behind, and nobody listens on, is replaced.
    """
    _remove_left_behind(endpoint)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777)  # nobody may connect before mode and group are right
    try:
        listening.setblocking(False)
        listening.bind(str(endpoint.path))
        if settings.socket_group:
            shutil.chown(endpoint.path, group=settings.socket_group)
        endpoint.path.chmod(settings.socket_mode)
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening


def _remove_left_behind(endpoint: UnixSocket) -> None:
    if not endpoint.path.is_socket():  # nothing there, or what is not ours: bind says so
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(endpoint.path))
        except ConnectionRefusedError:
            endpoint.path.unlink(missing_ok=True)
        except BlockingIOError:  # its backlog is full: somebody listens
            pass


def _refuse(client: socket.socket, reply: Reply) -> None:
    with client:
        client.setblocking(False)
        try:
            client.send(reply.line)
        except OSError as error:
            event(logger, "refusal_unsent", level=logging.DEBUG, cause=error.strerror)

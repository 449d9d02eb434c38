"""The HTTP side of the process: uvicorn behind sockets and limits of ours, without its signals.

- A few connections are accepted at a time, so that mail has its turn between them. One without a
  place is answered 503 before anything of it is read: the same octets for each, for in a flood the
  queue of the kernel must empty faster than it fills.
- Out of descriptors, accepting pauses: a listening socket that stays readable would spin.
- One task watches the times of all connections; none has a timer of its own.
- uvicorn would wake up ten times a second to see whether it is to end; here it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import AsyncIterator, Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp

from admin_api.http.client_address import UNIX_PEER, Peer
from config.listening import ListenAddress
from config.logs import event
from config.settings import Settings
from gateway.background import tell_of_end
from gateway.http_edge import http_refusals as refusals
from gateway.http_edge.http_limits import READ_MAX, Count, HttpClients, HttpTimes, Place
from gateway.http_edge.http_protocol import HttpProtocol
from gateway.http_edge.http_transport import PieceReader
from gateway.listening.sockets import listening_sockets

logger = logging.getLogger("postroom.http")

_BACKLOG = 2048  # beyond it the kernel drops what others send, who come again after a second
_ACCEPTED_AT_ONCE = 16
_CLOSE_SECONDS = 3
_PAUSE_SECONDS = 1.0
_WATCH_SECONDS = 1.0
_DATE_SECONDS = 1.0
_TELL_SECONDS = 60.0
_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp,
    addresses: Sequence[ListenAddress],
    settings: Settings,
    *,
    times: HttpTimes | None = None,
    descriptors: int | None = None,
    handed: Sequence[int] = (),
    count: Count = lambda name: None,
) -> AsyncIterator[list[ListenAddress]]:
    """Serve `app` within, on all addresses; where. Raises OSError.

    `times` and `descriptors` are for tests; else they are the usual ones, and the process's own.
    `handed` are listening sockets that take the place of `addresses`. `count` counts `http_refused`
    and `http_turned_away`.
    """
    sockets = listening_sockets(addresses, settings, handed)
    for one in sockets:
        one.socket.listen(_BACKLOG)
    config = uvicorn.Config(
        app,
        http=HttpProtocol,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        # uvicorn would believe them by rules of its own; here `trusted_proxies` decides.
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=_CLOSE_SECONDS,
    )
    clients = HttpClients(settings, descriptors)
    server = ApiServer(config, clients, times or HttpTimes(), count)
    running = asyncio.create_task(server.serve([one.socket for one in sockets]))
    try:
        await server.accepting.wait()
        yield [one.address for one in sockets]
    finally:
        server.end()
        await running
        for one in sockets:
            one.close()


class ApiServer(uvicorn.Server):
    """uvicorn that accepts as we do, and without its own signal handlers."""

    def __init__(
        self, config: uvicorn.Config, clients: HttpClients, times: HttpTimes, count: Count
    ) -> None:
        super().__init__(config)
        self._count = count
        self.accepting = asyncio.Event()
        self._ending = asyncio.Event()
        self.servers: list[asyncio.Server] = []
        self._loop = asyncio.get_running_loop()
        self._clients = clients
        self._times = times
        self._buffer = bytearray(READ_MAX)
        self._listening: list[socket.socket] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._no_place = refusals.refusal(refusals.too_many_connections())
        self._turned_away = 0
        self._told_at = float("-inf")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def end(self) -> None:
        """Have `serve` end."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # the tick at which uvicorn renews the Date of responses
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DATE_SECONDS):
                    await self._ending.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._listening = list(sockets or ())
        for listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)
        self._watching = asyncio.create_task(self._watch())
        tell_of_end(self._watching, logger, "watches HTTP connections")
        self.started = True
        self.accepting.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in self._listening:
            self._loop.remove_reader(listening)
        self._listening.clear()
        await asyncio.gather(*self._opening)
        await super().shutdown(sockets)
        self._watching.cancel()

    # ---- accepting

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if not self._accept_one(listening):
                return

    def _accept_one(self, listening: socket.socket) -> bool:
        """Take one connection, if there is one; whether there may be more."""
        try:
            client, peer = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            if error.errno in _OUT_OF_RESOURCES:
                event(logger, "http_accept_paused", level=logging.ERROR, cause=error.strerror)
                self._loop.remove_reader(listening)
                self._loop.call_later(_PAUSE_SECONDS, self._resume, listening)
            else:  # accept(2): what the network did to this connection is told here
                event(logger, "http_accept_failed", level=logging.WARNING, cause=error.strerror)
            return False
        client.setblocking(False)
        # Asked later, a peer that has gone would have no address, as a local program has none.
        named = (peer[0], peer[1]) if client.family != socket.AF_UNIX else UNIX_PEER
        place = self._clients.enter(named)
        if place is None:
            self._turned_away += 1
            self._count("http_turned_away")
            _turn_away(client, self._no_place)
            return True
        opening = self._loop.create_task(self._open(client, named, place))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        return True

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)

    async def _open(self, client: socket.socket, peer: Peer, place: Place) -> None:
        protocol = HttpProtocol(
            self.config,
            self.server_state,
            clients=self._clients,
            peer=peer,
            times=self._times,
            place=place,
            count=self._count,
        )
        reader = PieceReader(protocol, self._buffer)
        try:
            await self._loop.connect_accepted_socket(lambda: reader, client)
        except Exception as error:  # the client was gone already, or something has run out
            event(logger, "http_unopened", level=logging.WARNING, cause=repr(error))
            client.close()
            place.leave()

    # ---- watching

    async def _watch(self) -> None:
        """Hold connections to their times until cancelled."""
        interval = min(_WATCH_SECONDS, self._times.shortest / 4)
        while True:
            await asyncio.sleep(interval)
            now = self._loop.time()
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, HttpProtocol):
                    connection.check(now)
            self._tell_of_turned_away(now)

    def _tell_of_turned_away(self, now: float) -> None:
        """One line a minute: a flood of connections is no flood of the log."""
        if self._turned_away and now - self._told_at > _TELL_SECONDS:
            count, self._turned_away, self._told_at = self._turned_away, 0, now
            event(logger, "http_turned_away", level=logging.WARNING, connections=count)


def _turn_away(client: socket.socket, answer: bytes) -> None:
    """Answer and close, without waiting for anything."""
    with client:
        try:
            client.send(answer)
            client.shutdown(socket.SHUT_WR)
            client.recv(READ_MAX)  # what is left unread would make a reset of the end
        except BlockingIOError:
            return
        except OSError as error:
            event(logger, "refusal_unsent", level=logging.DEBUG, cause=error.strerror)

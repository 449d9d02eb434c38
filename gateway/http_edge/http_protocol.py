"""One HTTP connection: uvicorn's protocol, held to limits.

- One request at a time. The parser is fed to the end of a request and not further; what a client
  sends beyond waits unread until the answer is complete. So a pipeline costs what one request does.
- Octets not yet parsed have one bound, parsed ones that the call has not taken another:
  above them nothing is read.
- Request line, header and trailer fields together: 32 KiB and 100 fields. Trailers are not shown to
  the call. A doubled Host could be read differently by a proxy: 400.
- Times: `HttpTimes`. A body's clock stands still while it is us who do not read.
- A connection that ends while its client still sends is shut for writing first, and what comes is
  thrown away for a moment: else a reset could overtake the answer (RFC 9112 9.6).

RFC 9112; RFC 9110 15.5.9 (408).
"""

from __future__ import annotations

import asyncio
import re
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, cast

import httptools
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from admin_api.events.stream import CONNECTION
from admin_api.http.client_address import Peer
from admin_api.http.problems import Problem
from gateway.http_edge import http_limits as limits
from gateway.http_edge import http_refusals as refusals
from gateway.http_edge.http_limits import Count, HttpClients, HttpTimes, Place
from gateway.http_edge.http_transport import CycleTransport, Flow

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

# Where a request may end: its header, or its chunked body, with or without trailers.
_BLANK_LINE = re.compile(rb"\n\r?\n")


class Stage(Enum):
    """The part of a request that a connection waits for."""

    REQUEST = auto()
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    FAREWELL = auto()


class HttpProtocol(HttpToolsProtocol):
    """Fed by `PieceReader`; watched by `ApiServer`, which calls `check`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        *,
        clients: HttpClients,
        peer: Peer,
        times: HttpTimes,
        place: Place,
        count: Count,
    ) -> None:
        super().__init__(config, server_state, {})
        self._clients = clients
        self._peer = peer
        self._times = times
        self._place = place
        self._count = count
        self._call = cast(ASGIApp, self.app)
        self._stage = Stage.REQUEST
        self._unread = bytearray()
        self._fed = b""  # the last octets that the parser got: a blank line may begin in them
        self._fault: Problem | None = None
        self._complete = self._lost = False
        self._reading = True
        self._deadline = 0.0
        self._unsent = 0
        self._taken_at = 0.0
        self._thrown_away = 0
        self._begin_request()

    def _begin_request(self) -> None:
        self._complete = False
        self._fields = 0
        self._head = 0
        self._quiet = 0
        self._body_left: int | None = None
        self._window = self._octets = 0.0
        self._heard_at = 0.0

    # ---- what the transport tells

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.client = self._peer
        self.flow = Flow(transport, self._proceed)
        self._taken_at = self.loop.time()
        self._deadline = self._taken_at + self._times.header

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lost = True
        self._place.leave()
        self._unread.clear()
        # Nothing is left of a circle that only a garbage collection would open.
        self.scope = self.headers = self.flow = self.cycle = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._stage is Stage.FAREWELL:
            self._thrown_away += len(data)
            if self._thrown_away > limits.FAREWELL_MAX:
                self.transport.abort()
            return
        self._unread += data
        self._proceed()

    def shutdown(self) -> None:
        if self._stage is Stage.FAREWELL:
            self.transport.abort()
        else:
            super().shutdown()

    # ---- feeding the parser

    def _proceed(self) -> None:
        """Feed the parser as far as it may be fed now; read more when there is room for it."""
        if self._lost:
            return
        while self._unread and self._may_feed():
            self._feed(self._piece())
        self._set_reading(
            len(self._unread) <= limits.UNREAD_MAX and not self.transport.is_closing()
        )

    def _may_feed(self) -> bool:
        if self.transport.is_closing() or self._stage in (Stage.ANSWER, Stage.FAREWELL):
            return False
        return self._stage is not Stage.BODY or len(self.cycle.body) <= limits.BODY_MAX

    def _piece(self) -> bytes:
        """Return the octets to feed now: none of them is beyond the end of this request."""
        if self._stage is Stage.BODY and self._body_left:
            end = min(len(self._unread), self._body_left)
            self._body_left -= end
        else:
            most = limits.HEAD_MAX + 1 - self._head if self._stage is not Stage.BODY else 4096
            window = self._fed + self._unread[:most]
            found = _BLANK_LINE.search(window)
            end = (found.end() if found else len(window)) - len(self._fed)
            self._fed = b"" if found else bytes(window[-2:])
        piece = bytes(self._unread[:end])
        del self._unread[:end]
        return piece

    def _feed(self, piece: bytes) -> None:
        if self._stage is Stage.REQUEST:
            self._stage = Stage.HEAD
            self._deadline = self.loop.time() + self._times.header
        counted_as_head = self._stage is Stage.HEAD
        self._quiet += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # RFC 9110 7.8: it stays HTTP/1.1. After CONNECT nothing is ours to read.
            if self._fault is None and self.scope["method"] == "CONNECT":
                self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._fault = self._fault or refusals.malformed()
        if counted_as_head:
            self._head += len(piece)
            self._quiet = 0
        if self._head + self._quiet > limits.HEAD_MAX:
            self._fault = self._fault or self._too_large()
        if self._fault is not None:
            self._refuse(self._fault)
        elif self._complete:
            self._request_ended()
        elif self._thrown_away > limits.DISCARDED_MAX:
            self._part()

    def _too_large(self) -> Problem:
        if self._stage is Stage.HEAD and len(self.url) > limits.HEAD_MAX // 2:
            return refusals.url_too_long()
        return refusals.header_too_large()

    def _request_ended(self) -> None:
        if self.cycle.response_complete:
            self._await_request()
        else:
            self._stage = Stage.ANSWER

    def _await_request(self) -> None:
        self._stage = Stage.REQUEST
        self._deadline = self.loop.time() + self._times.between_requests
        self._begin_request()

    def _set_reading(self, on: bool) -> None:
        if on != self._reading and not self.transport.is_closing():
            self._reading = on
            (self.transport.resume_reading if on else self.transport.pause_reading)()

    # ---- what the parser tells

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION: {"transport": self.transport}}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        if self._fields > limits.FIELDS_MAX:
            self._fault = refusals.header_too_large()
        elif self._stage is Stage.HEAD:
            super().on_header(name, value)
        else:  # a trailer: it is counted and not shown
            self._head += len(name) + len(value) + 4

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        self._fault = self._fault or refusals.header_problem(
            version, self.headers, upgrades=self.parser.should_upgrade()
        )
        if self._fault is not None:
            return
        network = self._clients.forwarded(cast(Scope, self.scope))
        app = partial(self._counted, network) if network else self._call
        self.app = cast("ASGI3Application", app)
        super().on_headers_complete()
        self.cycle.transport = cast(asyncio.Transport, CycleTransport(self.transport, self._part))
        self._stage = Stage.BODY
        lengths = [int(value) for name, value in self.headers if name == b"content-length"]
        self._body_left = lengths[0] if lengths else None
        self._heard_at = self._window = self.loop.time()

    async def _counted(self, network: str, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._clients.take(network):
            self._count("http_turned_away")
            await refusals.busy()(scope, receive, send)
            return
        try:
            await self._call(scope, receive, send)
        finally:
            self._clients.give_back(network)

    def on_chunk_header(self) -> None:
        self._quiet = 0

    def on_chunk_complete(self) -> None:
        self._quiet = 0

    def on_body(self, body: bytes) -> None:
        if self._fault is not None:
            return
        self._quiet = 0
        self._octets += len(body)
        self._heard_at = self.loop.time()
        if self.cycle.response_complete:
            self._thrown_away += len(body)
            return
        self.cycle.body += body
        self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self._fault is None:
            super().on_message_complete()
            self._complete = True

    # ---- answers and ends

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._stage is Stage.ANSWER:
            self._await_request()
        self._thrown_away = 0
        self.cycle.body = bytearray()
        self._proceed()

    def _refuse(self, problem: Problem) -> None:
        """Answer what is no request, or breaks off in its body; then end the connection."""
        if self._stage is Stage.BODY and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        elif self._stage is Stage.BODY:  # it has its answer
            self.transport.close()
            return
        self._count("http_refused")
        self.transport.write(refusals.refusal(problem))
        self._part()

    def _part(self) -> None:
        """End the connection, so that the client can read what was written last."""
        is_read = self._stage is Stage.ANSWER and not self._unread
        if is_read or not self.transport.can_write_eof():
            self.transport.close()
            return
        self._stage = Stage.FAREWELL
        self._deadline = self.loop.time() + self._times.farewell
        self._thrown_away = 0
        self._unread.clear()
        self.transport.write_eof()
        self._set_reading(True)

    # ---- time

    def check(self, now: float) -> None:
        """End what takes too long. To be called now and then."""
        if self._lost:
            return
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent < self._unsent:
            self._taken_at = now
        self._unsent = unsent
        if now - self._taken_at > self._times.taking:
            self.transport.abort()
        elif self.transport.is_closing() or self._stage is Stage.ANSWER:
            return
        elif self._stage is Stage.BODY:
            self._check_body(now)
        elif now > self._deadline:
            self._expire()

    def _check_body(self, now: float) -> None:
        if not self._may_feed() or not self._reading:
            self._heard_at, self._window, self._octets = now, now, 0
        elif now - self._heard_at > self._times.body:
            self._refuse(refusals.too_slow())
        elif now - self._window > self._times.floor_window:
            if self._octets < self._times.floor * (now - self._window):
                self._refuse(refusals.too_slow())
            self._window, self._octets = now, 0

    def _expire(self) -> None:
        if self._stage is Stage.HEAD:
            self._refuse(refusals.too_slow())
        elif self._stage is Stage.REQUEST:
            self.transport.close()
        else:
            self.transport.abort()

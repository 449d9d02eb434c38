"""The HTTP side of the process: uvicorn on sockets of ours, without signals of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from admin_api.events.stream import CONNECTION
from admin_api.http.problems import Problem, response_of
from admin_api.http.responses import common_headers
from config.logs import event
from config.values import Endpoint
from gateway.listening.listener import listening_socket

_CLOSE_SECONDS = 3


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, endpoints: Sequence[Endpoint]
) -> AsyncIterator[list[tuple[str, int]]]:
    """Serve `app` within, on all endpoints; where. Raises OSError."""
    sockets = [listening_socket(endpoint) for endpoint in endpoints]
    server = ApiServer(
        uvicorn.Config(
            app,
            http=HttpProtocol,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=_CLOSE_SECONDS,
        )
    )
    running = asyncio.create_task(server.serve(sockets))
    try:
        await server.accepting.wait()
        yield [bound.getsockname()[:2] for bound in sockets]
    finally:
        server.should_exit = True
        await running


class ApiServer(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one way to stop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


logger = logging.getLogger("postroom.http")


class HttpProtocol(HttpToolsProtocol):
    """Tells each call of its connection, as an extension of the scope; refuses what is no HTTP."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION: {"transport": self.transport}}

    def send_400_response(self, msg: str) -> None:
        """For what the parser cannot read; `msg`, in uvicorn's words, is not shown."""
        if not _is_answering(self.cycle):
            self.transport.write(_refusal())
        self.transport.close()


def _is_answering(cycle: RequestResponseCycle | None) -> bool:
    """Whether a response has begun and not ended; without any request yet there is no cycle."""
    return cycle is not None and cycle.response_started and not cycle.response_complete


def _refusal() -> bytes:
    response = response_of(Problem(400, "malformed_request", "This is no HTTP request."))
    response.headers.update(common_headers() | {"Connection": "close"})
    event(logger, "http_malformed", request=response.headers["X-Request-Id"])
    fields = [b"%s: %s\r\n" % field for field in response.raw_headers]
    return b"".join([b"HTTP/1.1 400 Bad Request\r\n", *fields, b"\r\n", bytes(response.body)])

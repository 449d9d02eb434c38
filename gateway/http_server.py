"""The HTTP side of the process: uvicorn on sockets of ours, without signals of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp

from config.values import Endpoint
from gateway.http_protocol import HttpProtocol
from gateway.listener import listening_socket

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

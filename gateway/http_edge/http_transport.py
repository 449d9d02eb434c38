"""Between a transport, uvicorn's protocol and its answers: reads in pieces, flow, the end.

See `gateway.http_edge.http_protocol`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl


class PieceReader(asyncio.BufferedProtocol):
    """Reads 16 KiB at a time for a protocol; `buffer` is one for all connections of the loop."""

    def __init__(self, protocol: asyncio.Protocol, buffer: bytearray) -> None:
        self._protocol = protocol
        self._buffer = buffer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._protocol.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)

    def eof_received(self) -> None:
        self._protocol.eof_received()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._protocol.data_received(bytes(memoryview(self._buffer)[:nbytes]))


class Flow(FlowControl):
    """A call that takes body, or ends, lets its connection go on; reading is the protocol's own."""

    def __init__(self, transport: asyncio.Transport, proceed: Callable[[], None]) -> None:
        super().__init__(transport)
        self._proceed = proceed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        self._proceed()


class CycleTransport:
    """The transport as a call's answer sees it: to close it is to part in good order."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, part: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = part

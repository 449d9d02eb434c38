"""A DNS server on loopback that answers from a small zone, or fails as real ones do.

Rules: UDP and TCP on one free port, in the loop of the test; what does not fit into 512 octets
comes truncated, and whole over TCP (RFC 1035 4.2.1, 4.2.2). A name without a record and nothing
below it is NXDOMAIN, other gaps are NOERROR without an answer (RFC 2308).
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Mood = Literal[
    "answers", "fails", "refuses", "is silent", "talks nonsense", "answers another question"
]
RCODES = {"fails": dns.rcode.SERVFAIL, "refuses": dns.rcode.REFUSED}
PLAIN_UDP = 512
LONGEST_CHAIN = 40  # of CNAMEs in one answer; a loop goes round until then


@dataclass(slots=True)
class DnsServer:
    """`asked` are the names and types of the questions, in lower case."""

    mood: Mood = "answers"
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    _zone: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """Return what the setting `dns_server` takes."""
        return f"127.0.0.1:{self.port}"

    def publish(self, name: str, kind: str, *values: str) -> None:
        """Let `name` have these records of this type, as a zone file writes them; or none."""
        self._zone[name.lower() + ".", kind] = values
        if not values:
            del self._zone[name.lower() + ".", kind]

    def reply(self, wire: bytes, *, most: int) -> bytes | None:
        """Return the answer to one question; None for none at all."""
        query = dns.message.from_wire(wire)
        (question,) = query.question
        name, kind = question.name, dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name.to_text().lower(), kind))
        if self.mood == "is silent":
            return None
        if self.mood == "talks nonsense":
            return wire[:2] + b"\x81\x80" + b"\xff" * 20
        if self.mood == "answers another question":
            query.question[0].name = dns.name.from_text("other.test")
            name = query.question[0].name
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if self.mood in RCODES:
            response.set_rcode(RCODES[self.mood])
        else:
            self._fill(response, name, kind)
        try:
            return response.to_wire(max_size=most)
        except dns.exception.TooBig:
            response.answer.clear()
            response.flags |= dns.flags.TC
            return response.to_wire()

    def _fill(
        self, response: dns.message.Message, name: dns.name.Name, kind: str, links: int = 0
    ) -> None:
        text = name.to_text().lower()
        if not any(known == text or known.endswith("." + text) for known, _ in self._zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
            return
        alias = self._zone.get((text, "CNAME"))
        values = alias or self._zone.get((text, kind))
        if values:
            shown = "CNAME" if alias else kind
            response.answer.append(dns.rrset.from_text(name, 60, "IN", shown, *values))
        if alias and links < LONGEST_CHAIN:
            self._fill(response, dns.name.from_text(alias[0]), kind, links + 1)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.reply(data, most=PLAIN_UDP)
        if answer is not None:
            self._transport.sendto(answer, addr)


@contextlib.asynccontextmanager
async def open_dns_server() -> AsyncIterator[DnsServer]:
    """Give a running server with an empty zone."""
    server = DnsServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            size = int.from_bytes(await reader.readexactly(2), "big")
            answer = server.reply(await reader.readexactly(size), most=65_535)
            if answer is not None:
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        writer.close()

    streams, transport = await _listen(server, serve)
    async with streams:
        yield server
        transport.close()


@contextlib.contextmanager
def dns_server_beside() -> Iterator[DnsServer]:
    """Give a running server to a test that has no event loop: it has a thread of its own."""
    made: queue.Queue[tuple[DnsServer, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def serve() -> None:
        ended = asyncio.Event()
        async with open_dns_server() as server:
            made.put((server, asyncio.get_running_loop(), ended))
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    server, loop, ended = made.get(timeout=10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _listen(
    server: DnsServer, serve: Serve
) -> tuple[asyncio.Server, asyncio.DatagramTransport]:
    """Listen on one port with both protocols; another one when somebody has it for datagrams."""
    loop = asyncio.get_running_loop()
    while True:
        streams = await asyncio.start_server(serve, "127.0.0.1", 0)
        server.port = streams.sockets[0].getsockname()[1]
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(server), ("127.0.0.1", server.port)
            )
        except OSError:
            streams.close()
        else:
            return streams, transport

"""A smarthost on loopback that records what it took, and fails where it is told to.

Rules: it speaks SMTP by itself, on sockets, so that it can do what no server does: hang, hang up,
answer nonsense or slowly, at each point of the dialogue. A letter is recorded when its 250 is
written, in `dots` already when its dot came.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

# The points of the dialogue, in order.
POINTS = ("banner", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "body", "dot")
HANG_UP = b""
HANG = None


@dataclass(frozen=True, slots=True)
class Taken:
    """One letter as it came: its envelope, and its octets without the stuffed dots."""

    mail: str
    recipients: tuple[str, ...]
    octets: bytes


@dataclass(slots=True)
class RecordingSmarthost:
    """`faults` has at a point the reply to give instead, HANG_UP or HANG, or a function of the
    line that returns one of these or "" for the usual.
    """

    port: int = 0
    faults: dict[str, bytes | Callable[[str], bytes | str | None] | None] = field(
        default_factory=dict
    )
    extensions: tuple[str, ...] = ("SIZE 10000000", "8BITMIME", "ENHANCEDSTATUSCODES")
    taken: list[Taken] = field(default_factory=list)
    dots: list[Taken] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    connections: int = 0
    slow: random.Random | None = None
    tls: ssl.SSLContext | None = None

    def fault(self, point: str, line: str) -> bytes | str | None:
        """Return what to do at a point: "" for the usual."""
        if point not in self.faults:
            return ""
        chosen = self.faults[point]
        return chosen(line) if callable(chosen) else chosen


@contextlib.asynccontextmanager
async def recording_smarthost(
    tls: ssl.SSLContext | None = None, *, implicit: bool = False
) -> AsyncIterator[RecordingSmarthost]:
    """Run one for as long; with `tls` it offers STARTTLS, or begins with TLS."""
    host = RecordingSmarthost(tls=None if implicit else tls)
    ends: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_serve(host, reader, writer))
        ends.add(task)
        task.add_done_callback(ends.discard)

    server = await asyncio.start_server(
        begin, "127.0.0.1", 0, limit=1 << 20, ssl=tls if implicit else None
    )
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
        for task in [*ends]:
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        await server.wait_closed()


class _Ended(Exception):
    """The conversation is over."""


async def _serve(
    host: RecordingSmarthost, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    host.connections += 1
    try:
        await _say(host, writer, "banner", "", b"220 recording.test ESMTP\r\n")
        await _commands(host, reader, writer)
    except (_Ended, OSError, asyncio.IncompleteReadError, EOFError, ssl.SSLError):
        pass
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _say(
    host: RecordingSmarthost, writer: asyncio.StreamWriter, point: str, line: str, usual: bytes
) -> bool:
    """Write the reply of a point; whether it was the usual one."""
    chosen = host.fault(point, line)
    if chosen is HANG:
        await asyncio.Event().wait()
    if chosen == HANG_UP and isinstance(chosen, bytes):
        raise _Ended
    writer.write(chosen if isinstance(chosen, bytes) else usual)
    await writer.drain()
    return not isinstance(chosen, bytes)


async def _line(reader: asyncio.StreamReader) -> str:
    line = await reader.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError
    return line.decode("utf-8", "surrogateescape").removesuffix("\r\n")


def _offers(host: RecordingSmarthost, writer: asyncio.StreamWriter) -> bytes:
    offered = ["recording.test", *host.extensions, "AUTH PLAIN LOGIN"]
    if host.tls is not None and writer.get_extra_info("sslcontext") is None:
        offered.append("STARTTLS")
    lines = [f"250-{one}\r\n" for one in offered[:-1]]
    return ("".join(lines) + f"250 {offered[-1]}\r\n").encode()


async def _start_tls(host: RecordingSmarthost, writer: asyncio.StreamWriter, line: str) -> None:
    assert host.tls is not None, "it was not offered"
    if await _say(host, writer, "STARTTLS", line, b"220 2.0.0 go on\r\n"):
        await writer.start_tls(host.tls)


async def _commands(
    host: RecordingSmarthost, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    sender = ""
    recipients: list[str] = []
    while True:
        line = await _line(reader)
        host.lines.append(line)
        word = line.split(" ")[0].upper()
        if word == "EHLO":
            await _say(host, writer, "EHLO", line, _offers(host, writer))
        elif word == "STARTTLS":
            await _start_tls(host, writer, line)
        elif word == "AUTH":
            await _say(host, writer, "AUTH", line, b"235 2.7.0 welcome\r\n")
        elif word == "MAIL":
            if await _say(host, writer, "MAIL", line, b"250 2.1.0 ok\r\n"):
                sender, recipients = line, []
        elif word == "RCPT":
            if await _say(host, writer, "RCPT", line, b"250 2.1.5 ok\r\n"):
                recipients.append(line)
        elif word == "DATA":
            if await _say(host, writer, "DATA", line, b"354 go on\r\n"):
                await _body(host, reader, writer, sender, tuple(recipients))
        elif word == "QUIT":
            writer.write(b"221 2.0.0 bye\r\n")
            raise _Ended
        else:
            writer.write(b"250 2.0.0 ok\r\n")


async def _body(
    host: RecordingSmarthost,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    sender: str,
    recipients: tuple[str, ...],
) -> None:
    if host.fault("body", "") in (HANG, HANG_UP) and "body" in host.faults:
        await reader.readline()
        await _say(host, writer, "body", "", b"")
    lines = []
    while (line := await reader.readline()) != b".\r\n":
        if not line.endswith(b"\r\n"):
            raise EOFError
        lines.append(line[1:] if line.startswith(b".") else line)
    taken = Taken(sender, recipients, b"".join(lines))
    host.dots.append(taken)
    if host.slow is not None:
        await asyncio.sleep(host.slow.uniform(0, 0.01))
    if await _say(host, writer, "dot", "", b"250 2.0.0 queued\r\n"):
        host.taken.append(taken)

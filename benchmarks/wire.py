"""A small SMTP client on a plain socket, for what the load generator cannot do or time.

Rules kept here:
- Blocking calls with a time limit; one connection, one thread.
- Content is sent as given: the caller keeps lines from beginning with a dot.
"""

import socket
import ssl
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from benchmarks.faults import BenchmarkFault
from benchmarks.plan import KIB
from benchmarks.servers import Endpoint

_CHUNK = 64 * KIB
_END = b"\r\n.\r\n"


class Client:
    """One connection, greeted with EHLO; use as a context manager, which hangs up at the end."""

    def __init__(self, target: Endpoint, *, timeout: float = 60.0) -> None:
        self._socket = socket.create_connection(target, timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = self._socket.makefile("rb")
        self._expect(self.reply(), 220)
        self.command("EHLO client.test", 250)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._replies.close()
        self._socket.close()

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on over TLS, and greet again."""
        self.command("STARTTLS", 220)
        self._replies.close()
        self._socket = context.wrap_socket(self._socket, server_hostname="mx.bench.test")
        self._replies = self._socket.makefile("rb")
        self.command("EHLO client.test", 250)

    def command(self, line: str, expected: int) -> None:
        """Send a command and read its reply; any other code raises BenchmarkFault."""
        self._socket.sendall(line.encode("ascii") + b"\r\n")
        self._expect(self.reply(), expected)

    def reply(self) -> str:
        """Read one reply, which may have several lines, and return its last line."""
        line = self._replies.readline()
        while line[3:4] == b"-":
            line = self._replies.readline()
        return line.decode("ascii", "replace").rstrip()

    def _expect(self, reply: str, code: int) -> None:
        if not reply.startswith(str(code)):
            raise BenchmarkFault(f"expected {code}, got {reply or 'the end of the connection'}")

    def envelope(self, recipient: str) -> None:
        """Take the transaction as far as 354."""
        self.command("MAIL FROM:<sender@client.test>", 250)
        self.command(f"RCPT TO:<{recipient}>", 250)
        self.command("DATA", 354)

    def send(self, recipient: str, content: bytes) -> float:
        """Send one message; return the seconds from its dot to the 250.

        Content and dot leave in one write, as they do from a real client with a small message.
        """
        self.envelope(recipient)
        started = time.perf_counter()
        self._socket.sendall(content + _END)
        reply = self.reply()
        seconds = time.perf_counter() - started
        self._expect(reply, 250)
        return seconds

    def send_pipelined(self, recipient: str, content: bytes) -> None:
        """Send one message, and quit, with as few round trips as pipelining allows (RFC 2920)."""
        envelope = f"MAIL FROM:<sender@client.test>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n"
        self._socket.sendall(envelope.encode("ascii"))
        for code in (250, 250, 354):
            self._expect(self.reply(), code)
        self._socket.sendall(content + _END + b"QUIT\r\n")
        self._expect(self.reply(), 250)
        self._expect(self.reply(), 221)

    def send_stream(self, recipient: str, chunks: Iterable[bytes]) -> str:
        """Send content too large to hold; return the reply, "" when there was none.

        A server that has had enough and hangs up early ends it without a fault.
        """
        self.envelope(recipient)
        try:
            for chunk in chunks:
                self._socket.sendall(chunk)
            self._socket.sendall(_END)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            return self.reply()
        except ConnectionResetError:
            return ""


def message(number: int, size: int) -> bytes:
    """Return a message of about `size` octets in 78-octet lines, with a Message-Id of its own."""
    return header(number) + lines(size)


def header(number: int) -> bytes:
    """Return a message's header with the empty line behind it."""
    return (
        b"From: <sender@client.test>\r\nTo: <list@client.test>\r\nSubject: measured\r\n"
        b"Message-Id: <%d.%d@client.test>\r\n\r\n" % (time.time_ns(), number)
    )


def lines(size: int) -> bytes:
    """Return `size` octets, at least, of text lines."""
    line = b"x" * 76 + b"\r\n"
    return line * (size // len(line) + 1)


def repeat(octets: bytes, total: int) -> Iterable[bytes]:
    """Yield `total` octets of a pattern in chunks, without ever holding them all."""
    chunk = octets * (_CHUNK // len(octets))
    whole, rest = divmod(total, len(chunk))
    for _ in range(whole):
        yield chunk
    yield chunk[:rest]

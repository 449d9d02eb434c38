"""A raw SMTP client: blocking, small, and exact about bytes.

Rules: what is sent is what the caller gave, down to the octet; a reply line is taken off the
wire only when it is asked for; every wait ends. RFC 5321 4.2 for the form of replies.
"""

import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

HostPort = tuple[str, int]


class ConnectionEnded(Exception):
    """The server closed or reset the connection where a reply line was awaited."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole reply, its lines as received without CRLF."""

    lines: tuple[str, ...]

    @property
    def code(self) -> int:
        return int(self.lines[-1][:3])

    def __str__(self) -> str:
        return " / ".join(self.lines)

    def starts(self, prefix: str) -> bool:
        """Tell whether the last line begins with `prefix`, such as `250 2.1.5`."""
        return self.lines[-1].startswith(prefix)


class SmtpClient:
    """One connection; use it in `with`, or close() it. `server` may be the path of a socket."""

    def __init__(
        self,
        server: HostPort | str,
        *,
        source: str | None = None,
        timeout: float = 15.0,
        greet: bool = True,
        tls: bool = False,
    ) -> None:
        self.socket = _connected(server, source, timeout)
        if tls:
            self.start_tls()
        self.buffer = b""
        self.greeting = Reply(())
        if greet:
            try:
                self.greeting = self.reply()
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start_tls(self) -> None:
        """Shake hands; whoever the server says it is."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            self.socket = context.wrap_socket(self.socket)
        except BaseException:
            self.socket.close()
            raise

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> str:
        """Return the next reply line; ConnectionEnded or TimeoutError when none comes."""
        while b"\n" not in self.buffer:
            try:
                received = self.socket.recv(65536)
            except ConnectionError as error:
                raise ConnectionEnded(str(error)) from error
            if not received:
                raise ConnectionEnded(f"closed; before that {self.buffer!r}")
            self.buffer += received
        line, _, self.buffer = self.buffer.partition(b"\n")
        assert line.endswith(b"\r"), f"a reply line without CRLF: {line!r}"
        assert len(line) < 512, f"a reply line of {len(line) + 1} octets (RFC 5321 4.5.3.1.5)"
        return line[:-1].decode("utf-8")

    def reply(self) -> Reply:
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return Reply(tuple(lines))

    def command(self, text: str) -> Reply:
        self.send(text.encode("utf-8") + b"\r\n")
        return self.reply()

    def greet(self, *, name: str = "client.example") -> Reply:
        return self.command(f"EHLO {name}")

    def begin(
        self, recipients: Sequence[str], *, sender: str = "sender@client.example"
    ) -> list[Reply]:
        """Send MAIL and each RCPT one by one; the replies."""
        replies = [self.command(f"MAIL FROM:<{sender}>")]
        replies += [self.command(f"RCPT TO:<{recipient}>") for recipient in recipients]
        return replies

    def open_content(
        self, recipients: Sequence[str], *, sender: str = "sender@client.example"
    ) -> None:
        """Get as far as 354; AssertionError when the server says anything else on the way."""
        for reply in self.begin(recipients, sender=sender):
            assert reply.code == 250, reply
        reply = self.command("DATA")
        assert reply.code == 354, reply

    def deliver(
        self,
        content: bytes,
        recipients: Sequence[str],
        *,
        sender: str = "sender@client.example",
    ) -> Reply:
        """Send one message with dot-stuffing; the reply to the dot, or the first refusal."""
        for reply in self.begin(recipients, sender=sender):
            if reply.code != 250:
                return reply
        reply = self.command("DATA")
        if reply.code != 354:
            return reply
        self.send(stuffed(content) + b".\r\n")
        return self.reply()

    def at_end(self) -> bool:
        """Wait for the server's close; False when it says something instead."""
        if self.buffer:
            return False
        try:
            self.buffer = self.socket.recv(65536)
        except ConnectionError:
            return True
        return not self.buffer

    def quit(self) -> None:
        reply = self.command("QUIT")
        assert reply.starts("221 2.0.0"), reply
        self.close()

    def finish_sending(self) -> None:
        """Close our half only (FIN), still reading, which Python's TLS sockets do not know."""
        socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def reset(self) -> None:
        """Cut the connection with RST, as a host that crashed or a firewall does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()


def _connected(server: HostPort | str, source: str | None, timeout: float) -> socket.socket:
    if isinstance(server, str):
        local = socket.socket(socket.AF_UNIX)
        local.settimeout(timeout)
        local.connect(server)
        return local
    origin = (source, 0) if source else None
    made = socket.create_connection(server, timeout=timeout, source_address=origin)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def stuffed(content: bytes) -> bytes:
    """Return the content as DATA carries it: dots doubled after CRLF only, CRLF at the end."""
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    doubled = content.replace(b"\r\n.", b"\r\n..")
    return b"." + doubled if doubled.startswith(b".") else doubled


def message(subject: str, body: bytes = b"Hello.\r\n", *, headers: bytes = b"") -> bytes:
    """Return a plain message to the team; `headers` go on top."""
    lines = (
        b"From: Sender <sender@client.example>\r\n"
        b"To: team@example.test\r\n"
        b"Date: Mon, 06 Jan 2025 10:00:00 +0000\r\n"
    )
    return headers + lines + b"Subject: " + subject.encode("ascii") + b"\r\n\r\n" + body

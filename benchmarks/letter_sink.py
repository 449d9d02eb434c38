"""A smarthost that takes letters at once, and notes when it wrote the 250 of each.

Rules kept here:
- It speaks as much SMTP as our client needs, in threads of this process, without TLS or sign-in.
- A letter is named by its Subject. It may come more than once: every time is noted, with its
  octets, at its dot and at its 250.
- `hand_on` gets each letter after its 250: another server's mail, if the letters go on.
"""

from __future__ import annotations

import contextlib
import re
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_SUBJECT = re.compile(rb"(?m)^Subject: ([^\r\n]*)")


class Taken(NamedTuple):
    """One letter: its name, its envelope, its octets, and when its 250 was written."""

    subject: str
    sender: str
    recipients: tuple[str, ...]
    octets: bytes
    at: float


@dataclass(slots=True)
class LetterSink:
    """The letters so far; `dots` are the names of those whose end had come."""

    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    dots: list[str] = field(default_factory=list)
    hand_on: Callable[[Taken], None] | None = None
    news: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, is_so: Callable[[], bool], seconds: float) -> bool:
        """Wait until the letters are so; False when the seconds are over."""
        with self.news:
            return self.news.wait_for(is_so, seconds)


@contextlib.contextmanager
def letter_sink() -> Iterator[LetterSink]:
    """Run one on loopback."""
    sink = LetterSink()

    class Session(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            with contextlib.suppress(OSError):
                _serve(sink, self)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Session) as server:
        sink.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()


def _serve(sink: LetterSink, session: socketserver.StreamRequestHandler) -> None:
    sender, recipients = "", list[str]()
    _say(session, b"220 sink.test ESMTP")
    while line := session.rfile.readline():
        word = line[:4].upper()
        if word == b"EHLO":
            _say(session, b"250-sink.test", b"250-8BITMIME", b"250-DSN", b"250 ENHANCEDSTATUSCODES")
        elif word == b"DATA":
            _say(session, b"354 go on")
            _take(sink, session, sender, tuple(recipients))
        elif word == b"QUIT":
            _say(session, b"221 2.0.0 bye")
            return
        else:
            if word == b"MAIL":
                sender, recipients = _address(line), []
            elif word == b"RCPT":
                recipients.append(_address(line))
            _say(session, b"250 2.0.0 ok")


def _address(line: bytes) -> str:
    return line.partition(b"<")[2].partition(b">")[0].decode()


def _say(session: socketserver.StreamRequestHandler, *lines: bytes) -> None:
    session.wfile.write(b"".join(line + b"\r\n" for line in lines))


def _take(
    sink: LetterSink,
    session: socketserver.StreamRequestHandler,
    sender: str,
    recipients: tuple[str, ...],
) -> None:
    lines = []
    while (line := session.rfile.readline()) != b".\r\n":
        if not line:
            return
        lines.append(line[1:] if line.startswith(b".") else line)
    octets = b"".join(lines)
    found = _SUBJECT.search(octets)
    subject = found[1].decode() if found else ""
    sink.dots.append(subject)
    _say(session, b"250 2.0.0 queued")
    letter = Taken(subject, sender, recipients, octets, time.perf_counter())
    with sink.news:
        sink.taken.append(letter)
        sink.news.notify_all()
    if sink.hand_on is not None:
        sink.hand_on(letter)

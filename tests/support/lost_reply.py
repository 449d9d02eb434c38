"""A proxy between sender and server that loses replies to the dot.

It understands as much SMTP as it needs for that: after a 354 it watches for CRLF.CRLF, and when
the server's next reply comes, it either passes it on or drops it and cuts the client. How the
server's side of the connection ends is drawn from `Cut`. One thread a connection; stop() ends all.
"""

import enum
import random
import select
import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.support.smtp import HostPort

END_OF_DATA = b"\r\n.\r\n"


class Cut(enum.Enum):
    """What the server sees of a client that never got its reply."""

    CLOSE = "FIN at once"
    RESET = "RST at once"
    LINGER = "nothing for a while, then FIN: the retry comes while the session is open"


class LostReplyProxy:
    """Listens on a free port; use it in `with`."""

    def __init__(self, server: HostPort, *, share: float, seed: int) -> None:
        self.server = server
        self.share = share  # of the replies to the dot that are lost
        self.random = random.Random(seed)
        self.lost = 0
        self.passed = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address: HostPort = self.listener.getsockname()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(10)
        self.listener.close()

    def _accept(self) -> None:
        self.listener.settimeout(0.1)
        while not self.stopping.is_set():
            with suppress(TimeoutError):
                client, _ = self.listener.accept()
                thread = threading.Thread(target=self._serve, args=(client,))
                self.threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self.server, 10) as server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._forward(client, server)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        in_content = False
        tail = b""  # of the content, once 354 was seen
        while not self.stopping.is_set():
            readable, _, _ = select.select([client, server], [], [], 0.1)
            if client in readable:
                sent = client.recv(65536)
                if not sent:
                    return
                if in_content:
                    tail = (tail + sent)[-len(END_OF_DATA) - 64 :]
                server.sendall(sent)
            if server in readable:
                said = server.recv(65536)
                if not said:
                    return
                if in_content and END_OF_DATA in tail:
                    if self._loses():
                        self._cut(client, server)
                        return
                    in_content = False
                elif said.startswith(b"354"):
                    in_content, tail = True, b"\r\n"
                client.sendall(said)

    def _loses(self) -> bool:
        loses = self.random.random() < self.share
        self.lost += loses
        self.passed += not loses
        return loses

    def _cut(self, client: socket.socket, server: socket.socket) -> None:
        client.close()
        how = self.random.choice(list(Cut))
        if how is Cut.RESET:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how is Cut.LINGER:
            self.stopping.wait(0.5)

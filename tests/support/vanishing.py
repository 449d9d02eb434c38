"""A way to a PostgreSQL server over TCP whose far end can vanish, as a machine without power does.

From then on the kernel acknowledges nothing there, answers no new connection and sends no reset: a
packet filter of the far sockets drops whatever comes (SO_ATTACH_FILTER, on Linux).
"""

from __future__ import annotations

import contextlib
import ctypes
import select
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Self

_ATTACH_FILTER = 26
_RETURN_NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)


class VanishingServer:
    """Relays to the unix socket of a server until it vanishes; then only `close` is left."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=32)
        self._far: list[socket.socket] = []
        self._others: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_gone = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where clients connect, on 127.0.0.1."""
        return int(self._listening.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def vanish(self) -> None:
        """Be gone from one moment to the next."""
        # Else our kernel would send again what was not acknowledged yet, and so be heard.
        time.sleep(0.1)
        with self._lock:
            self._is_gone = True
            for one in (self._listening, *self._far):
                drop_all(one)
            for one in self._others:  # what ran there has ended with the machine
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.close()
        for one in (*self._far, *self._others):
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                far, _ = self._listening.accept()
            except OSError:  # closed
                return
            near = socket.socket(socket.AF_UNIX)
            near.connect(str(self._path))
            with self._lock:
                self._far.append(far)
                self._others.append(near)
                if self._is_gone:
                    drop_all(far)
            threading.Thread(target=self._relay, args=(far, near), daemon=True).start()

    def _relay(self, far: socket.socket, near: socket.socket) -> None:
        other = {far: near, near: far}
        try:
            while True:
                for one in select.select([*other], [], [])[0]:
                    octets = one.recv(1 << 16)
                    if self._is_gone:  # nothing of it reaches the other side, no end either
                        return
                    if not octets:
                        other[one].shutdown(socket.SHUT_WR)
                        return
                    other[one].sendall(octets)
        except (OSError, ValueError):  # one of them has ended
            return


def drop_all(one: socket.socket) -> None:
    """Have a socket hear nothing more, and so acknowledge nothing."""
    program = ctypes.create_string_buffer(_RETURN_NOTHING)
    fprog = struct.pack("HxxxxxxP", 1, ctypes.addressof(program))
    one.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, fprog)

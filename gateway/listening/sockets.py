"""Listening sockets: bound to an address, or handed over by the service manager.

- A unix socket has its mode and group before anybody can connect. A file that an ended process left
  behind is replaced; where somebody listens, or what is no socket, is left alone (EADDRINUSE).
- Closing removes the file of a unix socket, if it is still the one that was made.

unix(7).
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config.listening import ListenAddress, UnixSocket, address_of
from config.settings import Settings
from config.values import Endpoint

_BACKLOG = 512


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """A socket that listens, not blocking. `made` tells its file from a later one at its path."""

    socket: socket.socket
    address: ListenAddress
    made: tuple[int, int] | None = None

    def close(self) -> None:
        """Take no more connections here."""
        self.socket.close()
        if not isinstance(self.address, UnixSocket) or self.made is None:
            return
        # Another server may have replaced what somebody removed: its file is not ours.
        if _file_at(self.address.path) == self.made:
            self.address.path.unlink(missing_ok=True)


def listening_sockets(
    addresses: Sequence[ListenAddress], settings: Settings, handed: Sequence[int] = ()
) -> list[ListeningSocket]:
    """Return sockets that listen on all addresses. Raises OSError, and then none is left.

    `handed` are descriptors of the service manager, which take the place of `addresses`.
    """
    if handed:
        return [_handed_over(descriptor, addresses) for descriptor in handed]
    made: list[ListeningSocket] = []
    try:
        for address in addresses:
            made.append(listening_socket(address, settings))
    except BaseException:
        for one in made:
            one.close()
        raise
    return made


def listening_socket(address: ListenAddress, settings: Settings) -> ListeningSocket:
    """Return a socket that listens on `address`. Raises OSError."""
    if isinstance(address, UnixSocket):
        return _on_path(address, settings)
    listening = _on_port(address)
    host, port = listening.getsockname()[:2]
    return ListeningSocket(listening, Endpoint(host, port, address.proxy))


def _handed_over(descriptor: int, addresses: Sequence[ListenAddress]) -> ListeningSocket:
    """The socket behind a descriptor; behind a proxy if the setting of that address is."""
    listening = socket.socket(fileno=descriptor)
    listening.setblocking(False)
    listening.set_inheritable(False)
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return ListeningSocket(listening, UnixSocket(Path(os.fsdecode(name))))
    host, port = name[:2]
    proxied = Endpoint(host, port, proxy=True)
    return ListeningSocket(listening, proxied if proxied in addresses else address_of(proxied))


def _on_port(endpoint: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        listening.bind((endpoint.host, endpoint.port))
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def _on_path(address: UnixSocket, settings: Settings) -> ListeningSocket:
    _remove_left_behind(address.path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777)  # nobody may connect before mode and group are right
    try:
        listening.setblocking(False)
        listening.bind(str(address.path))
        if settings.socket_group:
            shutil.chown(address.path, group=settings.socket_group)
        address.path.chmod(settings.socket_mode)
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
    return ListeningSocket(listening, address, _file_at(address.path))


def _remove_left_behind(path: Path) -> None:
    if not path.is_socket():  # nothing there, or what is not ours: bind says so
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except BlockingIOError:  # its backlog is full: somebody listens
            pass


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino

"""The interface to systemd: inherited listening sockets, and notifications of the service's state.

Rules: a socket is named after the setting it stands for (FileDescriptorName=smtp), and takes its
place. Only this module reads the variables, and no process that we start inherits them.

sd_listen_fds(3), sd_notify(3).
"""

import os
import socket
import time
from collections.abc import MutableMapping

_FIRST = 3
KINDS = ("smtp", "lmtp", "smtps", "http")


class UnknownSocket(Exception):
    """A socket was handed over under a name that is no listener's."""


class ServiceManager:
    """The service manager that started this process, or none."""

    def __init__(self, environ: MutableMapping[str, str] | None = None) -> None:
        """Take what the variables say out of them. Raises UnknownSocket."""
        environ = os.environ if environ is None else environ
        self.handed = _handed(environ)
        # Taken out: a child that inherits it could speak for the service.
        self._path = environ.pop("NOTIFY_SOCKET", "")
        usec, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        wanted = usec.isdigit() and pid in {"", str(os.getpid())}
        self.watchdog_seconds = int(usec) / 1_000_000 if wanted and self._path else None

    def close_handed(self) -> None:
        """Let go of the sockets, in a process that accepts nothing."""
        for descriptors in self.handed.values():
            for descriptor in descriptors:
                os.close(descriptor)
        self.handed = {}

    def ready(self) -> None:
        """The service takes connections, for the first time or after a reload."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Files are being read again; `ready` follows."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The service drains."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """The event loop still turns."""
        self._tell("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        if not self._path:
            return
        address = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            # A full socket of the service manager must not stop mail.
            told.setblocking(False)
            try:
                told.sendto(state.encode(), address)
            except OSError:  # nobody listens any more: that is no reason to stop taking mail
                return


def _handed(environ: MutableMapping[str, str]) -> dict[str, list[int]]:
    """The descriptors handed to this process, by the setting they stand for."""
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    handed: dict[str, list[int]] = {}
    # sd_listen_fds(3): for another pid these descriptors are something else here.
    if pid != str(os.getpid()) or not count.isdigit():
        return handed
    for number in range(int(count)):
        name = names[number] if number < len(names) else ""
        if name not in KINDS:
            raise UnknownSocket(
                f"systemd handed over a socket called {name!r};"
                f" FileDescriptorName= is one of {', '.join(KINDS)}"
            )
        handed.setdefault(name, []).append(_FIRST + number)
    return handed

"""Probes of a running server: whether its addresses answer."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator

from config.listening import ListenAddress, UnixSocket, reachable
from config.settings import Settings
from config.values import Endpoint

_PAUSE = 0.05
_TIMEOUT = 5.0
_GREETING_MAX = 512  # RFC 5321 4.5.3.1.5


def await_ready(settings: Settings, seconds: float) -> list[str]:
    """Query all addresses until they answer or time is up; a line for each that does not."""
    deadline = time.monotonic() + seconds
    while True:
        silent = list(_silent(settings))
        if not silent or time.monotonic() >= deadline:
            return silent
        time.sleep(_PAUSE)


def _silent(settings: Settings) -> Iterator[str]:
    for key, probe, addresses in (
        ("smtp", _greets, settings.smtp),
        ("lmtp", _greets, settings.lmtp),
        ("smtps", _greets_by_tls, settings.smtps),
        ("http", _is_ready, settings.http),
    ):
        for address in addresses:
            if isinstance(address, Endpoint) and address.port == 0:
                yield f"{key}: port 0 is any free port; the one taken cannot be known here"
                continue
            # Behind a proxy only a trusted one is greeted.
            proxied = isinstance(address, Endpoint) and address.proxy
            try:
                fault = (_accepts if proxied else probe)(reachable(address))
            except (OSError, http.client.HTTPException) as error:
                fault = getattr(error, "strerror", None) or str(error) or type(error).__name__
            if fault:
                yield f"{key}: {address} is not ready: {fault}"


def _connected(address: ListenAddress) -> socket.socket:
    if isinstance(address, Endpoint):
        return socket.create_connection((address.host, address.port), _TIMEOUT)
    client = socket.socket(socket.AF_UNIX)
    try:
        client.settimeout(_TIMEOUT)
        client.connect(str(address.path))
    except BaseException:
        client.close()
        raise
    return client


def _accepts(address: ListenAddress) -> None:
    _connected(address).close()


def _greets(address: ListenAddress) -> str | None:
    with _connected(address) as client:
        return _greeting_fault(client)


def _greets_by_tls(address: ListenAddress) -> str | None:
    # Whether it answers is the question here, not whether its certificate names this address.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with _connected(address) as client, context.wrap_socket(client) as secured:
        return _greeting_fault(secured)


def _greeting_fault(client: socket.socket) -> str | None:
    greeting = b""
    while len(greeting) < _GREETING_MAX and not greeting.endswith(b"\n"):
        read = client.recv(_GREETING_MAX)
        if not read:
            break
        greeting += read
    if greeting.startswith(b"220"):
        return None
    said = greeting[:60].decode("ascii", "replace").rstrip()
    return f"it greets with {said}" if said else "it hangs up without a greeting"


class _UnixConnection(http.client.HTTPConnection):
    """A connection to a path instead of a host."""

    def __init__(self, address: UnixSocket) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._address = address

    def connect(self) -> None:
        self.sock = _connected(self._address)


def _is_ready(address: ListenAddress) -> str | None:
    if isinstance(address, UnixSocket):
        connection: http.client.HTTPConnection = _UnixConnection(address)
    else:
        connection = http.client.HTTPConnection(address.host, address.port, timeout=_TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    finally:
        connection.close()
    return None if status == 200 else f"/readyz answers {status}"

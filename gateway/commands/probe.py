"""Probes of a running server: whether its addresses answer."""

from __future__ import annotations

import http.client
import smtplib
import socket
import time
from collections.abc import Iterator

from config.listening import UnixSocket, reachable
from config.settings import Settings
from config.values import Endpoint

_PAUSE = 0.05
_TIMEOUT = 5.0


def await_ready(settings: Settings, seconds: float) -> list[str]:
    """Query all addresses until they answer or time is up; a line for each that does not."""
    deadline = time.monotonic() + seconds
    while True:
        silent = list(_silent(settings))
        if not silent or time.monotonic() >= deadline:
            return silent
        time.sleep(_PAUSE)


def _silent(settings: Settings) -> Iterator[str]:
    for key, asked, endpoints in (
        ("smtp", _greets, settings.smtp),
        ("lmtp", _greets, settings.lmtp),
        ("http", _is_ready, settings.http),
    ):
        for endpoint in endpoints:
            if isinstance(endpoint, UnixSocket):
                if fault := _greets_locally(endpoint):
                    yield f"{key}: {endpoint} is not ready: {fault}"
            elif endpoint.port == 0:
                yield f"{key}: port 0 is any free port; the one taken cannot be known here"
            elif endpoint.proxy:
                if fault := _accepts(endpoint):
                    yield f"{key}: {endpoint} is not ready: {fault}"
            elif fault := asked(reachable(endpoint)):
                yield f"{key}: {endpoint} is not ready: {fault}"


def _greets(endpoint: Endpoint) -> str | None:
    try:
        with smtplib.SMTP(timeout=_TIMEOUT) as client:
            code, text = client.connect(endpoint.host, endpoint.port)
    except (OSError, smtplib.SMTPException) as error:
        return _cause(error)
    return None if code == 220 else f"it greets with {code} {text.decode('ascii', 'replace')}"


def _greets_locally(endpoint: UnixSocket) -> str | None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_TIMEOUT)
        try:
            client.connect(str(endpoint.path))
            said = client.recv(512)
        except OSError as error:
            return _cause(error)
    return None if said.startswith(b"220") else f"it greets with {said[:60]!r}"


def _accepts(endpoint: Endpoint) -> str | None:
    """Whether it accepts: only a trusted proxy gets a greeting there."""
    where = reachable(endpoint)
    try:
        socket.create_connection((where.host, where.port), _TIMEOUT).close()
    except OSError as error:
        return _cause(error)
    return None


def _is_ready(endpoint: Endpoint) -> str | None:
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=_TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return _cause(error)
    finally:
        connection.close()
    return None if status == 200 else f"/readyz answers {status}"


def _cause(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

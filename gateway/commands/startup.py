"""Starting the server from a command: logs, process limits, faults in words of the settings."""

from __future__ import annotations

import errno
import logging
import os
import resource
import signal
from collections.abc import Callable, Iterator

from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.store import fault_lines
from config import logs
from config.listening import UnixSocket
from config.service_manager import ServiceManager, UnknownSocket
from config.settings import Settings
from gateway.listening.sockets import listening_socket
from gateway.server.lifecycle import Running
from gateway.server.reload import Reread
from gateway.server.run import certificate_of, run
from storage.errors import StorageError

logger = logging.getLogger(__name__)

_OTHER_DESCRIPTORS = 1000  # stores, spool files, webhook calls, with room to spare


def serve_until_told(
    settings: Settings,
    announce: Callable[[Running], None],
    reread: Callable[[], Settings] | None = None,
) -> int:
    """Serve until a signal ends it; the exit status. `announce` is called once both sides accept,
    `reread` at SIGHUP.

    Raises Faults for an address or a store that cannot be used.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it is listened for, it would kill
    try:
        logs.setup(settings.log_format, settings.log_level, settings.log_file)
    except OSError as error:
        raise Faults(f"log_file: {settings.log_file}: {error.strerror}") from error
    _warn(settings)
    _allow_descriptors(settings.max_connections + settings.http_max_connections)
    try:
        manager = ServiceManager()
        return run(settings, ready=announce, reread=_logged(reread), manager=manager)
    except UnknownSocket as error:
        raise Faults(str(error)) from error
    except OSError as error:
        raise Faults(*(_unusable(settings) or [str(error)])) from error
    except StorageError as error:
        raise Faults(*fault_lines(error, settings)) from error


def _logged(reread: Callable[[], Settings] | None) -> Reread:
    """Read the settings again; a fault in them is a line in the log."""

    def read() -> Settings | None:
        try:
            return reread() if reread is not None else None
        except Faults as faults:
            logs.event(logger, "settings_kept", level=logging.ERROR, cause=faults.message)
            return None

    return read


def _warn(settings: Settings) -> None:
    """Log a warning about a setting that does not prevent the start."""
    for warning in settings.warnings:
        logs.event(logger, "unknown_variable", level=logging.WARNING, cause=warning)
    if os.geteuid() == 0:
        cause = "no right of root is needed: run as a user of its own"
        logs.event(logger, "running_as_root", level=logging.WARNING, cause=cause)


def _allow_descriptors(connections: int) -> None:
    """Raise this process's limit to the descriptors that so many connections may need."""
    needed = connections + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        logs.event(logger, "few_descriptors", level=logging.WARNING, allowed=allowed, needed=needed)


def _unusable(settings: Settings) -> list[str]:
    """Build a line for a certificate that cannot be read, and for each unusable address."""
    keys = ("smtp", "lmtp", "smtps", "http")
    refused = [fault for key in keys for fault in _refusals(key, settings)]
    return [*_certificate_faults(settings), *refused]


def _certificate_faults(settings: Settings) -> Iterator[str]:
    try:
        certificate_of(settings)
    except OSError as error:
        yield f"tls_certificate, tls_key: cannot be used: {error.strerror or error}"


def _refusals(key: str, settings: Settings) -> Iterator[str]:
    for endpoint in getattr(settings, key):
        try:
            listening_socket(endpoint, settings).close()
        except OSError as error:
            cause = error.strerror or error
            place = "path" if isinstance(endpoint, UnixSocket) else "port"
            yield f"{key}: cannot listen on {endpoint}: {cause}{_advice(key, place, error)}"


def _advice(key: str, place: str, error: OSError) -> str:
    """Tell what to try."""
    if error.errno == errno.EADDRINUSE:
        return f"; stop what listens there, or set `{key}` to another {place}"
    if error.errno == errno.EACCES and place == "path":
        return "; its directory must be one where this user may write"
    if error.errno == errno.EACCES:
        return f"; a port below 1024 needs the right to bind it (docs/install.md), or set `{key}`"
    return ""

"""SIGHUP: the certificate and the settings are read again while connections go on.

- The certificate counts for connections from then on, in every mail process.
- `log_level` takes effect in every process; of all other settings that differ, the log names those
  that need a restart. Settings with a fault change nothing. The log file is opened anew by itself
  when it was moved.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from config.logs import event, log_from
from config.service_manager import ServiceManager
from config.settings import Settings, keys
from gateway.processes.supervision import MailProcesses
from gateway.server.mail_side import reload_certificate
from gateway.transport.tls import Certificate

logger = logging.getLogger(__name__)

Reread = Callable[[], Settings | None]
_AT_ONCE = {"log_level"}


def reload(
    settings: Settings,
    reread: Reread,
    certificate: Certificate | None,
    mail_processes: MailProcesses,
    manager: ServiceManager,
) -> None:
    """Read everything again; `reread` gives None, and has logged why, when it cannot."""
    manager.reloading()
    wanted = reread()
    if wanted is not None:
        _apply(settings, wanted, mail_processes)
    if certificate is not None and reload_certificate(certificate):
        mail_processes.reload()
        event(logger, "certificate_read")
    manager.ready()


def _apply(settings: Settings, wanted: Settings, mail_processes: MailProcesses) -> None:
    log_from(wanted.log_level)
    mail_processes.log_from(wanted.log_level)
    changed = [key for key in keys() if getattr(settings, key) != getattr(wanted, key)]
    if later := [key for key in changed if key not in _AT_ONCE]:
        event(logger, "settings_need_restart", level=logging.WARNING, keys=later)
    event(logger, "settings_read")

"""The processes of one gateway: the mail processes are forked, then the main process serves.

- Modules that only the main process needs, the HTTP side above all, are imported after the fork:
  the others do not carry them.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable

from config.service_manager import ServiceManager
from config.settings import Settings
from gateway.counters import Counters
from gateway.processes.fork_server import start_fork_server
from gateway.processes.mail_process import Sockets, fork_mail_processes
from gateway.processes.supervision import MailProcesses
from gateway.reservations import Reservations
from gateway.server.lifecycle import Running
from gateway.server.mail_side import serve_mail_process
from gateway.server.reload import Reread
from gateway.smtp.replies import labels
from gateway.transport.tls import Certificate

_MOST_BY_DEFAULT = 4
_SWITCH_SECONDS = 0.0005


def run(
    settings: Settings,
    *,
    ready: Callable[[Running], None] | None = None,
    reread: Reread = lambda: None,
    manager: ServiceManager | None = None,
) -> int:
    """Serve until told to stop; the exit status.

    `ready` is called once both sides accept, `reread` at SIGHUP. Raises OSError for an address
    that cannot be bound, StoreUnavailable for a store that cannot be opened. To be called before
    any thread is started: it forks the other mail processes.
    """
    # The store's threads give up the interpreter lock at every statement; with Python's 5 ms they
    # would wait that long for it whenever the loop is busy.
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(20_000, 20, 50)
    processes = settings.mail_processes or _processes_by_default()
    reservations, counters = Reservations(processes), Counters(processes, labels())

    certificate = certificate_of(settings)
    manager = manager or ServiceManager()

    async def serve_beside(wires: Sockets) -> None:
        manager.close_handed()
        reservations.own = wires.number
        counters.begin(wires.number)
        await serve_mail_process(settings, reservations, counters, certificate, wires)

    first = fork_mail_processes(processes - 1, serve_beside, _loop_factory())
    forks = start_fork_server(serve_beside, _loop_factory(), first) if first else None
    mail_processes = MailProcesses(first, forks, counters, reservations.forget)
    counters.begin(0)
    from gateway.server.wiring import serve

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(
            serve(
                settings,
                mail_processes,
                reservations,
                counters,
                certificate=certificate,
                manager=manager,
                reread=reread,
                ready=ready,
            )
        )


def certificate_of(settings: Settings) -> Certificate | None:
    """The certificate that the settings name, read now. Raises OSError."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_certificate, settings.tls_key)


def _processes_by_default() -> int:
    """One for each processor; elsewhere than on Linux, packets with descriptors may be missing."""
    return min(os.cpu_count() or 1, _MOST_BY_DEFAULT) if sys.platform == "linux" else 1


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not built for every platform; asyncio's own loop serves as well
        return None
    return uvloop.new_event_loop

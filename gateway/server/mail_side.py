"""The mail side of one process: its sessions, and where their messages go.

The main process writes all mail; it has sessions of its own only while it has no mail process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from config.logs import event, log_from
from config.settings import Settings
from gateway.background import tell_of_end
from gateway.counters import Counters
from gateway.delivery.ports import ConfirmationPort, DeliveryPort, EmptyListPort, RatePort
from gateway.listening.connections import Connections
from gateway.processes.handover import MailProcessEnd
from gateway.processes.mail_process import ControlChannel, Sockets, wait_for_store
from gateway.reservations import Reservations
from gateway.smtp.admission import Space
from gateway.smtp.recipients import Recipients
from gateway.smtp.scheduling import SessionQueue
from gateway.smtp.transaction import SessionContext
from gateway.transport.origin import unpacked
from gateway.transport.tls import Certificate
from storage.address import canonical_or_none
from storage.clock import system_clock
from storage.content.message_bytes import ContentDirectory
from storage.database import Lookups
from storage.engines.opening import open_lookups

logger = logging.getLogger(__name__)

FILE_THREADS = 16


@contextlib.asynccontextmanager
async def sessions(
    settings: Settings,
    lookups: Lookups,
    contents: ContentDirectory,
    reservations: Reservations,
    counters: Counters,
    *,
    deliverer: DeliveryPort,
    confirmations: ConfirmationPort,
    deferred: EmptyListPort,
    rates: RatePort | None,
    certificate: Certificate | None,
    writes: bool,
) -> AsyncGenerator[Connections, None]:
    """Accept connections within; the caller drains them before leaving.

    `writes`: this process also writes the messages of its sessions.
    """
    space = Space(settings.data, size_limit=settings.size_limit, reservations=reservations)
    loop = asyncio.get_running_loop()
    recipients = Recipients(lookups, canonical_or_none(settings.postmaster) or "", loop.time)
    context = SessionContext(
        settings, recipients, contents, deliverer, space, deferred, rates, system_clock, certificate
    )
    queue = SessionQueue(loop, by_stage=not writes)
    connections = Connections(context, confirmations, counters, queue)
    watching = asyncio.create_task(connections.watch())
    tell_of_end(watching, logger, "watches connections")
    try:
        yield connections
    finally:
        watching.cancel()


async def serve_mail_process(
    settings: Settings,
    reservations: Reservations,
    counters: Counters,
    certificate: Certificate | None,
    wires: Sockets,
) -> None:
    """Be a mail process: take connections from the main process, until told to drain."""
    if not await wait_for_store(wires.control):
        return
    if certificate is not None:  # one that is forked later must not show what was replaced
        reload_certificate(certificate)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(FILE_THREADS, "files"))
    _, handover = await loop.create_unix_connection(MailProcessEnd, sock=wires.handover)
    lookups = await open_lookups(settings.store, settings.data)
    contents = ContentDirectory(settings.data)
    try:
        async with sessions(
            settings,
            lookups,
            contents,
            reservations,
            counters,
            deliverer=handover,
            confirmations=handover,
            deferred=handover,
            rates=handover if settings.list_rate else None,
            certificate=certificate,
            writes=False,
        ) as connections:

            def take(client: socket.socket, origin: bytes, ended: Callable[[], None]) -> None:
                connections.open(client, unpacked(origin), ended)

            orders = ControlChannel(wires.control, take)
            orders.on_abort = connections.abort
            orders.on_log_level = log_from
            orders.on_idle_end = connections.end_idle
            orders.on_idle_asked = lambda network: orders.tell(
                b"i%.3f" % connections.longest_idle_now(network)
            )
            if certificate is not None:
                orders.on_reload = partial(reload_certificate, certificate)
            handover.on_lost = orders.draining.set
            orders.listen()
            await orders.draining.wait()
            await connections.drain(settings.drain_seconds)
    finally:
        handover.end()
        await lookups.close()


def reload_certificate(certificate: Certificate) -> bool:
    """Read the files again; False, and a line in the log, when they cannot be used."""
    try:
        certificate.reload()
    except OSError as error:
        event(logger, "certificate_kept", level=logging.ERROR, cause=str(error))
        return False
    return True

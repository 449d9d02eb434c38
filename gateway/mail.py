"""The mail side of one process: its sessions, and the group commit they share.

The first process has it beside everything else; a sibling has nothing but it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator, Callable

from config.settings import Settings
from gateway.connections import Connections
from gateway.deliver import Deliverer
from gateway.ledger import Ledger
from gateway.session import Edge
from gateway.siblings import Orders, wait_for_store
from gateway.space import Reservations, Space
from storage.address import canonical_or_none
from storage.clock import system_clock
from storage.content import ContentDirectory
from storage.database import Database
from storage.engine import open_database

logger = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def mail_side(
    settings: Settings,
    database: Database,
    contents: ContentDirectory,
    reservations: Reservations,
    *,
    committed: Callable[[], None],
) -> AsyncGenerator[Connections, None]:
    """Sessions can be opened within; at the end what they submitted is written.

    `committed` is called after each transaction that stored a message. Who leaves has drained the
    connections before.
    """
    ledger = Ledger()
    postmaster = canonical_or_none(settings.postmaster) or ""
    deliverer = Deliverer(database, contents, ledger, postmaster=postmaster, committed=committed)
    space = Space(settings.data, size_limit=settings.size_limit, reservations=reservations)
    edge = Edge(settings, database, contents, deliverer, space, system_clock, postmaster)
    connections = Connections(edge, ledger)
    writing = asyncio.create_task(deliverer.run())
    watching = asyncio.create_task(connections.watch())
    for task in (writing, watching):
        task.add_done_callback(_tell_of_fault)
    try:
        yield connections
    finally:
        watching.cancel()
        deliverer.stop()
        await writing


def _tell_of_fault(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("a task that mail needs has ended", exc_info=error)


async def serve_sibling(
    settings: Settings, reservations: Reservations, control: socket.socket
) -> None:
    """Be a sibling: take the connections that the first process hands on, until told to drain."""
    if not await wait_for_store(control):
        return
    database = await open_database(settings.store, settings.data, system_clock)
    contents = ContentDirectory(settings.data)
    try:
        async with mail_side(
            settings, database, contents, reservations, committed=lambda: orders.tell(b"m")
        ) as connections:
            orders = Orders(control, connections.open)
            orders.on_abort = connections.abort
            orders.listen()
            await orders.draining.wait()
            await connections.drain(settings.drain_seconds)
    finally:
        await database.close()

"""Signals: SIGTERM and SIGINT ask to stop, a second one forces; SIGHUP reads files again.

From the wish to stop on `/readyz` answers 503. Where a balancer asks it, everything else goes on
for a while, so that the balancer hears of it before anything is refused.

A storage that failed is a wish to stop as well, with status 1 and within ten seconds. The service
manager hears that the event loop turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from config.listening import ListenAddress
from config.logs import event
from config.service_manager import ServiceManager

logger = logging.getLogger(__name__)

_FORCE_SECONDS = 3.0
_END_SECONDS = 9.0


class Stopping:
    """The wish to stop: the first signal asks, the second one forces."""

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.forced = False
        self.failed = False
        self.on_request: Callable[[], object] = lambda: None
        self.on_drain: Callable[[], object] = lambda: None
        self.on_force: Callable[[], object] = lambda: None
        self.on_reload: Callable[[], object] = lambda: None
        self._hurried = asyncio.Event()

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Listen for the signals; they stay ours until the process ends."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        yield

    def _hung_up(self) -> None:
        self.on_reload()

    def _signalled(self) -> None:
        if self.requested.is_set():
            self._force()
        else:
            self.on_request()
        self.requested.set()

    def _force(self) -> None:
        self.forced = True
        self._hurried.set()
        self.on_force()

    async def wait(self, unready_seconds: Callable[[], float]) -> None:
        """Wait until the drain is to begin: at the wish, or so many seconds later.

        A second signal, and a fault of the storage, cut that short.
        """
        await self.requested.wait()
        seconds = unready_seconds()
        if seconds:
            event(logger, "unready", seconds=seconds)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurried.wait(), seconds)
        self.on_drain()

    def fail(self) -> None:
        """Stop because the storage failed: soon, whatever is under way, and at last in any case."""
        self.failed = True
        self._hurried.set()
        if not self.requested.is_set():
            self.on_request()
        self.requested.set()
        asyncio.get_running_loop().call_later(_FORCE_SECONDS, self._force)
        at_last = threading.Timer(_END_SECONDS, end_process, (1,))
        at_last.daemon = True
        at_last.start()


def end_process(status: int) -> NoReturn:
    """End now, closing nothing but the log."""
    logging.shutdown()
    os._exit(status)


@dataclass(frozen=True, slots=True)
class Running:
    """Where the process listens, once it does."""

    smtp: Sequence[ListenAddress]
    lmtp: Sequence[ListenAddress]
    smtps: Sequence[ListenAddress] = ()
    http: Sequence[ListenAddress] = ()


@contextlib.contextmanager
def alive(manager: ServiceManager) -> Iterator[None]:
    """Tell the service manager's watchdog, where it wants it, that the event loop turns."""

    async def tell(seconds: float) -> None:
        while True:
            manager.alive()
            await asyncio.sleep(seconds)

    seconds = manager.watchdog_seconds
    telling = asyncio.create_task(tell(seconds / 2)) if seconds else None
    try:
        yield
    finally:
        if telling is not None:
            telling.cancel()

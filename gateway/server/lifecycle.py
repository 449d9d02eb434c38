"""The wish to stop, as signals bring it: SIGTERM and SIGINT ask, a second one forces."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from config.listening import MailEndpoint
from config.values import Endpoint


class Stopping:
    """The wish to stop: the first signal asks, the second one forces."""

    def __init__(self) -> None:
        self.requested = asyncio.Event()
        self.forced = False
        self.on_request: Callable[[], object] = lambda: None
        self.on_force: Callable[[], object] = lambda: None

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Listen for SIGTERM and SIGINT; they stay ours until the process ends."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        yield

    def _signalled(self) -> None:
        if self.requested.is_set():
            self.forced = True
            self.on_force()
        else:
            self.on_request()
        self.requested.set()


@dataclass(frozen=True, slots=True)
class Running:
    """Where the process listens, once it does."""

    smtp: Sequence[MailEndpoint]
    lmtp: Sequence[MailEndpoint]
    http: Sequence[Endpoint] = ()

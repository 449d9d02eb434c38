"""The mail processes that serve now: asked every second, passed over, killed, replaced.

- One that has not answered for five seconds gets no more connections until it does; after thirty it
  is killed, and its clients come again. Rounds are counted, not seconds: when the whole machine
  stood still, nobody is late.
- One that is lost is replaced at once, by the fork server; one that is lost again soon, after a
  pause that grows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple

from config.logs import event
from gateway.background import tell_of_end
from gateway.counters import Counters
from gateway.processes.fork_server import ForkServer
from gateway.processes.handover import MainEnd
from gateway.processes.mail_process import MailProcess

logger = logging.getLogger(__name__)


class Patience(NamedTuple):
    """How often mail processes are asked (seconds), and what follows how many silent rounds."""

    interval: float = 1.0
    pass_over: int = 5
    kill: int = 30
    longest_pause: float = 30.0


_PATIENCE = Patience()


class MailProcesses:
    """All mail processes but the main one. Made before the event loop, used within it."""

    def __init__(
        self,
        present: Iterable[MailProcess],
        forks: ForkServer | None,
        counters: Counters,
        forget: Callable[[int], None],
        *,
        patience: Patience = _PATIENCE,
    ) -> None:
        """`forget` drops what a process of that number had reserved."""
        self._present = list(present)
        self._forks = forks
        self._counters = counters
        self._forget = forget
        self._patience = patience
        self._intake: Callable[[], MainEnd] | None = None
        self._gone: list[MailProcess] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._forking = asyncio.Lock()
        self._quick_losses = 0
        self._draining = False
        self._reloaded = False
        self._log_level: str | None = None
        self.on_closed: Callable[[str], None] = lambda network: None

    async def start(self, intake: Callable[[], MainEnd]) -> None:
        """Tell all that the store is ready, and watch them from then on."""
        self._intake = intake
        await asyncio.gather(*(self._start(process) for process in self._present))
        if self._present:
            self._run(self._watch(), "watches mail processes")

    async def _start(self, process: MailProcess) -> None:
        assert self._intake is not None
        process.on_closed = self._closed
        process.on_lost = self._lost
        await process.start(self._intake)
        # It was forked from a process that has read the former certificate and settings.
        if self._reloaded:
            process.reload()
        if self._log_level is not None:
            process.log_from(self._log_level)

    def available(self) -> list[MailProcess]:
        """Those that take connections now."""
        return [
            process
            for process in self._present
            if process.is_ready and process.silent_rounds < self._patience.pass_over
        ]

    def _closed(self, network: str) -> None:
        self.on_closed(network)

    def _run(self, work: Coroutine[Any, Any, None], what: str) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        tell_of_end(task, logger, what)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._patience.interval)
            for process in self._present:
                if not process.lost:
                    self._ask(process)

    def _ask(self, process: MailProcess) -> None:
        process.ask()
        if process.silent_rounds == self._patience.pass_over:
            self._counters.add("mail_processes_hung")
            event(logger, "mail_process_hangs", level=logging.ERROR, pid=process.pid)
        if process.silent_rounds and process.silent_rounds % self._patience.kill == 0:
            event(logger, "mail_process_killed", level=logging.ERROR, pid=process.pid)
            process.kill()

    def _lost(self, number: int) -> None:
        self._forget(number)
        if self._draining:
            return
        self._counters.add("mail_processes_lost")
        lost = next(process for process in self._present if process.number == number)
        self._run(self._replace(lost), "replaces a mail process")

    async def _replace(self, lost: MailProcess) -> None:
        if lost.seconds_served() < self._patience.longest_pause:
            self._quick_losses += 1
        else:
            self._quick_losses = 0
        if self._quick_losses > len(self._present):
            pause = 0.1 * 2 ** min(self._quick_losses, 20)
            await asyncio.sleep(min(pause, self._patience.longest_pause))
        async with self._forking:
            process = None if self._forks is None else await self._forks.fork(lost.number)
        if process is None:
            event(logger, "mail_process_missing", level=logging.ERROR, number=lost.number)
            return
        self._present[self._present.index(lost)] = process
        self._gone.append(lost)
        await self._start(process)
        while self._gone:
            await self._gone.pop().reap()
        if process.is_ready:
            self._counters.add("mail_processes_replaced")
            event(
                logger, "mail_process_replaced", level=logging.WARNING,
                lost=lost.pid, pid=process.pid,
            )  # fmt: skip

    def reload(self) -> None:
        """Have all read the certificate again, also those that are forked later."""
        self._reloaded = True
        for process in self._present:
            process.reload()

    def log_from(self, level: str) -> None:
        """Have all log from this level on, also those that are forked later."""
        self._log_level = level
        for process in self._present:
            process.log_from(level)

    def abort(self) -> None:
        """Make all drop their connections now."""
        for process in self._present:
            process.abort()

    async def drain(self, seconds: float) -> None:
        """Make all drain and end, and the fork server with them."""
        self._draining = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(
            *(process.drain(seconds) for process in self._present),
            *(process.reap() for process in self._gone),
        )
        if self._forks is not None:
            await self._forks.close()

"""The start of the sending job: where the settings name a smarthost, or once a domain has its own.

The client of smarthosts is imported only for it: most servers send nothing.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from config.logs import event
from config.settings import Settings
from storage.clock import system_clock
from storage.content.message_bytes import ContentDirectory
from storage.database import AcrossWrites
from storage.errors import StoreUnavailable
from storage.outbound.domain_smarthosts import Via, list_smarthosts
from storage.wakeup import WakeUp, woken_within

if TYPE_CHECKING:
    from gateway.outbound.sending import Sending

logger = logging.getLogger("postroom.sending")

_LOOK_SECONDS = 5.0


class SendingJob:
    """The sending job of a server, begun or not; set `wake` when a letter may be due."""

    def __init__(
        self,
        settings: Settings,
        database: AcrossWrites,
        contents: ContentDirectory,
        commits: WakeUp,
    ) -> None:
        self.wake = WakeUp()
        self._settings = settings
        self._database = database
        self._contents = contents
        self._commits = commits
        self._job: Sending | None = None

    @property
    def is_on(self) -> bool:
        """Whether there is a smarthost, of the settings or of a domain."""
        return self._job is not None and bool(self._job.lanes)

    @property
    def paused(self) -> str | None:
        """The reason of a refused sign-in, where a smarthost refuses it; else None."""
        return self._job.paused if self._job is not None else None

    def largest(self, via: Via) -> int | None:
        """The most octets of a letter that this smarthost takes, as far as it said."""
        return self._job.largest(via) if self._job is not None else None

    async def run(self) -> None:
        """Send letters until cancelled, from when there is a smarthost to send them by."""
        while self._settings.smarthost is None and not await self._has_smarthost():
            await woken_within(self.wake.wait_next(), _LOOK_SECONDS)
        self._job = self._begun()
        await self._job.run()

    async def _has_smarthost(self) -> bool:
        try:
            return bool(await self._database.read_quick(list_smarthosts))
        except StoreUnavailable as error:
            event(logger, "sending_waits", level=logging.WARNING, cause=repr(error))
            return False

    def _begun(self) -> Sending:
        from gateway.outbound.sending import Sending
        from gateway.outbound.smarthost import smarthost_of, smarthost_of_domain

        settings = self._settings
        return Sending(
            self._database,
            self._contents,
            self._commits,
            system_clock,
            smarthost_of(settings) if settings.smarthost is not None else None,
            connections=settings.smarthost_connections,
            ask=settings.unknown_sends == "ask",
            verp=settings.return_path == "verp",
            own=partial(smarthost_of_domain, settings),
            names=settings.data / "senders",
            wake=self.wake,
        )

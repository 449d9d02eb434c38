"""The start of the sending job, where a smarthost is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.settings import Settings
from storage.clock import system_clock
from storage.content.message_bytes import ContentDirectory
from storage.database import Database
from storage.wakeup import WakeUp

if TYPE_CHECKING:
    from gateway.outbound.sending import Sending


def sending_job(
    settings: Settings, database: Database, contents: ContentDirectory, commits: WakeUp
) -> Sending | None:
    """Make the job; None where no smarthost is configured. A client is imported only for it."""
    if settings.smarthost is None:
        return None
    from gateway.outbound.sending import Sending
    from gateway.outbound.smarthost import smarthost_of

    return Sending(
        database,
        contents,
        commits,
        system_clock,
        smarthost_of(settings),
        connections=settings.smarthost_connections,
        ask=settings.unknown_sends == "ask",
    )

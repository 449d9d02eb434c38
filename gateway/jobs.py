"""Tasks that go on until the process ends: round after round, whatever a round meets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from config.logs import event
from storage.errors import StoreUnavailable

_AWAY_SECONDS = 2.0


async def keep_on(
    work_a_round: Callable[[], Awaitable[None]],
    logger: logging.Logger,
    *,
    job: str,
    away: tuple[type[Exception], ...] = (StoreUnavailable,),
    after_fault: float | None = None,
) -> None:
    """Round after round until cancelled; a round does its own waiting for more.

    What is `away` is tried again in two seconds (`…_waits` in the log). A fault of ours must not
    end the job: it goes on as soon, or `after_fault` seconds later (`…_failed`).
    """
    while True:
        try:
            await work_a_round()
        except away as error:
            event(logger, f"{job}_waits", level=logging.WARNING, cause=repr(error))
            await asyncio.sleep(_AWAY_SECONDS)
        except Exception:
            logger.exception("%s_failed", job)
            await asyncio.sleep(_AWAY_SECONDS if after_fault is None else after_fault)


def tell_of_end(task: asyncio.Task[None], logger: logging.Logger, what: str) -> None:
    """Have it logged when a task ends by a fault that nobody may ever await."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.critical("the task that %s has ended", what, exc_info=error)

    task.add_done_callback(ended)

"""The health of the smarthost: when it may be asked again, and why not now.

- A failure to connect and a 421 make it wait, longer each time up to five minutes.
- A refused sign-in pauses it for five minutes each time; the operator has to act.
- After a failure one letter at a time finds out whether it is well again.
"""

from __future__ import annotations

import logging
import time

from config.logs import event

logger = logging.getLogger("postroom.sending")

HOST_WAITS = (2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
PAUSED_SECONDS = 300.0


class HostHealth:
    """The health of one smarthost; `paused` is the reason of a refused sign-in, else None."""

    def __init__(self) -> None:
        self.paused: str | None = None
        self.failures = 0
        self._not_before = 0.0

    @property
    def wait(self) -> float:
        """Seconds until it may be asked."""
        return max(0.0, self._not_before - time.monotonic())

    def failed(self, why: str) -> None:
        """It cannot be reached, or said 421."""
        seconds = HOST_WAITS[min(self.failures, len(HOST_WAITS) - 1)]
        self.failures += 1
        self._not_before = time.monotonic() + seconds
        event(logger, "smarthost_failed", level=logging.WARNING, cause=why, again_in=seconds)

    def refused(self, why: str) -> None:
        """It refused our name and password."""
        self.failures += 1
        self._not_before = time.monotonic() + PAUSED_SECONDS
        self.paused = why
        event(logger, "send_paused", level=logging.ERROR, cause=why, again_in=PAUSED_SECONDS)

    def well(self) -> None:
        """It took our name and a letter's beginning."""
        if self.paused is not None:
            event(logger, "send_resumed")
        self.paused, self.failures, self._not_before = None, 0, 0.0

"""The pace of a backup beside mail: whoever writes mail has the processors and the disk first.

- While the store's log grows, a backup rests eleven times as long as it worked, so it takes a
  twelfth of what it could. When the log has been quiet for a moment, it goes on immediately.
- A snapshot keeps the log from being reused. When the log's file has grown by 1 GiB meanwhile, the
  backup goes on at full pace until the snapshot ends. The file stays as long as it has become, so
  its size says nothing behind that.
- A server's log cannot be seen: beside PostgreSQL there is no pause, and its own limits count.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

_SHARE = 11
_LONGEST_SECONDS = 2.0
_QUIET_SECONDS = 0.2
_LOOK_AGAIN_SECONDS = 0.05
_MOST_GROWTH = 1 << 30


class Pace:
    """Rests between the steps of a backup; `log` is the store's write-ahead log, if it has one."""

    def __init__(
        self,
        log: Path | None,
        *,
        ticks: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`ticks` and `now` return seconds, `now` by the clock of the file system."""
        self._log = log
        self._ticks, self._sleep, self._now = ticks, sleep, now
        self._began = ticks()
        self._snapshot_size: int | None = None

    def rest(self) -> None:
        """Pause behind a step, as long as mail streams in and the share says; blocks."""
        self._snapshot_size = None
        self._pause()

    def rest_with_snapshot(self) -> None:
        """Pause so behind a step of a copy that holds a snapshot, until the log has grown."""
        if self._snapshot_size is None:
            status = self._look()
            self._snapshot_size = status.st_size if status else 0
        self._pause()

    def _pause(self) -> None:
        rested_at = self._ticks()
        until = rested_at + min((rested_at - self._began) * _SHARE, _LONGEST_SECONDS)
        while self._ticks() < until and self._gives_way():
            self._sleep(_LOOK_AGAIN_SECONDS)
        self._began = self._ticks()

    def _gives_way(self) -> bool:
        """Whether mail is written, and no snapshot has cost too much yet."""
        status = self._look()
        if status is None:
            return False
        held = self._snapshot_size
        if held is not None and status.st_size - held > _MOST_GROWTH:
            return False
        return self._now() - status.st_mtime < _QUIET_SECONDS

    def _look(self) -> os.stat_result | None:
        """The log as it is now; None where there is none: nobody serves this store."""
        try:
            return self._log.stat() if self._log else None
        except FileNotFoundError:
            return None

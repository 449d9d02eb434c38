"""The pace of letters beside mail: both share the processor, and the writer of the store.

- While mail streams in and the process is busy with it, about ten letters a second leave: nobody
  waits for a letter as a relay waits for our 250. Otherwise as many as the connections carry.
- The pause after letters ends with the stream of mail, and is never longer than two seconds: so
  letters leave, however much mail comes.
"""

from __future__ import annotations

import time

from gateway.background import LoopUse, streams_in
from storage.wakeup import WakeUp

# Of the processor, for a letter: in the event loop; and with the store's threads and the kernel.
_OWN_SECONDS = 0.002
_COST_SECONDS = 0.003
# About a hundred messages a second: on a machine that others use as well mail needs room early.
_BUSY = 0.15
_LEFT_ALONE_BUSY = 33
_LONGEST_PAUSE = 2.0
_LOOK_AGAIN_SECONDS = 0.25


class Pace:
    """When the next letters may be claimed; `mail` is set for each commit of mail."""

    def __init__(self, mail: WakeUp) -> None:
        self._mail = mail
        self._use = LoopUse()
        self._not_before = float("-inf")
        self._letters = 0

    @property
    def wait(self) -> float:
        """Seconds for which mail is left alone; look again then."""
        left = self._not_before - time.monotonic()
        return min(left, _LOOK_AGAIN_SECONDS) if left > 0 and streams_in(self._mail) else 0.0

    def note(self, letters: int) -> None:
        """Leave mail alone for a while after so many letters, where it needs that."""
        # The letters before have made it busy as well, and no mail is behind that.
        own, self._letters = self._letters * _OWN_SECONDS, letters
        if self._use.share(but=own) <= _BUSY:
            return
        pause = min(letters * _COST_SECONDS * _LEFT_ALONE_BUSY, _LONGEST_PAUSE)
        self._not_before = time.monotonic() + pause

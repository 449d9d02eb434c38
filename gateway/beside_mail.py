"""Work that is done beside the mail: a small share of the time while mail streams in.

The store's writer and the processors belong to deliveries. What piles up meanwhile is worked off
once no more mail comes.
"""

from __future__ import annotations

import asyncio
import math
import time

from storage.signals import Signal

# For one part of the time that work takes, so many parts are left to the mail.
LEFT_ALONE = 12
_STREAMING_SECONDS = 0.25


def streams_in(commits: Signal) -> bool:
    """Whether mail streams in: the last commit was a moment ago."""
    return time.monotonic() - commits.last_rung < _STREAMING_SECONDS


async def leave_to_mail(commits: Signal, seconds: float) -> None:
    """Do nothing for so long, or until mail has ceased to stream in."""
    steps = math.ceil(seconds / _STREAMING_SECONDS)
    for _ in range(steps):
        if not streams_in(commits):
            return
        await asyncio.sleep(seconds / steps)

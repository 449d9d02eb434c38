"""Cyclic garbage of the main process: collected between bursts, not in the middle of a call.

- The interpreter collects young objects by itself, which is quick. A collection of all walks
  through everything that lives: this job does it, every few seconds in which enough was made.
- While mail streams in it waits, half a minute at most: a peak of garbage is given back soon.
"""

from __future__ import annotations

import asyncio
import gc

from gateway.background import leave_to_mail
from storage.wakeup import WakeUp

_INTERVAL = 5.0
_PATIENCE = 30.0
_NEVER = 1_000_000


async def collecting(
    commits: WakeUp, *, interval: float = _INTERVAL, patience: float = _PATIENCE
) -> None:
    """Collect until cancelled; then the interpreter does it again."""
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, _NEVER)
    try:
        while True:
            await asyncio.sleep(interval)
            if any(gc.get_count()[1:]):  # else too little was made since the last time
                await leave_to_mail(commits, patience)
                gc.collect()
    finally:
        gc.set_threshold(young, middle, old)

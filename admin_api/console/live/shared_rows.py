"""Renderings that many tabs share: what all of them ask for after one event is made once.

- A frame of the stream names the newest event it is about; a tab asks for a state that holds it.
  Any rendering that was begun when the feed had read that far will do, whoever asked for it.
- Without an event only a rendering will do that was begun after the request came.
- A key has all that a rendering depends on, and its user: nobody gets what they might not ask for
  themselves. Whoever asks was let in, and asked the API for the inbox, before.
- A few are kept, compressed, for seconds.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any

from starlette.responses import HTMLResponse

_MOST = 64
_SECONDS = 5.0

Make = Callable[[], Coroutine[Any, Any, str]]


@dataclass(frozen=True, slots=True)
class _Rendering:
    """One rendering, done or not: the event that it holds at least, when and as which it began."""

    number: int
    position: bytes
    began: float
    packed: asyncio.Task[bytes]


class SharedRows:
    """The renderings of a process; `position` tells how far the feed has read a tenant's events."""

    def __init__(
        self, position: Callable[[bytes], bytes], ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._position, self._ticks = position, ticks
        self._kept: OrderedDict[Hashable, _Rendering] = OrderedDict()
        self._begun = 0

    async def get(self, key: Hashable, make: Make, *, tenant_id: bytes, since: bytes) -> bytes:
        """Return a rendering, compressed, that holds the event `since`, or is new if that is empty.

        Raises whatever `make` raises.
        """
        asked = self._begun
        while True:
            found = self._kept.get(key)
            if found is not None and self._holds(found, since, asked):
                break
            if found is not None and not found.packed.done():
                await asyncio.wait([found.packed])  # one at a time: the next is for all who wait
                continue
            found = self._begin(key, make, self._position(tenant_id))
            break
        # A tab that is closed must not cancel what the others wait for.
        return await asyncio.shield(found.packed)

    def _holds(self, one: _Rendering, since: bytes, asked: int) -> bool:
        if one.packed.done() and _failed(one.packed):
            return False
        # It was begun after this request came: one that is made now would be no newer.
        if one.number > asked:
            return True
        is_recent = self._ticks() - one.began < _SECONDS
        return bool(since) and one.position >= since and is_recent

    def _begin(self, key: Hashable, make: Make, position: bytes) -> _Rendering:
        async def packed() -> bytes:
            return gzip.compress((await make()).encode(), 5, mtime=0)

        self._begun += 1
        task = asyncio.create_task(packed())
        task.add_done_callback(_failed)  # its fault was looked at, even if nobody waits any more
        began = _Rendering(self._begun, position, self._ticks(), task)
        self._kept[key] = began
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return began


def _failed(task: asyncio.Task[bytes]) -> bool:
    return task.cancelled() or task.exception() is not None


class PackedPage(HTMLResponse):
    """A page that was compressed once for many."""

    def __init__(self, packed: bytes) -> None:
        super().__init__(packed, headers={"Content-Encoding": "gzip"})

    def unpack(self) -> None:
        """Make it plain, for whoever may not have it compressed."""
        self.body = gzip.decompress(bytes(self.body))
        del self.headers["Content-Encoding"]
        self.headers["Content-Length"] = str(len(self.body))

"""The contents of a batch for the parser's process, which reads large ones from files.

- A content that lies elsewhere is fetched into a file for as long as it is read: the first of a
  batch in any case, more of them up to 64 MiB together.
- With several gateways, a file that is not here may be in the data directory of another one. For an
  hour the message is left to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from storage.clock import HOUR
from storage.content.message_bytes import ContentDamaged, ContentDirectory, is_file
from storage.errors import StoreUnavailable
from storage.ids import lowest_at
from storage.mailbox.parse_queue import ParseClaim

MOST_FETCHED = 64 * 1024 * 1024
_WITH_OTHERS = HOUR


async def fetch_some(
    stack: AsyncExitStack, contents: ContentDirectory, claims: Sequence[ParseClaim]
) -> list[Path | None]:
    """The paths of the first contents, None for small ones; they are there until `stack` closes.

    They end before one that cannot be fetched. When that is the first: raises ContentDamaged,
    StoreUnavailable.
    """
    paths: list[Path | None] = []
    fetched = 0
    for claim in claims:
        content = claim.content
        if content.file is not None and not is_file(content.file):
            fetched += content.size
            if paths and fetched > MOST_FETCHED:
                break
        try:
            paths.append(await stack.enter_async_context(contents.at_hand(content)))
        except (ContentDamaged, StoreUnavailable):
            if paths:
                break
            raise
    return paths


def left_to_others(
    contents: ContentDirectory, claims: Sequence[ParseClaim], *, now: int
) -> list[ParseClaim]:
    """Those whose content may be a file of another gateway; blocks."""
    young = lowest_at(now - _WITH_OTHERS)
    return [one for one in claims if one.message_id > young and contents.lacks_file(one.content)]

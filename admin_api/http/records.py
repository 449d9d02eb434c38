"""Records out: how each thing looks in a response.

Ids become prefixed text, times RFC 3339; nothing else is changed. Knows no HTTP: what the command
line prints are the same records.
"""

from __future__ import annotations

from storage.clock import rfc3339
from storage.ids import to_text

Record = dict[str, object]


def id_or_none(prefix: str, raw: bytes | None) -> str | None:
    """The id as text."""
    return None if raw is None else to_text(prefix, raw)


def time_or_none(instant: int | None) -> str | None:
    """The time as text."""
    return None if instant is None else rfc3339(instant)

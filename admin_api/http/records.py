"""Ids and times as records show them.

Ids become prefixed text, times RFC 3339; nothing else is changed. Knows no HTTP: the command line
prints the same records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.clock import rfc3339
from storage.ids import to_text

Record = dict[str, object]
# A record for whoever shows it: its fields are what the API says they are.
ReadRecord = Mapping[str, Any]


def id_or_none(prefix: str, raw: bytes | None) -> str | None:
    """Return the id as text."""
    return None if raw is None else to_text(prefix, raw)


def time_or_none(instant: int | None) -> str | None:
    """Return the time as text."""
    return None if instant is None else rfc3339(instant)

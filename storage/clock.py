"""The time, as a function that is passed in.

Times in the store are whole microseconds since 1970, UTC. Nothing in this package reads a clock by
itself but the id source, which is given one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], int]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def system_clock() -> int:
    """Microseconds since 1970 by the machine's clock, which may jump."""
    return time.time_ns() // 1000


def rfc3339(instant: int) -> str:
    """`2026-11-22T01:12:09.000Z`: UTC, milliseconds (RFC 3339)."""
    seconds, micros = divmod(instant, SECOND)
    # A third of the time of strftime, and a page of the API has hundreds.
    base = datetime.fromtimestamp(seconds, UTC).isoformat()
    return f"{base[:19]}.{micros // 1000:03d}Z"


def parse_rfc3339(text: str) -> int:
    """The instant that `text` names, in microseconds.

    Raises ValueError when it is no date-time with an offset.
    """
    text = text.upper()  # RFC 3339 5.6: T and Z may be small letters
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or "T" not in text:
        raise ValueError("not an RFC 3339 date-time with an offset")
    # Without the microseconds: a float of seconds since 1970 would round them.
    seconds = int(moment.replace(microsecond=0).timestamp())
    return seconds * SECOND + moment.microsecond

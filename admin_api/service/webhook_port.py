"""The port to webhooks: checks targets, sends test calls; this package sends nothing itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from storage.alerts.alerts import Alert


@dataclass(frozen=True, slots=True)
class Tried:
    """The result of one request: the status of the response, or the reason why there was none."""

    status: int | None
    error: str | None
    milliseconds: int

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def is_https(target: str) -> str | None:
    """Return the fault of a target as a URL; None when it is that of an https server."""
    try:
        parts = urlsplit(target)
        named = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    return None if named else "must be an https URL"


async def _sends_nothing(alert: Alert) -> Tried:
    return Tried(None, "this process sends nothing", 0)


@dataclass(frozen=True, slots=True)
class Webhooks:
    """`check` returns the fault of a target; `test` sends one signed request to an alert's."""

    check: Callable[[str], str | None] = is_https
    test: Callable[[Alert], Awaitable[Tried]] = _sends_nothing

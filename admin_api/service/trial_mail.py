"""The port to the server's own SMTP port: a test mail goes the way of every mail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

# The author of test mail: a name that is nobody's domain (RFC 6761), so no policy speaks of it.
AUTHOR = "hello@postroom.invalid"


def _nowhere() -> str:
    return ""


async def _sends_nothing(recipient: str, subject: str, body: str) -> str | None:
    return "this process takes no mail"


@dataclass(frozen=True, slots=True)
class TrialMail:
    """`server` returns host and port for a client of SMTP on this machine, empty where none is.

    `send` delivers one text from `AUTHOR`, and returns the reply that refused it, None for 250.
    """

    server: Callable[[], str] = _nowhere
    send: Callable[[str, str, str], Awaitable[str | None]] = _sends_nothing

"""A test mail from the page, by SMTP to a port of this process, so that the whole way is tried.

- One at a time: the connection is one of this machine's, of which there may be a bound.
- A port where a proxy has to speak first is none for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from admin_api.service.trial_mail import AUTHOR, TrialMail
from config.listening import ListenAddress, UnixSocket, reachable
from gateway.transport.smtp_client import compose, deliver

_SECONDS = 10.0


def trial_mail(bound: Sequence[ListenAddress]) -> TrialMail:
    """Make the port; `bound` are the endpoints for SMTP, filled in when they are bound."""
    turns = asyncio.Semaphore(1)

    def server() -> str:
        address = _open(bound)
        return str(address) if address else ""

    async def send(recipient: str, subject: str, body: str) -> str | None:
        address = _open(bound)
        if address is None:
            return "no SMTP port of this server can be reached from here"
        message = compose(AUTHOR, [recipient], subject, body)
        try:
            async with turns, asyncio.timeout(_SECONDS):
                sent = await asyncio.to_thread(deliver, address, AUTHOR, [recipient], message)
        except (OSError, TimeoutError):
            return "the SMTP port does not answer"
        return None if sent.accepted else sent.reply

    return TrialMail(server, send)


def _open(bound: Sequence[ListenAddress]) -> ListenAddress | None:
    """The first address that takes a client as it comes."""
    found = (one for one in bound if isinstance(one, UnixSocket) or not one.proxy)
    address = next(found, None)
    return reachable(address) if address else None

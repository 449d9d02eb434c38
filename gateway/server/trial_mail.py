"""A test mail from the page, by SMTP to a port of this process, so that the whole way is tried.

- One at a time: the connection is one of this machine's, of which there may be a bound.
- A port where a proxy has to speak first is none for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from admin_api.service.trial_mail import AUTHOR, TrialMail
from config.listening import MailEndpoint, reachable
from config.values import Endpoint
from gateway.transport.smtp_client import compose, deliver

_SECONDS = 10.0


def trial_mail(bound: Sequence[MailEndpoint]) -> TrialMail:
    """Make the port; `bound` are the endpoints for SMTP, filled in when they are bound."""
    turns = asyncio.Semaphore(1)

    def server() -> str:
        endpoint = _open(bound)
        return str(endpoint) if endpoint else ""

    async def send(recipient: str, subject: str, body: str) -> str | None:
        endpoint = _open(bound)
        if endpoint is None:
            return "no SMTP port of this server can be reached from here"
        message = compose(AUTHOR, [recipient], subject, body)
        try:
            async with turns, asyncio.timeout(_SECONDS):
                sent = await asyncio.to_thread(deliver, endpoint, AUTHOR, [recipient], message)
        except (OSError, TimeoutError):
            return "the SMTP port does not answer"
        return None if sent.accepted else sent.reply

    return TrialMail(server, send)


def _open(bound: Sequence[MailEndpoint]) -> Endpoint | None:
    """The first port that takes a client as it comes."""
    found = (one for one in bound if isinstance(one, Endpoint) and not one.proxy)
    endpoint = next(found, None)
    return reachable(endpoint) if endpoint else None

"""LMTP: for each recipient its own reply to the dot.

- LHLO in the place of HELO and EHLO, which are unknown here, as LHLO is on an SMTP port.
- As many replies as recipients were accepted, in the order of RCPT. One whose route is gone by the
  commit hears 550, one whose list is empty 450; the others have their copies. So do postmaster and
  abuse of a message that a DMARC policy refuses to the rest.
- A fault of the whole message (too large, no space, store out of reach) is said once for each.
- Refusals count against the session as over SMTP: a recipient's own each, as at RCPT, the message's
  once.

RFC 2033.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.smtp import replies
from gateway.smtp.recipients import VERDICTS
from gateway.smtp.replies import Reply
from storage import ids
from storage.delivery.arrivals import PolicyRefused, Repeated, RouteChanged, Stored
from storage.directory.resolve import Verdict

_OF_THE_MESSAGE = (replies.ROUTE_CHANGED, replies.DMARC_REFUSED)


def replies_to_dot(
    recipients: int, outcome: Stored | Repeated | RouteChanged | PolicyRefused
) -> list[Reply]:
    """Return the reply to each of so many recipients, in order."""
    if isinstance(outcome, PolicyRefused):
        said = [replies.DMARC_REFUSED] * recipients
        if outcome.others is not None:
            others = replies_to_dot(recipients, outcome.others)
            said = [
                r if at in outcome.refused else o
                for at, (r, o) in enumerate(zip(said, others, strict=True))
            ]
        return said
    if isinstance(outcome, RouteChanged):
        said = [replies.ROUTE_CHANGED] * recipients
    else:
        said = [replies.accepted(ids.to_text("msg", outcome.message_id))] * recipients
    for position, verdict in outcome.refused:
        # It leads somewhere, to another tenant by now: the next RCPT tells.
        moved = verdict is Verdict.ROUTE
        said[position] = replies.ROUTE_CHANGED if moved else VERDICTS[verdict]
    return said


def counted(said: Sequence[Reply]) -> Iterable[Reply]:
    """Return those of the replies to a dot that count against the session."""
    yield from (reply for reply in said if reply not in _OF_THE_MESSAGE)
    yield from (reply for reply in _OF_THE_MESSAGE if reply in said)

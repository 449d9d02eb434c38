"""Listening: a call that lasts, because it waits for what happens to its inbox.

- It counts as a stream of its credential; beyond `api_streams` one more is 429.
- It has what it was let in with: when the credential or the inbox is not that any more, it ends
  (`admin_api.service.feed`).
"""

from __future__ import annotations

from admin_api.call.call import Call
from admin_api.http.problems import rate_limited, unauthorized
from admin_api.service.feed import Listener
from storage.accounts.credential_marks import credential_marks
from storage.database import Tx
from storage.wakeup import WakeUp

_FULL_SECONDS = 5


async def listener_of(
    tx: Tx, call: Call, *, inbox_id: bytes, types: frozenset[str], heard: WakeUp | None = None
) -> Listener:
    """A listener for the call, with its credential as it is now. Raises Problem 401.

    `heard` is the wake-up of a stream with several listeners.
    """
    credential_id = call.caller.credential_id
    # As they are now: what changed since the call was let in would never be noticed.
    marks = await credential_marks(tx, ids=(credential_id, inbox_id), now=call.now)
    if len(marks) < 2:
        raise unauthorized()  # it ended between two reads of ours
    return Listener(
        tenant_id=call.tenant_id,
        inbox_id=inbox_id,
        credential_id=credential_id,
        types=types,
        standing=(marks[credential_id], marks[inbox_id]),
        heard=heard,
    )


def claim_stream(call: Call, listener: Listener) -> None:
    """Count one more stream of the credential. Raises Problem 429 when it holds as many as it may.

    Counted here, in the step that asks, and not when the response begins: the audit entry is
    written in between, and many calls at one time would all find room.
    """
    feed = call.service.feed
    if feed.held_by(call.caller.credential_id) >= call.service.settings.api_streams:
        raise rate_limited(_FULL_SECONDS)
    feed.hold(listener)

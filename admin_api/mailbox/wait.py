"""Waiting for a message: one call that is answered when the message is there.

- For people who test the mail of their own software: the newest message of the inbox for an
  address, with a text in its subject, whether it is there already or comes meanwhile.
- A commit wakes the waiting calls, which then query at most a few times a second; commits of
  another process are seen a little later.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from pydantic import BeforeValidator, Field
from starlette.responses import Response

from admin_api.call.call import Call, acting_inbox
from admin_api.http.payload import Parameters, whole_number
from admin_api.http.responses import no_content
from admin_api.mailbox.filters import Moment
from admin_api.mailbox.messages import Entire, entire, whole_message
from storage.address import canonical_or_none
from storage.database import Tx
from storage.index.query import Query, instant
from storage.mailbox.copies import Copy, copies_by_id
from storage.mailbox.search import SearchFilter, search_messages
from storage.wakeup import woken_within

MOST_SECONDS = 60
_LOOKED_AT = 100
_LOOK_ANYWAY = 2.0
_BREATH = 0.2


class Expected(Parameters):
    """The message to wait for, and the seconds to wait."""

    to: Annotated[str, Field(max_length=320)] = ""
    subject: Annotated[str, Field(max_length=1_000)] = ""
    after: Moment | None = None
    timeout: Annotated[int, BeforeValidator(whole_number), Field(ge=0, le=MOST_SECONDS)] = 30


async def wait_for_message(call: Call) -> Response:
    """GET /v1/messages/wait/: the message, or 204 when none came in time."""
    expected = call.parameters(Expected)
    deadline = time.monotonic() + expected.timeout
    while True:
        woken = call.service.commits.wait_next()
        found = await call.database.read(lambda tx: _newest(tx, call, expected))
        if found is not None:
            return await whole_message(call, found)
        left = deadline - time.monotonic()
        if left <= 0:
            return no_content()
        if await woken_within(woken, min(left, _LOOK_ANYWAY)):
            await asyncio.sleep(min(_BREATH, left))


async def _newest(tx: Tx, call: Call, expected: Expected) -> Entire | None:
    inbox_id = await acting_inbox(tx, call)
    after = None if expected.after is None else instant(expected.after, field="after")
    key = {"tenant_id": call.tenant_id, "inbox_id": inbox_id}
    newest = await search_messages(
        tx, **key, wanted=SearchFilter(Query(after=after)), before=None, limit=_LOOKED_AT
    )
    for copy in await copies_by_id(tx, **key, message_ids=newest):
        if is_expected(copy, to=expected.to, subject=expected.subject):
            return await entire(tx, call, copy)
    return None


def is_expected(copy: Copy, *, to: str, subject: str) -> bool:
    """Whether a message was for the address `to` and has `subject` in its own, in any spelling."""
    if subject.casefold() not in copy.subject.casefold():
        return False
    if not to:
        return True
    named = [mailbox.email for mailbox in (*copy.to, *copy.cc)]
    for route in copy.routes:
        named += [route.recipient, route.address]
    wanted = canonical_or_none(to) or to
    return any((canonical_or_none(one) or one) == wanted for one in named)

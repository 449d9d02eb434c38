"""Waiting for a message: one call that is answered when the message is there.

- For people who test the mail of their own software: the newest message of the inbox for an
  address, with a text in its subject, whether it is there already or comes meanwhile.
- It listens as a stream does (`admin_api.call.listening`): counted with its credential's streams,
  woken by mail of its own inbox and by nothing else, and over when its credential or client is.
- It reads the store a few times a second at most, however much mail comes.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from pydantic import BeforeValidator, Field
from starlette.responses import Response

from admin_api.call.call import Call, acting_inbox
from admin_api.call.listening import claim_stream, listener_of
from admin_api.http.hang_up import watching
from admin_api.http.payload import Parameters, whole_number
from admin_api.http.problems import unauthorized
from admin_api.http.responses import no_content
from admin_api.mailbox.filters import Moment
from admin_api.mailbox.messages import Entire, entire, whole_message
from admin_api.service.feed import Listener
from storage.address import canonical_or_none
from storage.database import Tx
from storage.index.query import Query, instant
from storage.mailbox.copies import Copy, copies_by_id
from storage.mailbox.search import SearchFilter, search_messages

MOST_SECONDS = 60
_LOOKED_AT = 100
_BREATH = 0.2
_TYPES = frozenset({"message.received"})


class Expected(Parameters):
    """The message to wait for, and the seconds to wait."""

    to: Annotated[str, Field(max_length=320)] = ""
    subject: Annotated[str, Field(max_length=1_000)] = ""
    after: Moment | None = None
    timeout: Annotated[int, BeforeValidator(whole_number), Field(ge=0, le=MOST_SECONDS)] = 30


async def wait_for_message(call: Call) -> Response:
    """GET /v1/messages/wait/: the message, or 204 when none came in time.

    Raises Problem 429 for a credential with too many streams, 401 for one that ends meanwhile.
    """
    expected = call.parameters(Expected)
    deadline = time.monotonic() + expected.timeout
    found = await call.database.read(lambda tx: _newest(tx, call, expected))
    if found is None and expected.timeout:
        found = await _awaited(call, expected, deadline)
    return no_content() if found is None else await whole_message(call, found)


async def _awaited(call: Call, expected: Expected, deadline: float) -> Entire | None:
    """Return the message that comes before the deadline; None also when client or process ends."""
    feed = call.service.feed

    async def listen(tx: Tx) -> Listener:
        return await listener_of(tx, call, inbox_id=await acting_inbox(tx, call), types=_TYPES)

    listener = await call.database.read(listen)
    claim_stream(call, listener)
    with feed.listening(listener):
        async with watching(call.request.receive) as gone:
            gone.add_done_callback(lambda _: listener.end())
            while not listener.has_ended:
                # Join first, then query: mail that comes between the two is in the feed.
                await feed.join(listener)
                while listener.is_told:
                    found = await call.database.read(lambda tx: _newest(tx, call, expected))
                    left = deadline - time.monotonic()
                    if found is not None or left <= 0:
                        return found
                    if await listener.take(left):
                        # A flood of mail is one query each 0.2 s, not one for each message.
                        await asyncio.sleep(min(_BREATH, max(0.0, left)))
            if gone.done() or feed.is_closed:
                return None
    raise unauthorized()


async def _newest(tx: Tx, call: Call, expected: Expected) -> Entire | None:
    inbox_id = await acting_inbox(tx, call)
    after = None if expected.after is None else instant(expected.after, field="after")
    key = {"tenant_id": call.tenant_id, "inbox_id": inbox_id}
    wanted = SearchFilter(Query(after=after))
    newest = await search_messages(
        tx, **key, wanted=wanted, before=None, limit=_LOOKED_AT, now=call.now
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

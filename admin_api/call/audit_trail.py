"""The audit entries of a call.

- A change is noted by its handler, in the transaction that makes it.
- Every act and every read of an owner or admin in an inbox of another owner leaves one entry: that
  of the change, or else `inbox.acted_for`. A read writes it before its answer is sent, so that no
  read goes unrecorded; when it cannot be written, the answer is 503.
- A refused call leaves none, and so does one that changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from starlette.responses import Response

from admin_api.access.credentials import Agent
from admin_api.call.call import Call
from admin_api.call.etags import respond
from admin_api.call.router import Route
from admin_api.call.store_wrappers import HookedDatabase
from admin_api.http.client_address import client_address
from admin_api.http.records import Record
from storage.accounts.audit_log import Actor, Detail, act_of, record_act
from storage.database import Tx
from storage.ids import to_text

_LONGEST_PATH = 500


async def note(
    tx: Tx,
    call: Call,
    action: str,
    raw_id: bytes,
    *,
    name: str = "",
    **details: Detail,
) -> None:
    """Record that the caller did this to the object with the id `raw_id`, called `name`.

    `details` hold no secret and nobody's text.
    """
    act = act_of(action, raw_id, name=name, inbox_id=_inbox(call), details=details)
    await record_act(tx, tenant_id=call.tenant_id, actor=_actor(call), act=act, now=call.now)
    call.trail.writing = True


def _inbox(call: Call) -> bytes | None:
    """Return the inbox that the call is made for."""
    caller = call.caller
    return caller.inbox.inbox_id if isinstance(caller, Agent) else call.trail.inbox_id


def _actor(call: Call) -> Actor:
    client = client_address(call.request, call.service.settings.trusted_proxies)
    address = None if client is None else str(client)
    caller = call.caller
    if isinstance(caller, Agent):
        token_id = to_text("tok", caller.token.token_id)
        return Actor("token", token_id, caller.token.label, token_id, address)
    session_id = to_text("ses", caller.session.session_id)
    user_id = to_text("usr", caller.user.user_id)
    return Actor("user", user_id, caller.user.email, session_id, address)


def differing(given: Iterable[str], before: Record, after: Record) -> list[str]:
    """Return those of the given fields whose value changes."""
    return sorted(name for name in given if before.get(name) != after.get(name))


async def respond_on_record(route: Route, shown: Route | None, call: Call) -> Response:
    """Run the handler, and write the call's audit entry."""
    audited = HookedDatabase(call.database, before=partial(_begin, call), after=partial(_end, call))
    response = await respond(route, shown, replace(call, store=audited))
    # A read has no transaction that writes: an empty one takes the entry (`_end`).
    if call.trail.foreign and not call.trail.told and response.status_code < 400:
        await audited.write(_nothing)
    return response


async def _nothing(tx: Tx) -> None:
    pass


async def _begin(call: Call, tx: Tx) -> None:
    # An earlier transaction of this call may have written its entry and been rolled back.
    call.trail.writing = False


async def _end(call: Call, tx: Tx) -> None:
    """Record an act in a foreign inbox, unless the call has an entry already.

    Its state belongs to a transaction that is about to commit: no engine runs one again.
    """
    trail = call.trail
    if trail.foreign and not (trail.told or trail.writing):
        await _note_acting(tx, call)
    trail.told |= trail.writing


async def _note_acting(tx: Tx, call: Call) -> None:
    inbox_id = call.trail.inbox_id
    assert inbox_id is not None, "a foreign inbox has an id"
    path = call.request.scope["raw_path"].decode("ascii", "replace")[:_LONGEST_PATH]
    await note(
        tx,
        call,
        "inbox.acted_for",
        inbox_id,
        name=call.trail.address,
        method=call.request.method,
        path=path,
    )

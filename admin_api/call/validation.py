"""Validation of a call's input in three steps, with every fault reported together.

- First each field by itself and how fields go together, without the store. Then, in the handler's
  own transaction, the references (`admin_api.call.references`), and last the change itself.
- When a step finds a fault, the references of well-formed fields are resolved all the same, and
  their faults reported with it. Before that come 404 for the path and 412 for If-Match.
- A conflict is reported only when no field is at fault.
- Where a call needs no body, an object may still name the inbox, as the query may; anything else in
  it is an unknown field: no input is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from admin_api.access import policy
from admin_api.access.credentials import Agent
from admin_api.call import etags
from admin_api.call.audit_trail import respond_on_record
from admin_api.call.call import Call, Trail, acting_inbox
from admin_api.call.references import unresolved
from admin_api.call.router import Match, Route
from admin_api.http.body import read_object
from admin_api.http.payload import Form, Payload, read, read_query
from admin_api.http.problems import Problem
from admin_api.http.strict_json import MAX_FAULTS, JsonValue
from storage.address import canonical_or_none
from storage.database import Tx, Work
from storage.errors import Conflict, FieldFault, Invalid
from storage.ids import from_text


@dataclass(slots=True)
class RawInput:
    """The input of a call as it came; `faults` of the query as such, and of `inbox_id`. `asked` is
    the whole query, whatever is taken out of `query`.
    """

    asked: Mapping[str, JsonValue]
    query: dict[str, JsonValue]
    body: dict[str, JsonValue]
    faults: list[FieldFault]


def query_of(request: Request) -> RawInput:
    """Read the query only."""
    query, faults = read_query(request.scope["query_string"])
    return RawInput({**query}, query, {}, faults)


async def read_body(route: Route, call: Call, sent: RawInput) -> None:
    """Read what the body says. Raises Problem 413, MalformedJson."""
    if route.reads_json:
        required = _needs_body(route)
        sent.body = call.sent = await read_object(call.request, required=required)


def _needs_body(route: Route) -> bool:
    """A body may be empty where none of its fields is required."""
    fields = route.payload.model_fields.values() if route.payload is not None else ()
    return any(field.is_required() for field in fields)


def take_inbox_of_query(route: Route, call: Call, sent: RawInput) -> None:
    """Take out of the query which inbox the call is made for. Raises Problem `inbox_mismatch`."""
    if "inbox_id" not in route.parameters.model_fields:
        _take_inbox(call, sent, sent.query)


def take_inbox_of_body(route: Route, call: Call, sent: RawInput) -> None:
    """The same of the body, unless it is a field of the record."""
    if route.payload is None or "inbox_id" not in route.payload.model_fields:
        _take_inbox(call, sent, sent.body)


def _take_inbox(call: Call, sent: RawInput, place: dict[str, JsonValue]) -> None:
    if "inbox_id" not in place:
        return
    name = place.pop("inbox_id")
    if name is None:  # counts as left out
        return
    if isinstance(call.caller, Agent):
        # Compared, not looked up: the answer must not tell whether the other inbox exists.
        if not _names(call.caller, name):
            raise policy.inbox_mismatch()
    elif isinstance(name, str):
        call.inbox_names = tuple(dict.fromkeys((*call.inbox_names, name)))
    elif not _is_told(sent.faults):
        sent.faults.append(FieldFault("inbox_id", "must be a string"))


def _names(agent: Agent, name: JsonValue) -> bool:
    if not isinstance(name, str):
        return False
    inbox = agent.inbox
    return from_text("inb", name) == inbox.inbox_id or canonical_or_none(name) == inbox.canonical


def _is_told(faults: list[FieldFault]) -> bool:
    return any(fault.field == "inbox_id" for fault in faults)


async def validated(match: Match, route: Route, call: Call, sent: RawInput) -> Response:
    """Run the handler on valid input.

    Raises Invalid with every fault, NotFound and Problem 412 before that, Conflict after it.
    """
    await _check_inbox(route, call)
    shown = etags.shown_by(match)
    query = read(route.parameters, sent.query, sent.faults)
    body = read(route.payload or Payload, sent.body)
    forms = [query, body]
    call.query, call.body = query.value, body.value
    faults = [fault for form in forms for fault in form.faults]
    if faults and route.access.acts and _is_told(sent.faults):
        raise _invalid(faults)  # without the acting inbox nothing can be resolved
    condition = etags.condition_of(call, route)
    if faults or condition is not None or route.needs_condition or route.unchanged is not None:
        faults += await _look(route, shown, call, forms if faults else [], faults)
    if faults:
        raise _invalid(faults)
    try:
        return await respond_on_record(route, shown, call)
    except (Invalid, Conflict) as error:
        # Fields first: mended fields make another change, which may have no conflict.
        known = [*error.faults] if isinstance(error, Invalid) else []
        faults = known + _other(await call.database.read(_unmeant(call, forms)), known)
        raise _invalid(faults) if faults else error from None


async def _check_inbox(route: Route, call: Call) -> None:
    """Check the inbox that a session names on a call that belongs to none; it changes nothing else.

    Raises NotFound, and Invalid when two are named.
    """
    if route.access.acts or not call.inbox_names:
        return
    await call.database.read(lambda tx: acting_inbox(tx, call))
    # The call is not made for this inbox: its owner's audit log gets no entry.
    call.trail = Trail()


async def _look(
    route: Route, shown: Route | None, call: Call, forms: list[Form], known: list[FieldFault]
) -> list[FieldFault]:
    """Return the faults that the store finds, but for fields with a `known` one.

    Raises NotFound, Problem 412 or 428, and Problem `inbox_required` with the known faults.
    """
    locate = route.locate or (acting_inbox if route.access.acts else None)
    condition = etags.condition_of(call, route)

    async def work(tx: Tx) -> list[FieldFault]:
        # 404, then 412 and 428, then 400: faults in a change of nothing would mislead.
        if locate is not None:
            await locate(tx, call)
        if condition is None and route.needs_condition:
            raise etags.precondition_required()
        if condition is not None:
            await etags.require(tx, condition, shown, call)
        if route.unchanged is not None:
            await route.unchanged(tx, call)
        return await _unmeant(call, forms)(tx)

    try:
        return _other(await call.database.read(work), known)
    except Problem as problem:
        if problem.code == "inbox_required":
            problem.faults = [*problem.faults, *known]
        raise
    except Invalid as error:  # two inboxes are named: nothing can be resolved
        return _other(error.faults, known)


def _unmeant(call: Call, forms: list[Form]) -> Work[list[FieldFault]]:
    async def work(tx: Tx) -> list[FieldFault]:
        return [fault for form in forms for fault in await unresolved(tx, call, form)]

    return work


def _other(found: Iterable[FieldFault], known: list[FieldFault]) -> list[FieldFault]:
    told = {fault.field for fault in known}
    return [fault for fault in found if fault.field not in told]


def _invalid(faults: list[FieldFault]) -> Invalid:
    return Invalid(*faults[:MAX_FAULTS])

"""Delivery reports: why mail went where it went, and where it would go now.

An admin's session sees all of a message's deliveries. With `inbox_id`, like every holder of a copy,
it sees that inbox's own part only: other recipients by Bcc stay hidden. A full report is recorded
in the audit log, because it reveals mail in other inboxes.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from admin_api.access.policy import is_admin
from admin_api.call.audit_trail import note
from admin_api.call.call import Call, acting_inbox
from admin_api.directory.records import explanation_record
from admin_api.http.payload import EmailAddress, Parameters
from admin_api.http.records import Record, id_or_none
from admin_api.http.responses import answer
from storage.address import canonical_domain, canonical_or_none, parse_address
from storage.database import Tx
from storage.delivery.explain import Explanation, explain
from storage.directory.domains import find_domain
from storage.directory.lists import list_members
from storage.directory.resolve import Resolution, resolve
from storage.errors import FieldFault, Invalid, NotFound
from storage.mailbox.copies import find_copy


class Asked(Parameters):
    """The address to resolve, as a sender would write it."""

    address: Annotated[EmailAddress, Field(examples=["team@example.com"])]


async def show_deliveries(call: Call) -> Response:
    """GET /v1/messages/{message_id}/deliveries/: the inboxes with a copy, and why.

    Each with address, list and rule; also the recipients that got no copy.
    """
    if _is_of_all(call):
        # A write, though this is a GET: the audit entry is committed before the answer is sent.
        return answer(await call.database.write(lambda tx: _of_all(tx, call)))
    return answer(explanation_record(*await call.database.read(lambda tx: locate(tx, call))))


def _is_of_all(call: Call) -> bool:
    return is_admin(call.caller) and not call.inbox_names


async def _of_all(tx: Tx, call: Call) -> Record:
    found, own = await locate(tx, call)
    await note(tx, call, "message.explained", found.message_id)
    return explanation_record(found, own)


async def locate(tx: Tx, call: Call) -> tuple[Explanation, bytes | None]:
    """Return the report of the message in the path, and the inbox if only its part is shown.

    Raises NotFound, also for an inbox that holds no copy.
    """
    message_id = call.path_id("msg", "message_id")
    own = None
    if not _is_of_all(call):
        own = await acting_inbox(tx, call)
        # A copy, not a view: who was granted the thread has no right to its envelope.
        await find_copy(tx, tenant_id=call.tenant_id, inbox_id=own, message_id=message_id)
    return await explain(tx, tenant_id=call.tenant_id, message_id=message_id), own


async def show_route(call: Call) -> Response:
    """GET /v1/resolve/: the reply to RCPT now, and the inboxes that would get a copy."""
    try:
        address = parse_address(call.parameters(Asked).address)
        domain = canonical_domain(address.domain)
    except ValueError:
        raise Invalid(FieldFault("address", "is not an address")) from None
    postmaster = canonical_or_none(call.service.settings.postmaster) or ""

    async def work(tx: Tx) -> Record:
        owned = await find_domain(tx, tenant_id=call.tenant_id, name=domain)
        if owned.status != "verified":
            # It may be another tenant's: the answer would tell which addresses that one has.
            raise NotFound("a domain that is not verified")
        found = await resolve(
            tx, local_part=address.local_part, domain=domain, postmaster=postmaster
        )
        return await _route_record(tx, call, found)

    return answer(await call.database.read(work))


async def _route_record(tx: Tx, call: Call, found: Resolution) -> Record:
    """Build the record; nothing of another tenant, to which the setting `postmaster` may lead."""
    ours = found.tenant_id == call.tenant_id
    copies: list[Record] = []
    if ours and found.inbox_id is not None:
        copies = [{"inbox_id": id_or_none("inb", found.inbox_id), "address": found.address}]
    elif ours and found.list_id is not None:
        members = await list_members(tx, tenant_id=call.tenant_id, list_id=found.list_id)
        copies = [
            {"inbox_id": id_or_none("inb", member.inbox_id), "address": member.inbox_address}
            for member in members
        ]
    return {
        "verdict": found.verdict.value,
        "reply": call.service.reply_to(found),
        "rule": found.rule if ours else None,
        "address": found.address if ours else None,
        "list_id": id_or_none("lst", found.list_id) if ours else None,
        "copies": copies,
    }

"""Shares: offering a card to a teammate, requesting one, and the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import Response

from admin_api.call.audit_trail import note
from admin_api.call.call import Call, acting_inbox
from admin_api.call.paging import Page, page_answer, position_of
from admin_api.call.references import OtherInbox, OwnContact, other_inbox, own_contact
from admin_api.contacts.contacts import Notes
from admin_api.contacts.records import share_record
from admin_api.http.payload import EmailAddress, Name, Payload
from admin_api.http.responses import answer, no_content
from admin_api.http.strict_json import JsonValue
from storage.contacts.contacts import Contact
from storage.database import Tx
from storage.errors import FieldFault
from storage.ids import to_text
from storage.sharing import offers, resolutions, shares
from storage.sharing.shares import Direction, Share, Status

_ONLY_OF = {
    "offer": ("contact_id", "include_notes"),
    "request": ("contact_address", "note", "labels"),
}
_NEEDED = {"offer": "contact_id", "request": "contact_address"}


class ShareIn(Payload):
    """An offer of a card, or a request for one."""

    type: Literal["offer", "request"]
    to_inbox_id: OtherInbox
    contact_id: OwnContact | None = None
    include_notes: bool = False
    contact_address: EmailAddress | None = None
    note: Notes | None = None
    labels: Annotated[list[Annotated[Name, Field(max_length=100)]], Field(max_length=100)] = Field(
        default_factory=list
    )

    @classmethod
    def between(cls, given: Mapping[str, JsonValue]) -> Iterable[FieldFault]:
        """Yield the fields that this type of share lacks, or must not have."""
        kind = given.get("type")
        if not isinstance(kind, str) or kind not in _NEEDED:
            return
        needed = _NEEDED[kind]
        if given.get(needed) is None:
            yield FieldFault(needed, "is required")
        (other,) = _ONLY_OF.keys() - {kind}
        for name in _ONLY_OF[other]:
            if name in given:
                yield FieldFault(name, f"belongs to the type {other}")


class Listing(Page):
    """The shares to list; without any condition the pending incoming ones."""

    direction: Direction = "incoming"
    status: Status = "pending"


async def list_shares(call: Call) -> Response:
    """GET /v1/contacts/shares/: oldest first."""
    wanted = call.parameters(Listing)
    after = position_of(wanted.cursor)

    async def work(tx: Tx) -> list[Share]:
        return await shares.list_shares(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=await acting_inbox(tx, call),
            direction=wanted.direction,
            status=wanted.status,
            after=after,
            limit=wanted.length + 1,
            now=call.now,
        )

    found = await call.database.read(work)
    return page_answer(call, wanted, found, share_record, lambda share: share.share_id)


async def create_share(call: Call) -> Response:
    """POST /v1/contacts/shares/: 200 with the pending share when there is one already."""
    payload = call.payload(ShareIn)

    async def work(tx: Tx) -> tuple[Share, bool]:
        share, is_new = await _share(tx, call, payload)
        if is_new:
            verb = "share.offered" if share.type == "offer" else "share.requested"
            await _note(tx, call, verb, share)
        return share, is_new

    share, is_new = await call.database.write(work)
    return answer(share_record(share), 201 if is_new else 200)


async def _share(tx: Tx, call: Call, payload: ShareIn) -> tuple[Share, bool]:
    """Make the share; whether it is new."""
    inbox_id = await acting_inbox(tx, call)
    contact, to_inbox_id = await _named(tx, call, payload)
    if contact is not None:
        return await offers.offer_contact(
            tx,
            tenant_id=call.tenant_id,
            contact=contact,
            to_inbox_id=to_inbox_id,
            include_notes=payload.include_notes,
            now=call.now,
        )
    return await offers.request_contact(
        tx,
        tenant_id=call.tenant_id,
        from_inbox_id=inbox_id,
        to_inbox_id=to_inbox_id,
        address=payload.contact_address or "",
        note=payload.note or None,
        labels=payload.labels,
        now=call.now,
    )


async def _note(tx: Tx, call: Call, action: str, share: Share) -> None:
    parties = {
        "from_inbox_id": to_text("inb", share.from_inbox_id),
        "to_inbox_id": to_text("inb", share.to_inbox_id),
    }
    await note(tx, call, action, share.share_id, name=share.address or "", **parties)


async def _named(tx: Tx, call: Call, payload: ShareIn) -> tuple[Contact | None, bytes]:
    """Return the card of an offer, and the other inbox. Raises Invalid."""
    receiver = await other_inbox(tx, call, "to_inbox_id", payload.to_inbox_id)
    if payload.contact_id is None:
        return None, receiver.inbox_id
    return await own_contact(tx, call, "contact_id", payload.contact_id), receiver.inbox_id


async def accept_share(call: Call) -> Response:
    """POST /v1/contacts/shares/{share_id}/accept/."""
    accept = partial(
        resolutions.accept_share, most_contacts=call.service.settings.max_contacts_per_inbox
    )
    return await _resolve(call, accept, "share.accepted")


async def decline_share(call: Call) -> Response:
    """POST /v1/contacts/shares/{share_id}/decline/."""
    return await _resolve(call, resolutions.decline_share, "share.declined")


async def _resolve(call: Call, resolve: Callable[..., Awaitable[Share]], action: str) -> Response:
    async def work(tx: Tx) -> Share:
        share = await locate_incoming(tx, call)
        resolved = await resolve(tx, tenant_id=call.tenant_id, share=share, now=call.now)
        await _note(tx, call, action, resolved)
        return resolved

    return answer(share_record(await call.database.write(work)))


async def show_received(call: Call) -> Response:
    """A share that came to the acting inbox, as it is now."""
    return answer(share_record(await call.database.read(lambda tx: locate_incoming(tx, call))))


async def show_sent(call: Call) -> Response:
    """A share that the acting inbox made, as it is now."""
    return answer(share_record(await call.database.read(lambda tx: locate_outgoing(tx, call))))


async def withdraw_share(call: Call) -> Response:
    """DELETE /v1/contacts/shares/{share_id}/: by its sender, while it is pending."""

    async def work(tx: Tx) -> None:
        share = await locate_outgoing(tx, call)
        await resolutions.withdraw_share(tx, tenant_id=call.tenant_id, share=share, now=call.now)
        await _note(tx, call, "share.withdrawn", share)

    await call.database.write(work)
    return no_content()


async def locate_incoming(tx: Tx, call: Call) -> Share:
    """Return the share in the path, for its receiver. Raises NotFound, for its sender too."""
    return await _locate(tx, call, "incoming")


async def locate_outgoing(tx: Tx, call: Call) -> Share:
    """Return the share in the path, for its sender. Raises NotFound, for its receiver too."""
    return await _locate(tx, call, "outgoing")


async def _locate(tx: Tx, call: Call, direction: Direction) -> Share:
    return await shares.find_share(
        tx,
        tenant_id=call.tenant_id,
        inbox_id=await acting_inbox(tx, call),
        share_id=call.path_id("shr", "share_id"),
        direction=direction,
        now=call.now,
    )

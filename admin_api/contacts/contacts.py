"""Contacts: the cards in the acting inbox's book."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from starlette.responses import Response

from admin_api.call.audit_trail import note
from admin_api.call.call import Call, acting_inbox
from admin_api.call.references import OtherInbox, OwnContact, other_inbox, own_contact
from admin_api.contacts.records import contact_record
from admin_api.contacts.shapes import ContactRecord
from admin_api.http.payload import (
    EmailAddress,
    Limit,
    Name,
    OneLine,
    Parameters,
    Payload,
    whole_number,
)
from admin_api.http.responses import answer, no_content
from admin_api.http.shapes import fields_of
from admin_api.http.strict_json import JsonValue
from storage.address import canonical_or_none
from storage.contacts import contacts, merges
from storage.contacts.cards import MAX_NOTES, Anniversary, Card, Email, Phone
from storage.contacts.contacts import Contact, ContactPage
from storage.database import Tx
from storage.errors import FieldFault, Invalid
from storage.ids import to_text
from storage.sharing import resolutions
from storage.sharing.card_handoff import hand_over

_DATE = re.compile(r"(\d{4}|-)-(\d\d)-(\d\d)", re.ASCII)
# For dates without a year: --02-29 is one.
_LEAP_YEAR = 2000


def _day(text: str) -> str:
    found = _DATE.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        date(_LEAP_YEAR if found[1] == "-" else int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        raise ValueError("must be a date, as 2001-02-28 or without a year --02-28") from None
    return text


Label = Annotated[OneLine, Field(max_length=100)]
Notes = Annotated[str, Field(max_length=10_000)]
CardNotes = Annotated[str, Field(max_length=MAX_NOTES)]
Position = Annotated[int, BeforeValidator(whole_number), Field(ge=0, le=10_000_000)]


_CALLED_BY = ("full_name", "emails", "phones", "organization")
_NAMELESS = FieldFault("full_name", "is required without address, number and organization")


def _repeated(emails: JsonValue) -> Iterator[FieldFault]:
    """Return the addresses that are on a card twice, whatever else is wrong with it."""
    seen = set()
    for place, one in enumerate(emails if isinstance(emails, list) else []):
        address = one.get("address") if isinstance(one, dict) else None
        canonical = canonical_or_none(address) if isinstance(address, str) else None
        if canonical in seen:
            yield FieldFault(f"emails[{place}].address", "occurs twice")
        # What is no address equals no other one: it has a fault already, and is no repetition.
        seen.add(canonical or object())


class EmailIn(Payload):
    """An address of a card."""

    label: Label = ""
    address: EmailAddress


class PhoneIn(Payload):
    """A telephone number of a card."""

    label: Label = ""
    number: Name


class AnniversaryIn(Payload):
    """An anniversary on a card, with a year or without."""

    type: Annotated[Name, Field(max_length=100)]
    date: Annotated[str, AfterValidator(_day)]


class ContactIn(Payload):
    """A card to make; it needs a name, an address, a number or an organisation."""

    full_name: OneLine = ""
    emails: Annotated[list[EmailIn], Field(max_length=100)] = Field(default_factory=list)
    phones: Annotated[list[PhoneIn], Field(max_length=100)] = Field(default_factory=list)
    organization: OneLine = ""
    notes: CardNotes = ""
    labels: Annotated[list[Annotated[Name, Field(max_length=100)]], Field(max_length=100)] = Field(
        default_factory=list
    )
    anniversaries: Annotated[list[AnniversaryIn], Field(max_length=100)] = Field(
        default_factory=list
    )

    @classmethod
    def between(cls, given: Mapping[str, JsonValue]) -> Iterable[FieldFault]:
        yield from _repeated(given.get("emails"))
        if not any(given.get(field) for field in _CALLED_BY):
            yield _NAMELESS


class ContactChange(ContactIn):
    """The changeable fields of a card; a field left out stays, an array is replaced whole."""

    fixed = fields_of(ContactRecord)

    @classmethod
    def between(cls, given: Mapping[str, JsonValue]) -> Iterable[FieldFault]:
        yield from _repeated(given.get("emails"))


class Listing(Parameters):
    """The cards to list; each word of `q` must be on the card."""

    q: Annotated[str, Field(max_length=500)] = ""
    position: Position = 0
    limit: Limit = 50


class MergeIn(Payload):
    """The card to merge into the one of the path."""

    contact_id: OwnContact


class ContactHandoffIn(Payload):
    """The receiver of the card, and a text for them."""

    to_inbox_id: OtherInbox
    note: Notes | None = None


async def list_contacts(call: Call) -> Response:
    """GET /v1/contacts/: by name."""
    wanted = call.parameters(Listing)

    async def work(tx: Tx) -> ContactPage:
        return await contacts.search_contacts(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=await acting_inbox(tx, call),
            text=wanted.q,
            position=wanted.position,
            limit=wanted.limit,
        )

    page = await call.database.read(work)
    return answer(
        {
            "results": [contact_record(one) for one in page.contacts],
            "total": page.total,
            "position": wanted.position,
            "limit": wanted.limit,
        }
    )


async def create_contact(call: Call) -> Response:
    """POST /v1/contacts/."""
    card = _changed(Card(), call.payload(ContactIn))

    async def work(tx: Tx) -> Contact:
        return await contacts.create_contact(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=await acting_inbox(tx, call),
            card=card,
            most_contacts=call.service.settings.max_contacts_per_inbox,
            now=call.now,
        )

    return answer(contact_record(await call.database.write(work)), 201)


async def show_contact(call: Call) -> Response:
    """GET /v1/contacts/{contact_id}/."""
    return answer(contact_record(await call.database.read(lambda tx: locate(tx, call))))


async def change_contact(call: Call) -> Response:
    """PATCH /v1/contacts/{contact_id}/."""
    payload = call.payload(ContactChange)

    async def work(tx: Tx) -> Contact:
        contact = await locate(tx, call)
        card = _changed(contact.card, payload)
        # After the fields: 400 comes before 409.
        contacts.require_own(contact)
        return await contacts.replace_card(
            tx, tenant_id=call.tenant_id, contact=contact, card=card, now=call.now
        )

    return answer(contact_record(await call.database.write(work)))


async def delete_contact(call: Call) -> Response:
    """DELETE /v1/contacts/{contact_id}/: its pending offers are withdrawn."""

    async def work(tx: Tx) -> None:
        contact = await locate(tx, call)
        await resolutions.withdraw_offers_of(
            tx, tenant_id=call.tenant_id, contact=contact, now=call.now
        )
        await contacts.remove_contact(tx, tenant_id=call.tenant_id, contact=contact)

    await call.database.write(work)
    return no_content()


async def merge_contacts(call: Call) -> Response:
    """POST /v1/contacts/{contact_id}/merge/: answers with the merged card."""
    payload = call.payload(MergeIn)

    async def work(tx: Tx) -> Contact:
        kept = await locate(tx, call)
        other = await own_contact(tx, call, "contact_id", payload.contact_id)
        if other.contact_id == kept.contact_id:
            raise Invalid(FieldFault("contact_id", "is the card itself"))
        return await merges.merge_contacts(
            tx, tenant_id=call.tenant_id, kept=kept, other=other, now=call.now
        )

    return answer(contact_record(await call.database.write(work)))


async def unmerge_contact(call: Call) -> Response:
    """POST /v1/contacts/{contact_id}/unmerge/: the card, without the fields of the other one."""

    async def work(tx: Tx) -> Contact:
        contact = await locate(tx, call)
        return await merges.unmerge_contact(
            tx,
            tenant_id=call.tenant_id,
            contact=contact,
            most_contacts=call.service.settings.max_contacts_per_inbox,
            now=call.now,
        )

    return answer(contact_record(await call.database.write(work)))


async def hand_contact_over(call: Call) -> Response:
    """POST /v1/contacts/{contact_id}/handoff/: answers with the giver's read-only copy."""
    payload = call.payload(ContactHandoffIn)

    async def work(tx: Tx) -> Contact:
        contact = await locate(tx, call)
        receiver = await other_inbox(tx, call, "to_inbox_id", payload.to_inbox_id)
        kept = await hand_over(
            tx,
            tenant_id=call.tenant_id,
            contact=contact,
            to_inbox_id=receiver.inbox_id,
            note=payload.note or None,
            most_contacts=call.service.settings.max_contacts_per_inbox,
            now=call.now,
        )
        name, to = contact.card.full_name, to_text("inb", receiver.inbox_id)
        key = contact.contact_id
        await note(tx, call, "contact.handed_over", key, name=name, to_inbox_id=to)
        return kept

    return answer(contact_record(await call.database.write(work)))


async def locate(tx: Tx, call: Call) -> Contact:
    """Return the acting inbox's card in the path. Raises NotFound."""
    return await contacts.find_contact(
        tx,
        tenant_id=call.tenant_id,
        inbox_id=await acting_inbox(tx, call),
        contact_id=call.path_id("ctc", "contact_id"),
    )


def _changed(card: Card, payload: ContactIn) -> Card:
    """Return the card with the given fields changed. Raises Invalid."""
    given = payload.model_fields_set
    if "full_name" in given and payload.full_name != card.full_name:
        # The parts of the former name are those of another one now.
        lines = tuple(line for line in card.lines if not line.upper().startswith(("N:", "N;")))
        card = replace(card, full_name=payload.full_name, lines=lines)
    if "emails" in given:
        emails = (Email(one.label, one.address) for one in payload.emails)
        card = replace(card, emails=tuple(emails))
    if "phones" in given:
        phones = (Phone(one.label, one.number) for one in payload.phones)
        card = replace(card, phones=tuple(phones))
    if "organization" in given:
        card = replace(card, organization=payload.organization)
    if "notes" in given:
        card = replace(card, notes=payload.notes)
    if "labels" in given:
        card = replace(card, labels=tuple(dict.fromkeys(payload.labels)))
    if "anniversaries" in given:
        days = (Anniversary(one.type, one.date) for one in payload.anniversaries)
        card = replace(card, anniversaries=tuple(dict.fromkeys(days)))
    if not (card.full_name.strip() or card.emails or card.phones or card.organization.strip()):
        raise Invalid(_NAMELESS)
    return card

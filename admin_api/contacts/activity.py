"""The activity of one contact, as the acting inbox sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.responses import Response

from admin_api.call.call import Call, acting_inbox, acting_view
from admin_api.call.paging import Cursor, cursor_of, position_of
from admin_api.call.references import OwnContact, own_contact
from admin_api.contacts.records import activity_record
from admin_api.http.payload import EmailAddress, Instant, Limit, Parameters
from admin_api.http.records import Record
from admin_api.http.responses import answer
from admin_api.http.strict_json import JsonValue
from storage.address import canonical_or_none
from storage.clock import parse_rfc3339
from storage.contacts.contacts import contact_ids
from storage.database import Tx
from storage.errors import FieldFault
from storage.sharing import contact_activity
from storage.sharing.contact_activity import Activity, Contacted


class Listing(Parameters):
    """The contact, and the page of its activity."""

    contact_id: OwnContact | None = None
    address: EmailAddress | None = None
    since: Instant | None = None
    limit: Limit = 50
    cursor: Cursor | None = None

    @classmethod
    def between(cls, given: Mapping[str, JsonValue]) -> Iterable[FieldFault]:
        if "contact_id" not in given and "address" not in given:
            yield FieldFault("contact_id", "is required, or address")


async def list_activity(call: Call) -> Response:
    """GET /v1/activity/: newest first."""
    wanted = call.parameters(Listing)
    before = position_of(wanted.cursor)
    since = 0 if wanted.since is None else parse_rfc3339(wanted.since)

    async def work(tx: Tx) -> tuple[list[Record], bytes | None]:
        contacted = await _contacted(tx, call, wanted)
        found = await contact_activity.list_activity(
            tx,
            view=await acting_view(tx, call),
            contacted=contacted,
            since=since,
            before=before,
            limit=wanted.limit + 1,
        )
        shown = found[: wanted.limit]
        more = shown[-1].activity_id if len(found) > len(shown) else None
        return await _records(tx, call, contacted, shown), more

    records, more = await call.database.read(work)
    return answer({"results": records, "cursor": None if more is None else cursor_of(more)})


async def _contacted(tx: Tx, call: Call, wanted: Listing) -> Contacted:
    """Return the contact's card or addresses. Raises Invalid when the card is not this inbox's."""
    canonicals: list[str] = []
    contact_id = None
    if wanted.contact_id is not None:
        contact = await own_contact(tx, call, "contact_id", wanted.contact_id)
        contact_id = contact.contact_id
        canonicals += contact.card.canonicals
    if wanted.address is not None:
        canonicals.append(canonical_or_none(wanted.address) or wanted.address)
    return Contacted(contact_id, tuple(dict.fromkeys(canonicals)))


async def _records(tx: Tx, call: Call, contacted: Contacted, shown: list[Activity]) -> list[Record]:
    inbox_id = await acting_inbox(tx, call)
    cards = await contact_ids(tx, inbox_id=inbox_id, canonicals=contacted.canonicals)
    return [
        activity_record(
            entry,
            inbox_id=inbox_id,
            contact_id=cards.get(entry.contact_address or "", contacted.contact_id),
        )
        for entry in shown
    ]

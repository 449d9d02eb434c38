"""Relationships of the acting inbox, teammates who know an address, and the team's graph."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Collection
from typing import Annotated

from pydantic import BeforeValidator, Field
from starlette.responses import Response

from admin_api.call.call import Call, acting_inbox
from admin_api.call.paging import cursor_of
from admin_api.contacts.records import graph_record, relationship_record
from admin_api.http.payload import Limit, Parameters, checked
from admin_api.http.records import Record
from admin_api.http.responses import answer
from storage.address import canonical_or_none
from storage.contacts import relationship_graph, relationships
from storage.contacts.contacts import Contact, contacts_with
from storage.contacts.relationships import Place, Relationship
from storage.database import Tx
from storage.errors import FieldFault, Invalid, NotFound


def _share(value: object) -> object:
    """Read a parameter as a number: plain digits with one point."""
    if isinstance(value, str) and len(value) < 20 and value.replace(".", "", 1).isdecimal():
        return float(value) if value.isascii() else value
    return value


def _place(cursor: str | None) -> Place | None:
    """Raises Invalid on `cursor`."""
    if cursor is None:
        return None
    try:
        position = base64.b64decode(
            cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        )
        (score,) = struct.unpack(">d", position[:8])
        canonical = position[8:].decode()
        # PostgreSQL refuses U+0000, and NaN is NULL for SQLite: neither can be compared.
        if "\x00" in canonical or not math.isfinite(score):
            raise ValueError
        return Place(score, canonical)
    except (ValueError, struct.error):
        raise Invalid(FieldFault("cursor", "is not a cursor of this list")) from None


class Listing(Parameters):
    """The page of the list to show."""

    limit: Limit = 50
    cursor: Annotated[str, checked(_place)] | None = None


class Picture(Parameters):
    """The part of the graph to show."""

    min_strength: Annotated[float, BeforeValidator(_share), Field(ge=0, le=1)] = 0.0
    limit: Limit = 200


async def list_relationships(call: Call) -> Response:
    """GET /v1/relationships/: the strongest first."""
    wanted = call.parameters(Listing)
    after = _place(wanted.cursor)

    async def work(tx: Tx) -> tuple[list[Record], Place | None]:
        found = await relationships.list_relationships(
            tx,
            tenant_id=call.tenant_id,
            inbox_id=await acting_inbox(tx, call),
            after=after,
            limit=wanted.limit + 1,
        )
        shown = found[: wanted.limit]
        more = Place(shown[-1].score, shown[-1].canonical) if len(found) > len(shown) else None
        return await _records(tx, call, shown), more

    records, more = await call.database.read(work)
    return answer({"results": records, "cursor": None if more is None else _cursor(more)})


async def show_relationship(call: Call) -> Response:
    """GET /v1/relationships/{address}/: also when only teammates know it."""

    async def work(tx: Tx) -> Record:
        (record,) = await _records(tx, call, [await locate(tx, call)])
        return record

    return answer(await call.database.read(work))


async def show_graph(call: Call) -> Response:
    """GET /v1/relationships/graph/: the strongest edges, and the nodes they join."""
    wanted = call.parameters(Picture)

    async def work(tx: Tx) -> Record:
        inbox_id = await acting_inbox(tx, call)
        edges = await relationship_graph.strongest_edges(
            tx,
            tenant_id=call.tenant_id,
            least=wanted.min_strength,
            limit=wanted.limit,
            now=call.now,
        )
        cards = await _cards(tx, call, inbox_id, {edge.canonical for edge in edges})
        return graph_record(edges, cards, now=call.now)

    return answer(await call.database.read(work))


async def locate(tx: Tx, call: Call) -> Relationship:
    """Return the relationship with the address in the path; None when only teammates have one.

    Raises NotFound when no inbox has one that it shares.
    """
    inbox_id = await acting_inbox(tx, call)
    written = call.arguments["address"]
    canonical = canonical_or_none(written)
    if canonical is None:
        raise NotFound("no address")
    try:
        return await relationships.find_relationship(
            tx, tenant_id=call.tenant_id, inbox_id=inbox_id, canonical=canonical
        )
    except NotFound:
        known = await relationships.known_by(
            tx, tenant_id=call.tenant_id, inbox_id=inbox_id, canonicals=[canonical]
        )
        if not known:
            raise
    return relationships.nothing_yet(inbox_id, canonical)


async def _records(tx: Tx, call: Call, found: list[Relationship]) -> list[Record]:
    inbox_id = await acting_inbox(tx, call)
    canonicals = [one.canonical for one in found]
    known = await relationships.known_by(
        tx, tenant_id=call.tenant_id, inbox_id=inbox_id, canonicals=canonicals
    )
    cards = await _cards(tx, call, inbox_id, canonicals)
    return [
        relationship_record(
            one, known.get(one.canonical, []), cards.get(one.canonical), now=call.now
        )
        for one in found
    ]


async def _cards(
    tx: Tx, call: Call, inbox_id: bytes, canonicals: Collection[str]
) -> dict[str, Contact]:
    """For each of the addresses that is on a card of the acting inbox: that card."""
    found = await contacts_with(
        tx, tenant_id=call.tenant_id, inbox_id=inbox_id, canonicals=canonicals
    )
    return {canonical: contact for contact in found for canonical in contact.card.canonicals}


def _cursor(place: Place) -> str:
    return cursor_of(struct.pack(">d", place.score) + place.canonical.encode())

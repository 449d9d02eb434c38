"""Records of the contact graph: cards, shares, relationships, activity, the graph itself.

The strength of a relationship is as of the moment of the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from admin_api.http.records import Record, id_or_none, time_or_none
from storage.clock import rfc3339
from storage.contacts.contacts import Contact, Source
from storage.contacts.relationship_graph import Edge
from storage.contacts.relationships import Acquaintance, Relationship, strength
from storage.ids import to_text
from storage.sharing.contact_activity import Activity
from storage.sharing.shares import Share


def contact_record(contact: Contact) -> Record:
    """A card. `source` names the origin of its last part, and `fields` that of each part."""
    card = contact.card
    return {
        "id": to_text("ctc", contact.contact_id),
        "full_name": card.full_name,
        "emails": [{"label": one.label, "address": one.address} for one in card.emails],
        "phones": [{"label": one.label, "number": one.number} for one in card.phones],
        "organization": card.organization,
        "notes": card.notes,
        "labels": [*card.labels],
        "anniversaries": [{"type": one.type, "date": one.date} for one in card.anniversaries],
        "source": contact.source
        and {
            **_source(contact.source),
            "fields": {part: _source(one) for part, one in contact.sources.items()},
        },
        "read_only": contact.read_only,
        "created_at": rfc3339(contact.created_at),
        "updated_at": rfc3339(contact.updated_at),
    }


def _source(source: Source) -> Record:
    return {
        "inbox_id": to_text("inb", source.inbox_id),
        "shared_at": rfc3339(source.shared_at),
    }


def share_record(share: Share) -> Record:
    """An offer or a request."""
    return {
        "share_id": to_text("shr", share.share_id),
        "type": share.type,
        "status": share.status,
        "from_inbox_id": to_text("inb", share.from_inbox_id),
        "to_inbox_id": to_text("inb", share.to_inbox_id),
        "contact_id": id_or_none("ctc", share.contact_id),
        "contact_address": share.address,
        "parameters": {"note": share.note, "labels": [*share.labels]},
        "created_at": rfc3339(share.created_at),
        "resolved_at": time_or_none(share.resolved_at),
    }


def relationship_record(
    found: Relationship,
    known_by: Sequence[Acquaintance],
    contact: Contact | None,
    *,
    now: int,
) -> Record:
    """The relationship of an inbox with an address. `authenticated` is null until it is checked."""
    return {
        "address": found.address,
        "contact_id": id_or_none("ctc", contact.contact_id if contact else None),
        "name": (contact.card.full_name if contact else "") or found.name,
        "first_seen": time_or_none(found.first_seen),
        "last_seen": time_or_none(found.last_seen),
        "message_count": found.message_count,
        "strength": strength(found.score, now=now),
        "authenticated": found.authenticated,
        "source": found.source and _source(found.source),
        "known_by": [acquaintance_record(one, now=now) for one in known_by],
    }


def acquaintance_record(known: Acquaintance, *, now: int) -> Record:
    """A teammate who knows an address, with the strength."""
    return {
        "inbox_id": to_text("inb", known.inbox_id),
        "address": known.address,
        "strength": strength(known.score, now=now),
    }


def graph_record(edges: Sequence[Edge], cards: Mapping[str, Contact], *, now: int) -> Record:
    """Nodes in the order in which an edge first names them. An address is its own id."""
    nodes: dict[str, Record] = {}
    # By the acting inbox's card, else as messages name the sender, else by the address.
    names = {edge.canonical: edge.name for edge in reversed(edges) if edge.name}
    names |= {one: card.card.full_name for one, card in cards.items() if card.card.full_name}
    for edge in edges:
        inbox = to_text("inb", edge.inbox_id)
        nodes.setdefault(
            inbox,
            {
                "id": inbox,
                "type": "inbox",
                "address": edge.inbox_address,
                "name": edge.inbox_name or edge.inbox_address,
            },
        )
        nodes.setdefault(
            edge.canonical,
            {
                "id": edge.canonical,
                "type": "address",
                "address": edge.address,
                "name": names.get(edge.canonical, edge.address),
            },
        )
    return {"nodes": [*nodes.values()], "edges": [_edge(edge, now) for edge in edges]}


def _edge(edge: Edge, now: int) -> Record:
    return {
        "source": to_text("inb", edge.inbox_id),
        "target": edge.canonical,
        "strength": strength(edge.score, now=now),
        "message_count": edge.message_count,
        "last_seen": rfc3339(edge.last_seen),
    }


def activity_record(entry: Activity, *, inbox_id: bytes, contact_id: bytes | None) -> Record:
    """One activity entry of a contact, as one inbox sees it."""
    came = entry.source_inbox_id and Source(entry.source_inbox_id, entry.occurred_at)
    return {
        "id": to_text("evt", entry.activity_id),
        "inbox_id": to_text("inb", inbox_id),
        "contact_address": entry.contact_address,
        "contact_id": id_or_none("ctc", contact_id),
        "type": entry.type,
        "resource_id": entry.resource and to_text(*entry.resource),
        "participants": [*entry.participants],
        "summary": entry.summary,
        "occurred_at": rfc3339(entry.occurred_at),
        "metadata": {
            "thread_id": id_or_none("thr", entry.thread_id),
            "by_inbox_id": id_or_none("inb", entry.by_inbox_id),
            "to_inbox_id": id_or_none("inb", entry.to_inbox_id),
            "source": _source(came) if came else None,
        },
    }

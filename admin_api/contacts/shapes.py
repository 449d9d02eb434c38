"""Response shapes of cards, shares, relationships and activity."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from admin_api.http.shapes import (
    NOTHING,
    Answer,
    ContactId,
    Count,
    Cursor,
    Described,
    InboxId,
    ShareId,
    ThreadId,
    Time,
)

Outside = Annotated[str, Field(examples=["grace@sender.example"])]
Label = Annotated[str, Field(examples=["work"])]
Name = Annotated[str, Field(examples=["Grace Hopper"])]
_FROM = {
    "inbox_id": "inb_01kas3v9t2q5nq8x7d4m6c0wfe",
    "shared_at": "2026-11-21T09:30:00.000Z",
}
Strength = Annotated[float, Field(ge=0, le=1, examples=[0.5])]


class ContactEmail(Answer):
    """An address of a card."""

    label: Label
    address: Outside


class ContactPhone(Answer):
    """A telephone number of a card."""

    label: Label
    number: Annotated[str, Field(examples=["+1 555 0100"])]


class ContactDay(Answer):
    """An anniversary on a card; `--12-09` without a year."""

    type: Annotated[str, Field(examples=["birthday"])]
    date: Annotated[str, Field(examples=["1906-12-09"])]


class SharedFrom(Answer):
    """The inbox from which a part came, and when."""

    inbox_id: InboxId
    shared_at: Time


class ContactSource(SharedFrom):
    """The origin of the last part of a card, and of each part."""

    fields: Annotated[dict[str, SharedFrom], Field(examples=[{"emails": _FROM}])]


class ContactRecord(Answer):
    """A card."""

    id: ContactId
    full_name: Name
    emails: list[ContactEmail]
    phones: list[ContactPhone]
    organization: Annotated[str, Field(examples=["US Navy"])]
    notes: Annotated[str, Field(examples=["Prefers to be called."])]
    labels: list[Annotated[str, Field(examples=["vip"])]]
    anniversaries: list[ContactDay]
    source: ContactSource | None
    read_only: bool
    created_at: Time
    updated_at: Time


class ContactPage(Answer):
    """Cards from a position on, and how many there are in all."""

    results: list[ContactRecord]
    total: Count
    position: Annotated[int, Field(ge=0, examples=[0])]
    limit: Annotated[int, Field(ge=1, examples=[50])]


class ImportedCard(Answer):
    """The result for one card of a file."""

    position: Annotated[int, Field(ge=0, examples=[0])]
    status: Annotated[
        Literal["created", "merged", "unchanged", "skipped", "failed"], Field(examples=["created"])
    ]
    id: ContactId | None
    message: Annotated[str | None, Field(examples=[None])]


class ImportReport(Answer):
    """The result of an import: `results` of the first thousand cards, and of the first thousand
    faults behind them; the counts of all.
    """

    created: Count
    merged: Count
    unchanged: Count
    skipped: Count
    failed: Count
    results: list[ImportedCard]


class ShareParameters(Answer):
    """The parameters of a request."""

    note: Annotated[str | None, Field(examples=["For the audit."])]
    labels: list[Annotated[str, Field(examples=["audit"])]]


class ShareRecord(Answer):
    """An offer of a card, or a request for one."""

    share_id: ShareId
    type: Annotated[Literal["offer", "request"], Field(examples=["offer"])]
    status: Annotated[
        Literal["pending", "accepted", "declined", "lapsed"], Field(examples=["pending"])
    ]
    from_inbox_id: InboxId
    to_inbox_id: InboxId
    contact_id: ContactId | None
    contact_address: Outside | None
    parameters: ShareParameters
    created_at: Time
    resolved_at: Time | None


class AcquaintanceRecord(Answer):
    """A teammate who knows an address."""

    inbox_id: InboxId
    address: Annotated[str, Field(examples=["alice@example.com"])]
    strength: Strength


class RelationshipRecord(Answer):
    """The relationship of an inbox with an address."""

    address: Outside
    contact_id: ContactId | None
    name: Name
    first_seen: Time | None
    last_seen: Time | None
    message_count: Count
    strength: Strength
    authenticated: bool | None
    source: SharedFrom | None
    known_by: list[AcquaintanceRecord]


class RelationshipPage(Answer):
    """Relationships, the strongest first."""

    results: list[RelationshipRecord]
    cursor: Cursor | None


class GraphNode(Answer):
    """An inbox of the team, or an address outside."""

    id: Annotated[str, Field(examples=["grace@sender.example"])]
    type: Annotated[Literal["inbox", "address"], Field(examples=["address"])]
    address: Outside
    name: Name


class GraphEdge(Answer):
    """A relationship between two nodes."""

    source: InboxId
    target: Outside
    strength: Strength
    message_count: Count
    last_seen: Time


class GraphRecord(Answer):
    """The strongest relationships of the team."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]


class ActivityDetails(Answer):
    """Further ids of an entry; null where they do not apply."""

    thread_id: ThreadId | None
    by_inbox_id: InboxId | None
    to_inbox_id: InboxId | None
    source: SharedFrom | None


class ActivityRecord(Answer):
    """One activity entry of a contact."""

    id: Annotated[str, Field(examples=["evt_01kas3v9t2q5nq8x7d4m6c0wfe"])]
    inbox_id: InboxId
    contact_address: Outside | None
    contact_id: ContactId | None
    type: Annotated[str, Field(examples=["message.received"])]
    resource_id: Annotated[str | None, Field(examples=["msg_01kas3v9t2q5nq8x7d4m6c0wfe"])]
    participants: list[Outside]
    summary: Annotated[str, Field(examples=["Renewal"])]
    occurred_at: Time
    metadata: ActivityDetails


class ActivityPage(Answer):
    """Activity, newest first."""

    results: list[ActivityRecord]
    cursor: Cursor | None


DESCRIBED: dict[str, Described] = {
    "GET /v1/contacts/": Described(ContactPage),
    "POST /v1/contacts/": Described(
        ContactRecord,
        (201,),
        body={
            "full_name": "Grace Hopper",
            "emails": [{"label": "work", "address": "grace@sender.example"}],
            "anniversaries": [{"type": "birthday", "date": "1906-12-09"}],
        },
        conflicts=("address_taken", "contact_limit"),
    ),
    "GET /v1/contacts/{contact_id}/": Described(ContactRecord),
    "PATCH /v1/contacts/{contact_id}/": Described(
        ContactRecord,
        body={"labels": ["vip"]},
        conflicts=("address_taken", "read_only"),
    ),
    "DELETE /v1/contacts/{contact_id}/": NOTHING,
    "POST /v1/contacts/{contact_id}/merge/": Described(
        ContactRecord,
        body={"contact_id": "ctc_01kas3v9t2q5nq8x7d4m6c0wfe"},
        conflicts=("read_only", "card_too_large"),
    ),
    "POST /v1/contacts/{contact_id}/unmerge/": Described(
        ContactRecord, conflicts=("not_merged", "read_only", "address_taken", "contact_limit")
    ),
    "POST /v1/contacts/{contact_id}/handoff/": Described(
        ContactRecord,
        body={"to_inbox_id": "alice@example.com", "note": "She is yours."},
        conflicts=("read_only", "card_too_large", "contact_limit"),
    ),
    "GET /v1/contacts/{contact_id}/vcard/": Described(media_type="text/vcard"),
    "GET /v1/contacts/export/": Described(media_type="text/vcard"),
    "POST /v1/contacts/import/": Described(
        ImportReport, takes="text/vcard", too_many=("import_running",)
    ),
    "GET /v1/contacts/shares/": Described(ShareRecord, many=True),
    "POST /v1/contacts/shares/": Described(
        ShareRecord,
        (201, 200),
        body={
            "type": "offer",
            "to_inbox_id": "alice@example.com",
            "contact_id": "ctc_01kas3v9t2q5nq8x7d4m6c0wfe",
        },
    ),
    "DELETE /v1/contacts/shares/{share_id}/": Described(
        status=(204,), conflicts=("share_resolved",)
    ),
    "POST /v1/contacts/shares/{share_id}/accept/": Described(
        ShareRecord,
        conflicts=("share_resolved", "contact_missing", "card_too_large", "contact_limit"),
    ),
    "POST /v1/contacts/shares/{share_id}/decline/": Described(
        ShareRecord, conflicts=("share_resolved",)
    ),
    "GET /v1/activity/": Described(ActivityPage),
    "GET /v1/relationships/": Described(RelationshipPage),
    "GET /v1/relationships/graph/": Described(GraphRecord),
    "GET /v1/relationships/{address}/": Described(RelationshipRecord),
}

"""Response shapes of domains, inboxes, lists and delivery reports."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from admin_api.http.shapes import (
    NOTHING,
    Address,
    Answer,
    Count,
    Described,
    DomainId,
    InboxId,
    InboxName,
    ListAddress,
    ListId,
    MemberId,
    MessageId,
    Rule,
    Time,
    UserId,
)


class DnsRecord(Answer):
    """A DNS record to publish."""

    type: Annotated[Literal["TXT", "MX"], Field(examples=["TXT"])]
    name: Annotated[str, Field(examples=["_postroom-verify.example.com"])]
    value: Annotated[str, Field(examples=["postroom-verify=7c2b"])]
    purpose: Annotated[Literal["ownership", "mail"], Field(examples=["ownership"])]


class CheckedRecord(Answer):
    """A DNS record, and the records found in its place."""

    type: Annotated[Literal["TXT", "MX"], Field(examples=["TXT"])]
    name: Annotated[str, Field(examples=["_postroom-verify.example.com"])]
    purpose: Annotated[Literal["ownership", "mail"], Field(examples=["ownership"])]
    expected: Annotated[str, Field(examples=["postroom-verify=7c2b"])]
    found: list[Annotated[str, Field(examples=["postroom-verify=7c2b"])]]
    status: Annotated[Literal["ok", "missing", "wrong"], Field(examples=["ok"])]


class AdviceRecord(Answer):
    """A DNS record that letters from a domain need, and what was found in its place."""

    type: Annotated[Literal["TXT"], Field(examples=["TXT"])]
    purpose: Annotated[Literal["spf", "dkim", "dmarc"], Field(examples=["spf"])]
    name: Annotated[str, Field(examples=["example.com"])]
    found: list[Annotated[str, Field(examples=["v=spf1 include:_spf.provider.example -all"])]]
    status: Annotated[Literal["ok", "missing", "wrong", "unknown"], Field(examples=["ok"])]
    advice: Annotated[str, Field(examples=["One TXT record that allows the servers."])]


class DomainCheck(Answer):
    """The present DNS records of a domain."""

    name: Annotated[str, Field(examples=["example.com"])]
    records: list[CheckedRecord]
    sending: list[AdviceRecord]


class DomainRecord(Answer):
    """A domain with the DNS records that it needs."""

    domain_id: DomainId
    name: Annotated[str, Field(examples=["example.com"])]
    status: Annotated[Literal["pending", "verified", "revoked"], Field(examples=["verified"])]
    verified_at: Time | None
    dns_records: list[DnsRecord]
    created_at: Time


class VerifiedDomain(DomainRecord):
    """A domain after a DNS query, with the records found."""

    records: list[CheckedRecord]


class Alias(Answer):
    """A list by which mail reaches an inbox."""

    address: ListAddress
    list_id: ListId


Signature = Annotated[str, Field(examples=["Example Support"])]


class InboxRecord(Answer):
    """An inbox; the settings only for itself, its owner and admins.

    `purge_at` only where deleted inboxes are listed: when its mail is deleted permanently.
    """

    inbox_id: InboxId
    address: Address
    display_name: Annotated[str, Field(examples=["Alice"])]
    owner_user_id: UserId | None
    aliases: list[Alias]
    created_at: Time
    default_timezone: Annotated[str, Field(examples=["Europe/Berlin"])] = "UTC"
    share_relationships: bool = True
    signature: Signature = ""
    webhook_url: Annotated[str | None, Field(examples=[None])] = None
    webhook_events: list[str] = Field(default_factory=list)
    purge_at: Time | None = None


class ChangedInbox(InboxRecord):
    """An inbox; with a new `webhook_url` also its secret, which is shown this once."""

    webhook_secret: Annotated[str, Field(examples=["whsec_MDEy…"])] = ""


class InboxSecret(Answer):
    """The new secret of an inbox's webhook, which is shown this once."""

    inbox_id: InboxId
    webhook_secret: Annotated[str | None, Field(examples=["whsec_MDEy…"])]


Bounded = Annotated[int, Field(ge=0, le=1000, examples=[3])]


class UnreadRecord(Answer):
    """How many copies of each folder are unread."""

    inbox: Bounded
    archive: Bounded
    junk: Bounded
    trash: Bounded
    sent: Bounded


class ListUnread(Answer):
    """How many of the newest unread copies came by a list."""

    list_id: ListId
    unread: Bounded


class CountsRecord(Answer):
    """The pending work of an inbox in numbers; 1,000 means more."""

    unread: UnreadRecord
    by_list: list[ListUnread]
    mine: Bounded
    unassigned: Bounded
    agenda: Bounded


class ListRecord(Answer):
    """A distribution list."""

    list_id: ListId
    address: ListAddress
    name: Annotated[str, Field(examples=["Team intake"])]
    created_by: UserId | None
    created_at: Time
    member_count: Count
    share_read_state: bool
    reply_as: Annotated[Literal["list", "member", "either"], Field(examples=["list"])]
    reply_name: Annotated[Literal["list", "member", "both"], Field(examples=["both"])]
    signature: Signature
    deferred_count: Count = 0
    last_deferred_at: Time | None = None


class MemberRecord(Answer):
    """An inbox's membership in a list."""

    member_id: MemberId
    inbox_id: InboxId
    inbox_address: Address
    added_at: Time


class Way(Answer):
    """A recipient of the envelope, and where it led."""

    recipient: Annotated[str, Field(examples=["Team+x@example.com"])]
    address: ListAddress
    list_id: ListId | None
    rule: Rule


class UnusedWay(Way):
    """A way by which no copy was made, and the reason."""

    reason: Annotated[Literal["repeated"], Field(examples=["repeated"])]


class Delivery(Answer):
    """The part of one inbox."""

    inbox_id: InboxId
    address: Address | None
    status: Annotated[Literal["delivered", "deleted"], Field(examples=["delivered"])]
    via: list[Way]


class Deliveries(Answer):
    """The delivery report of a message."""

    message_id: MessageId
    received_at: Time
    deliveries: list[Delivery]
    not_delivered: list[UnusedWay]


class Resolved(Answer):
    """Where mail for an address goes now."""

    verdict: Annotated[
        Literal["route", "unknown", "not_ours", "empty_list", "domain_revoked", "no_postmaster"],
        Field(examples=["route"]),
    ]
    reply: Annotated[str | None, Field(examples=["250 2.1.5 OK"])]
    rule: Rule | None
    address: ListAddress | None
    list_id: ListId | None
    copies: list[InboxName]


DESCRIBED: dict[str, Described] = {
    "GET /v1/domains/": Described(DomainRecord, many=True),
    "POST /v1/domains/": Described(
        DomainRecord,
        (201,),
        body={"domain": "mail.example.com"},
        conflicts=("domain_taken",),
    ),
    "GET /v1/domains/{name}/": Described(DomainRecord),
    "DELETE /v1/domains/{name}/": Described(status=(204,), conflicts=("domain_in_use",)),
    "GET /v1/domains/{name}/check/": Described(DomainCheck, dns=True),
    "POST /v1/domains/{name}/verify/": Described(
        VerifiedDomain, conflicts=("domain_taken",), dns=True
    ),
    "GET /v1/inboxes/": Described(InboxRecord, many=True, refusals=("admin_required",)),
    "POST /v1/inboxes/": Described(
        InboxRecord,
        (201,),
        body={"address": "carol@example.com", "display_name": "Carol"},
        faults=("domain_not_verified",),
        conflicts=("address_taken",),
    ),
    "GET /v1/inboxes/{inbox_id}/counts/": Described(CountsRecord),
    "GET /v1/inboxes/{inbox_id}/": Described(InboxRecord),
    "PATCH /v1/inboxes/{inbox_id}/": Described(
        ChangedInbox,
        body={"display_name": "Alice", "default_timezone": "Europe/Berlin"},
        refusals=("admin_required", "plan_required", "governance_required"),
    ),
    "DELETE /v1/inboxes/{inbox_id}/": NOTHING,
    "POST /v1/inboxes/{inbox_id}/webhook-secret/": Described(
        InboxSecret, conflicts=("no_webhook",), refusals=("admin_required",)
    ),
    "POST /v1/inboxes/{inbox_id}/restore/": Described(InboxRecord, conflicts=("not_deleted",)),
    "GET /v1/distribution-lists/": Described(ListRecord, many=True),
    "POST /v1/distribution-lists/": Described(
        ListRecord,
        (201,),
        body={"address": "support@example.com", "name": "Support Team"},
        faults=("domain_not_verified",),
        conflicts=("address_taken",),
    ),
    "GET /v1/distribution-lists/{list_id}/": Described(ListRecord),
    "PATCH /v1/distribution-lists/{list_id}/": Described(ListRecord, body={"name": "New name"}),
    "DELETE /v1/distribution-lists/{list_id}/": NOTHING,
    "GET /v1/distribution-lists/{list_id}/members/": Described(MemberRecord, many=True),
    "POST /v1/distribution-lists/{list_id}/members/": Described(
        MemberRecord, (201, 200), body={"inbox_id": "alice@example.com"}
    ),
    "DELETE /v1/distribution-lists/{list_id}/members/{inbox_id}/": NOTHING,
    "GET /v1/messages/{message_id}/deliveries/": Described(Deliveries),
    "GET /v1/resolve/": Described(Resolved, names=True),
}

"""Records of domains, inboxes, lists and deliveries, as the API shows them."""

from __future__ import annotations

from collections.abc import Iterable

from admin_api.dns.domain_check import Checked, records_of
from admin_api.dns.sending_advice import Advice
from admin_api.http.records import Record, id_or_none, time_or_none
from storage.alerts.alerts import Alert
from storage.clock import rfc3339
from storage.delivery.explain import Explanation, Part, Way
from storage.directory.domains import Domain
from storage.directory.inboxes import Alias, Inbox
from storage.directory.lists import DistributionList, Member
from storage.ids import to_text
from storage.teamwork.counts import Counts


def domain_record(domain: Domain, hostname: str) -> Record:
    """A domain with the DNS records that it needs; `hostname` is the target of its MX record."""
    return {
        "domain_id": to_text("dom", domain.domain_id),
        "name": domain.name,
        "status": domain.status,
        "verified_at": time_or_none(domain.verified_at),
        "dns_records": [
            {
                "type": record.type,
                "name": record.name,
                "value": record.value,
                "purpose": record.purpose,
            }
            for record in records_of(domain, hostname)
        ],
        "created_at": rfc3339(domain.created_at),
    }


def checked_record(checked: Checked) -> Record:
    """A DNS record, and the records found in its place."""
    return {
        "type": checked.record.type,
        "name": checked.record.name,
        "purpose": checked.record.purpose,
        "expected": checked.record.value,
        "found": checked.found,
        "status": checked.status,
    }


def advice_record(advice: Advice) -> Record:
    """A record that letters from a domain need, and what was found in its place."""
    return {
        "type": "TXT",
        "purpose": advice.purpose,
        "name": advice.name,
        "found": advice.found,
        "status": advice.status,
        "advice": advice.advice,
    }


def inbox_record(
    inbox: Inbox,
    aliases: Iterable[Alias],
    *,
    settings: bool,
    webhook: Alert | None = None,
    webhooks: bool = True,
) -> Record:
    """An inbox; with `settings` also the fields for itself, its owner and admins.

    `webhook` is the inbox's own; `webhooks`: the caller may see it.
    """
    record: Record = {
        "inbox_id": to_text("inb", inbox.inbox_id),
        "address": inbox.address,
        "display_name": inbox.display_name,
        "owner_user_id": id_or_none("usr", inbox.owner_user_id),
        "aliases": [
            {"address": alias.address, "list_id": to_text("lst", alias.list_id)}
            for alias in aliases
        ],
        "created_at": rfc3339(inbox.created_at),
    }
    if settings:
        record |= {
            "default_timezone": inbox.default_timezone,
            "share_relationships": inbox.share_relationships,
            "signature": inbox.signature,
        }
    if settings and webhooks:
        record |= {
            "webhook_url": None if webhook is None else webhook.target,
            "webhook_events": [] if webhook is None else webhook.events,
        }
    return record


def counts_record(counts: Counts) -> Record:
    """The pending work of an inbox in numbers; 1,000 means more."""
    return {
        "unread": counts.unread,
        "by_list": [
            {"list_id": to_text("lst", list_id), "unread": unread}
            for list_id, unread in counts.by_list.items()
        ],
        "mine": counts.mine,
        "unassigned": counts.unassigned,
        "agenda": counts.agenda,
    }


def list_record(item: DistributionList, *, for_admin: bool = True) -> Record:
    """A distribution list; for an admin also the mail deferred while it has no member."""
    waiting: Record = {}
    if for_admin and item.last_deferred_at is not None:
        waiting = {
            "deferred_count": item.deferred,
            "last_deferred_at": rfc3339(item.last_deferred_at),
        }
    return {
        "list_id": to_text("lst", item.list_id),
        "address": item.address,
        "name": item.name,
        "created_by": id_or_none("usr", item.created_by),
        "created_at": rfc3339(item.created_at),
        "member_count": item.member_count,
        "share_read_state": item.share_read_state,
        "reply_as": item.reply_as,
        "reply_name": item.reply_name,
        "signature": item.signature,
        **waiting,
    }


def member_record(member: Member) -> Record:
    """An inbox's membership in a list."""
    return {
        "member_id": to_text("mem", member.member_id),
        "inbox_id": to_text("inb", member.inbox_id),
        "inbox_address": member.inbox_address,
        "added_at": rfc3339(member.added_at),
    }


def explanation_record(found: Explanation, own: bytes | None) -> Record:
    """A delivery report: all of it, or one inbox's own part."""
    parts = [part for part in found.parts if own in (None, part.inbox_id)]
    repeated = found.repeated if own is None else ()
    return {
        "message_id": to_text("msg", found.message_id),
        "received_at": rfc3339(found.received_at),
        "deliveries": [_part(part) for part in parts],
        "not_delivered": [_way(way) | {"reason": "repeated"} for way in repeated],
    }


def _part(part: Part) -> Record:
    return {
        "inbox_id": to_text("inb", part.inbox_id),
        "address": part.address,
        "status": "deleted" if part.is_deleted else "delivered",
        "via": [_way(way) for way in part.ways],
    }


def _way(way: Way) -> Record:
    return {
        "recipient": way.recipient,
        "address": way.address,
        "list_id": id_or_none("lst", way.list_id),
        "rule": way.rule,
    }

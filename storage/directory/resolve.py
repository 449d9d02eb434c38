"""Recipient resolution: where mail for an address goes, at RCPT and again in the delivery.

- An address has one canonical form, made in `storage.address`, unique in the whole store: inboxes
  and lists share it.
- `resolve` tries the exact address, then the part before the first `+`. `postmaster` and `abuse` of
  a verified domain always lead to an inbox, or are deferred (RFC 5321 4.5.1).
- Before both comes `bounce+TOKEN` with the token of a letter: its reports go to those who hold it.
  An address without such a token costs no look-up for it.
- If the store cannot answer, that is an exception, never "unknown".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from storage.address import Address, canonical_domain, split_subaddress
from storage.database import Row, Tx
from storage.directory.address_tokens import bounce_token_of
from storage.sql import in_list, padded

MailboxName = tuple[str, str]
"""Local part and domain, as the peer wrote them."""

_ALWAYS_THERE = ("postmaster", "abuse")


class Verdict(Enum):
    """The verdict on a recipient; each has one SMTP reply."""

    ROUTE = "route"
    UNKNOWN = "unknown"
    NOT_OURS = "not_ours"
    EMPTY_LIST = "empty_list"
    DOMAIN_REVOKED = "domain_revoked"
    NO_POSTMASTER = "no_postmaster"


@dataclass(frozen=True, slots=True)
class Resolution:
    """The result of resolving a recipient. For ROUTE and EMPTY_LIST the ids and `address` are set.

    `address` is the stored spelling of the inbox or list; exactly one of the ids is set. `rule` is
    the rule that matched: `address`, `subaddress`, `postmaster` or `bounce`; for this one
    `letter_id` is the letter that is reported about.
    """

    verdict: Verdict
    tenant_id: bytes = b""
    address: str = ""
    inbox_id: bytes | None = None
    list_id: bytes | None = None
    rule: str = "address"
    letter_id: bytes | None = None


UNKNOWN = Resolution(Verdict.UNKNOWN)
NOT_OURS = Resolution(Verdict.NOT_OURS)
NO_POSTMASTER = Resolution(Verdict.NO_POSTMASTER)


async def resolve(tx: Tx, *, local_part: str, domain: str, postmaster: str = "") -> Resolution:
    """Resolve `local_part` at `domain` to the route that mail takes now.

    `domain` is as the peer wrote it, or empty for the bare `<postmaster>`. `postmaster` is the
    setting: the canonical address of the inbox that takes such mail when no owner does.
    """
    if not domain:
        return await _bare_postmaster(tx, postmaster)
    try:
        name = canonical_domain(domain)
    except ValueError:
        return NOT_OURS
    token = bounce_token_of(local_part)
    found = await _reported(tx, token, name) if token else None
    if found is not None:
        return found
    found = await _look_up(tx, Address(local_part, name))
    if found is not None:
        return found
    return await _unlisted(tx, local_part, name, postmaster)


async def domains_without_postmaster(tx: Tx, *, postmaster: str) -> list[str]:
    """Return the verified domains whose mail to `postmaster` would be deferred."""
    rows = await tx.fetch_all("SELECT name FROM domains WHERE status = 'verified' ORDER BY name")
    names = [str(row["name"]) for row in rows]
    found = []
    for name in names:
        route = await resolve(tx, local_part="postmaster", domain=name, postmaster=postmaster)
        if route.verdict is not Verdict.ROUTE:
            found.append(name)
    return found


_ROUTE = """
    SELECT a.tenant_id, a.inbox_id, a.list_id, a.canonical, d.status,
           COALESCE(l.address, i.address) AS address, i.deleted_at,
           EXISTS (SELECT 1 FROM list_members m WHERE m.list_id = a.list_id) AS has_members
    FROM addresses a
    JOIN domains d ON d.domain_id = a.domain_id
    LEFT JOIN lists l ON l.list_id = a.list_id
    LEFT JOIN inboxes i ON i.inbox_id = a.inbox_id
    WHERE a.canonical IN ({})
"""
_ROUTE_OF_ONE = _ROUTE.format(":exact")
_ROUTE_OF_EITHER = _ROUTE.format(":exact, :base")


async def _look_up(tx: Tx, address: Address) -> Resolution | None:
    exact, plain = _forms_of(address)
    if plain == exact:  # nearly all mail; SQLite looks one value up in half the time of two
        rows = await tx.fetch_all(_ROUTE_OF_ONE, {"exact": exact})
    else:
        rows = await tx.fetch_all(_ROUTE_OF_EITHER, {"exact": exact, "base": plain})
    return _chosen({row["canonical"]: row for row in rows}, exact, plain)


def _forms_of(address: Address) -> tuple[str, str]:
    """The canonical form, and that of the part before the `+`; the same where there is none."""
    exact = address.canonical
    base = split_subaddress(address.local_part)
    return exact, Address(base, address.domain).canonical if base else exact


def _chosen(rows: Mapping[str, Row], exact: str, plain: str) -> Resolution | None:
    # The exact address wins over the one before the `+`.
    for wanted in (exact, plain):
        row = rows.get(wanted)
        if row is not None and row["deleted_at"] is None:
            return _routed(row, "address" if wanted == exact else "subaddress")
    return None


def routes_query(names: Collection[MailboxName]) -> tuple[str, dict[str, object]] | None:
    """The query for the routes of many recipients; None when `resolve` has to be asked for each."""
    forms = sorted({form for both in _all_forms(names).values() for form in both})
    if not forms:
        return None
    chosen, values = in_list(padded(forms))
    return _ROUTE.format(chosen), values


def routes_in(rows: Sequence[Row], names: Collection[MailboxName]) -> dict[MailboxName, Resolution]:
    """Those of the recipients that the answer to `routes_query` leads to a route, or to a list."""
    by_form = {row["canonical"]: row for row in rows}
    found = {name: _chosen(by_form, *both) for name, both in _all_forms(names).items()}
    return {name: route for name, route in found.items() if route is not None}


def _all_forms(names: Collection[MailboxName]) -> dict[MailboxName, tuple[str, str]]:
    """The canonical forms, but of those that `resolve` may look for elsewhere first."""
    forms = {}
    for local_part, domain in names:
        with suppress(ValueError):
            if domain and not bounce_token_of(local_part):
                address = Address(local_part, canonical_domain(domain))
                forms[local_part, domain] = _forms_of(address)
    return forms


def _routed(row: Row, rule: str) -> Resolution:
    # Both are 450: an admin can mend them, and the sender keeps the mail until then.
    if row["status"] != "verified":
        verdict = Verdict.DOMAIN_REVOKED
    elif row["list_id"] is not None and not row["has_members"]:
        verdict = Verdict.EMPTY_LIST
    else:
        verdict = Verdict.ROUTE
    return Resolution(
        verdict, row["tenant_id"], row["address"], row["inbox_id"], row["list_id"], rule
    )


async def _reported(tx: Tx, token: str, domain: str) -> Resolution | None:
    """Find where reports about a letter go; None for a token that was not given out.

    To the members of its list, as the letter did. A report names a recipient, so that of a letter
    with a blind one goes to its author alone.
    """
    row = await tx.fetch_one(_REPORTED, {"token": token, "domain": domain})
    if row is None:
        return None
    if row["status"] != "verified":
        return Resolution(Verdict.DOMAIN_REVOKED)
    to_list = row["has_members"] and not row["has_blind"]
    if not to_list and row["inbox_address"] is None:
        return None
    return Resolution(
        Verdict.ROUTE,
        bytes(row["tenant_id"]),
        row["list_address"] if to_list else row["inbox_address"],
        None if to_list else bytes(row["inbox_id"]),
        bytes(row["list_id"]) if to_list else None,
        "bounce",
        bytes(row["message_id"]),
    )


_REPORTED = """
    SELECT o.message_id, o.tenant_id, o.inbox_id, o.list_id, d.status,
           i.address AS inbox_address, l.address AS list_address,
           EXISTS (SELECT 1 FROM list_members m WHERE m.list_id = o.list_id) AS has_members,
           EXISTS (SELECT 1 FROM letter_recipients b
                   WHERE b.message_id = o.message_id AND b.kind = 'bcc') AS has_blind
    FROM letters o
    JOIN domains d ON d.tenant_id = o.tenant_id AND d.name = o.domain
    LEFT JOIN inboxes i ON i.inbox_id = o.inbox_id AND i.deleted_at IS NULL
    LEFT JOIN lists l ON l.list_id = o.list_id
    WHERE o.bounce_token = :token AND o.domain = :domain
"""


async def _unlisted(tx: Tx, local_part: str, domain: str, postmaster: str) -> Resolution:
    """Choose the verdict on an address that belongs to no inbox and no list."""
    row = await tx.fetch_one(
        """
        SELECT tenant_id, status,
               status <> 'verified' AND EXISTS (
                   SELECT 1 FROM addresses a WHERE a.domain_id = domains.domain_id) AS waits
        FROM domains WHERE name = :name
        ORDER BY CASE status WHEN 'verified' THEN 0 ELSE 1 END, waits DESC LIMIT 1
        """,
        {"name": domain},
    )
    if row is None:
        return NOT_OURS
    # Revoked, not deleted: senders wait (450), so that an operator's mistake loses no mail.
    if row["status"] != "verified":
        return Resolution(Verdict.DOMAIN_REVOKED) if row["waits"] else NOT_OURS
    if local_part.lower() not in _ALWAYS_THERE:
        return UNKNOWN
    owner = await _owners_inbox(tx, row["tenant_id"])
    return owner or await _named_postmaster(tx, postmaster)


async def _bare_postmaster(tx: Tx, postmaster: str) -> Resolution:
    # Without a domain the operator is meant, so the setting comes before any tenant's owner.
    named = await _named_postmaster(tx, postmaster)
    if named.verdict is Verdict.ROUTE:
        return named
    first = await tx.fetch_one("SELECT tenant_id FROM tenants ORDER BY tenant_id LIMIT 1")
    owner = await _owners_inbox(tx, first["tenant_id"]) if first else None
    return owner or NO_POSTMASTER


async def _named_postmaster(tx: Tx, postmaster: str) -> Resolution:
    """Find the inbox named in the settings, of any tenant: the operator's word counts."""
    row = await tx.fetch_one(
        """
        SELECT i.tenant_id, i.inbox_id, i.address FROM inboxes i
        WHERE i.canonical = :canonical AND i.deleted_at IS NULL
        """,
        {"canonical": postmaster},
    )
    if row is None:
        return NO_POSTMASTER
    return _postmaster(row["tenant_id"], row)


async def _owners_inbox(tx: Tx, tenant_id: bytes) -> Resolution | None:
    row = await tx.fetch_one(
        """
        SELECT i.inbox_id, i.address FROM inboxes i
        JOIN users u ON u.user_id = i.owner_user_id AND u.role = 'owner'
        WHERE i.tenant_id = :tenant_id AND i.deleted_at IS NULL
        ORDER BY i.inbox_id LIMIT 1
        """,
        {"tenant_id": tenant_id},
    )
    if row is None:
        return None
    return _postmaster(tenant_id, row)


def _postmaster(tenant_id: bytes, row: Row) -> Resolution:
    return Resolution(Verdict.ROUTE, tenant_id, row["address"], row["inbox_id"], rule="postmaster")

"""Domains: what a tenant may have addresses on.

- `pending` until ownership is shown by DNS or the operator trusts it; `verified` then.
- A name is verified for one tenant at a time; the database itself keeps that.
- `revoked` keeps the addresses but takes no mail: senders are told to wait, not refused.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass

from storage.database import Row, Tx
from storage.errors import Conflict, FieldFault, Invalid, NotFound


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of a tenant; `name` is the lower-case A-label form."""

    domain_id: bytes
    tenant_id: bytes
    name: str
    status: str
    verification: str
    verified_at: int | None
    created_at: int


async def add_domain(tx: Tx, *, tenant_id: bytes, name: str, now: int) -> Domain:
    """A pending domain with a random value to publish. Raises Conflict `domain_taken`."""
    taken = await tx.fetch_one(
        """
        SELECT tenant_id FROM domains
        WHERE name = :name AND (tenant_id = :tenant_id OR status = 'verified')
        """,
        {"name": name, "tenant_id": tenant_id},
    )
    if taken is not None:
        raise Conflict("domain_taken", "This domain is in use already.")
    value = base64.b32encode(os.urandom(20)).decode().lower()
    domain = Domain(tx.new_id(), tenant_id, name, "pending", value, None, now)
    await tx.execute(
        """
        INSERT INTO domains
            (domain_id, tenant_id, name, status, verification, verified_at, created_at)
        VALUES (:domain_id, :tenant_id, :name, 'pending', :value, NULL, :now)
        """,
        {
            "domain_id": domain.domain_id,
            "tenant_id": tenant_id,
            "name": name,
            "value": value,
            "now": now,
        },
    )
    return domain


async def mark_verified(tx: Tx, *, tenant_id: bytes, name: str, now: int) -> Domain:
    """Set a domain of the tenant to verified; what was verified stays as it is.

    Raises NotFound, and Conflict `domain_taken` when it is another tenant's by now.
    """
    domain = await find_domain(tx, tenant_id=tenant_id, name=name)
    if domain.status == "verified":
        return domain
    other = await tx.fetch_one(
        "SELECT 1 FROM domains WHERE name = :name AND status = 'verified'", {"name": name}
    )
    if other is not None:
        raise Conflict("domain_taken", "This domain is in use already.")
    await tx.execute(
        """
        UPDATE domains SET status = 'verified', verified_at = :now
        WHERE tenant_id = :tenant_id AND name = :name
        """,
        {"tenant_id": tenant_id, "name": name, "now": now},
    )
    return await find_domain(tx, tenant_id=tenant_id, name=name)


async def trust_domain(tx: Tx, *, tenant_id: bytes, name: str, now: int) -> Domain:
    """The operator's word instead of DNS: add the domain if need be, and verify it."""
    known = await tx.fetch_one(
        "SELECT 1 FROM domains WHERE tenant_id = :tenant_id AND name = :name",
        {"tenant_id": tenant_id, "name": name},
    )
    if known is None:
        await add_domain(tx, tenant_id=tenant_id, name=name, now=now)
    return await mark_verified(tx, tenant_id=tenant_id, name=name, now=now)


async def find_domain(tx: Tx, *, tenant_id: bytes, name: str) -> Domain:
    """Raises NotFound."""
    row = await tx.fetch_one(
        _DOMAIN + " WHERE tenant_id = :tenant_id AND name = :name",
        {"tenant_id": tenant_id, "name": name},
    )
    if row is None:
        raise NotFound("no such domain")
    return _domain(row)


async def list_domains(tx: Tx, *, tenant_id: bytes) -> list[Domain]:
    """The tenant's domains, oldest first."""
    rows = await tx.fetch_all(
        _DOMAIN + " WHERE tenant_id = :tenant_id ORDER BY domain_id", {"tenant_id": tenant_id}
    )
    return [_domain(row) for row in rows]


async def require_verified(tx: Tx, *, tenant_id: bytes, name: str, field: str) -> Domain:
    """The tenant's verified domain of that name.

    Raises Invalid on `field` with code `domain_not_verified`; one answer for a domain that is
    pending, unknown or another tenant's.
    """
    row = await tx.fetch_one(
        _DOMAIN + " WHERE tenant_id = :tenant_id AND name = :name AND status = 'verified'",
        {"tenant_id": tenant_id, "name": name},
    )
    if row is None:
        message = "must be on a domain that is verified for this tenant"
        raise Invalid(FieldFault(field, message, "domain_not_verified"))
    return _domain(row)


_DOMAIN = """
    SELECT domain_id, tenant_id, name, status, verification, verified_at, created_at FROM domains
"""


def _domain(row: Row) -> Domain:
    return Domain(
        row["domain_id"],
        row["tenant_id"],
        row["name"],
        row["status"],
        row["verification"],
        row["verified_at"],
        row["created_at"],
    )

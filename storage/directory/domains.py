"""Mail domains of a tenant, and the proof that the tenant owns them.

- A domain is `pending` until DNS proves ownership or the operator trusts it; then it is `verified`.
- A domain is verified for one tenant at a time; a unique index keeps that. Each name is verified by
  itself: the owner of a parent domain has no right to its children.
- A `revoked` domain keeps its addresses but takes no mail: senders get 450, not a refusal. It gets
  a new value to publish, so that the old DNS record proves nothing any more.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass

from storage.database import Row, Tx
from storage.errors import Conflict, FieldFault, Invalid, NotFound
from storage.keyset import ALL, Keyset


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
    """Add a pending domain with a random value to publish. Raises Conflict `domain_taken`."""
    # Another tenant's pending row does not count: else anybody could block a name for its owner.
    taken = await tx.fetch_one(
        """
        SELECT tenant_id FROM domains
        WHERE name = :name AND (tenant_id = :tenant_id OR status = 'verified')
        """,
        {"name": name, "tenant_id": tenant_id},
    )
    if taken is not None:
        raise _taken()
    domain = Domain(tx.new_id(), tenant_id, name, "pending", _new_value(), None, now)
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
            "value": domain.verification,
            "now": now,
        },
    )
    return domain


def _new_value() -> str:
    return base64.b32encode(os.urandom(20)).decode().lower()


def _taken() -> Conflict:
    return Conflict("domain_taken", "This domain is already taken.")


async def require_unowned(tx: Tx, *, tenant_id: bytes, name: str) -> None:
    """Raises Conflict `domain_taken` when the name is verified for another tenant."""
    row = await tx.fetch_one(
        """
        SELECT 1 FROM domains
        WHERE name = :name AND status = 'verified' AND tenant_id <> :tenant_id
        """,
        {"name": name, "tenant_id": tenant_id},
    )
    if row is not None:
        raise _taken()


async def mark_verified(tx: Tx, *, tenant_id: bytes, name: str, value: str, now: int) -> Domain:
    """Set a domain of the tenant to verified, for which `value` was published.

    A verified domain stays verified; a value that is no longer the domain's proves nothing. Raises
    NotFound, and Conflict `domain_taken` when another tenant verified the domain meanwhile.
    """
    domain = await find_domain(tx, tenant_id=tenant_id, name=name)
    # The value may have changed while the DNS was queried: what was found proves the old one only.
    if domain.status == "verified" or domain.verification != value:
        return domain
    await require_unowned(tx, tenant_id=tenant_id, name=name)
    await tx.execute(
        """
        UPDATE domains SET status = 'verified', verified_at = :now
        WHERE tenant_id = :tenant_id AND name = :name
        """,
        {"tenant_id": tenant_id, "name": name, "now": now},
    )
    return await find_domain(tx, tenant_id=tenant_id, name=name)


async def trust_domain(
    tx: Tx, *, tenant_id: bytes, name: str, now: int, move: bool = False
) -> Domain:
    """Verify a domain on the operator's word instead of DNS; add it first if need be.

    With `move` the domain is revoked for the tenant that has it. Raises Conflict `domain_taken`.
    """
    former = await verified_elsewhere(tx, tenant_id=tenant_id, name=name) if move else None
    # First: a unique index has a name verified for one tenant at a time.
    if former is not None:
        await revoke_domain(tx, tenant_id=former, name=name)
    known = await tx.fetch_one(
        "SELECT verification FROM domains WHERE tenant_id = :tenant_id AND name = :name",
        {"tenant_id": tenant_id, "name": name},
    )
    if known is None:
        value = (await add_domain(tx, tenant_id=tenant_id, name=name, now=now)).verification
    else:
        value = str(known["verification"])
    return await mark_verified(tx, tenant_id=tenant_id, name=name, value=value, now=now)


async def verified_elsewhere(tx: Tx, *, tenant_id: bytes, name: str) -> bytes | None:
    """Return the other tenant for which the domain is verified, or None."""
    row = await tx.fetch_one(
        """
        SELECT tenant_id FROM domains
        WHERE name = :name AND status = 'verified' AND tenant_id <> :tenant_id
        """,
        {"name": name, "tenant_id": tenant_id},
    )
    return bytes(row["tenant_id"]) if row else None


async def revoke_domain(tx: Tx, *, tenant_id: bytes, name: str) -> Domain:
    """Take no mail for the domain from now on. Raises NotFound."""
    await tx.execute(
        """
        UPDATE domains SET status = 'revoked', verified_at = NULL, verification = :value
        WHERE tenant_id = :tenant_id AND name = :name AND status <> 'revoked'
        """,
        {"value": _new_value(), "tenant_id": tenant_id, "name": name},
    )
    return await find_domain(tx, tenant_id=tenant_id, name=name)


async def delete_domain(tx: Tx, *, tenant_id: bytes, name: str) -> None:
    """Delete a domain. Raises NotFound, and Conflict `domain_in_use` while it has addresses.

    The address of a deleted inbox counts until its mail is deleted permanently: it can be restored.
    """
    domain = await find_domain(tx, tenant_id=tenant_id, name=name)
    key = {"domain_id": domain.domain_id}
    used = await tx.fetch_one("SELECT 1 FROM addresses WHERE domain_id = :domain_id LIMIT 1", key)
    if used is not None:
        raise Conflict("domain_in_use", "Inboxes or lists have their address on this domain.")
    await tx.execute(
        "DELETE FROM domain_smarthosts WHERE tenant_id = :tenant_id AND domain = :name",
        {"tenant_id": tenant_id, "name": domain.name},
    )
    await tx.execute("DELETE FROM domains WHERE domain_id = :domain_id", key)


async def find_domain(tx: Tx, *, tenant_id: bytes, name: str) -> Domain:
    """Raises NotFound."""
    row = await tx.fetch_one(
        _DOMAIN + " WHERE tenant_id = :tenant_id AND name = :name",
        {"tenant_id": tenant_id, "name": name},
    )
    if row is None:
        raise NotFound("no such domain")
    return _domain(row)


async def list_domains(tx: Tx, *, tenant_id: bytes, span: Keyset = ALL) -> list[Domain]:
    """Return the tenant's domains, oldest first."""
    rows = await tx.fetch_all(
        f"{_DOMAIN} WHERE tenant_id = :tenant_id {span.sql('domain_id')}",
        {"tenant_id": tenant_id, **span.params},
    )
    return [_domain(row) for row in rows]


async def require_verified(tx: Tx, *, tenant_id: bytes, name: str, field: str) -> Domain:
    """Return the tenant's verified domain of that name.

    Raises Invalid on `field` with code `domain_not_verified`; the same error for a pending, an
    unknown and another tenant's domain.
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

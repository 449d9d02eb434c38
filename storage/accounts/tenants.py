"""Tenants: the customers of one installation, each with a plan and a governance.

Everything belongs to one tenant and nothing crosses between two. A name is used once, for the
operator to type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Row, Tx
from storage.errors import Conflict, FieldFault, Invalid, NotFound

PLANS = ("free", "startup", "business", "enterprise")
GOVERNANCE = ("none", "token_controls", "full")


def reaches(ladder: Sequence[str], held: str, needed: str) -> bool:
    """Whether `held` of PLANS or GOVERNANCE is at least the needed level."""
    return ladder.index(held) >= ladder.index(needed)


@dataclass(frozen=True, slots=True)
class Tenant:
    """One customer of this installation."""

    tenant_id: bytes
    name: str
    plan: str
    governance: str
    created_at: int


async def create_tenant(
    tx: Tx, *, name: str, now: int, plan: str = "enterprise", governance: str = "full"
) -> Tenant:
    """Make a tenant; without a plan it gets everything: the host of it owns it.

    Raises Invalid for an unknown plan or governance, or an empty name, and Conflict `name_taken`.
    """
    _check_terms(name=name, plan=plan, governance=governance)
    await _require_free_name(tx, name, but_for=None)
    tenant = Tenant(tx.new_id(), name, plan, governance, now)
    await tx.execute(
        """
        INSERT INTO tenants (tenant_id, name, plan, governance, created_at)
        VALUES (:tenant_id, :name, :plan, :governance, :now)
        """,
        {
            "tenant_id": tenant.tenant_id,
            "name": name,
            "plan": plan,
            "governance": governance,
            "now": now,
        },
    )
    return tenant


def _check_terms(*, name: str, plan: str, governance: str) -> None:
    faults = []
    if not name.strip():
        faults.append(FieldFault("name", "must not be empty"))
    if plan not in PLANS:
        faults.append(FieldFault("plan", f"must be one of {', '.join(PLANS)}"))
    if governance not in GOVERNANCE:
        faults.append(FieldFault("governance", f"must be one of {', '.join(GOVERNANCE)}"))
    if faults:
        raise Invalid(*faults)


async def _require_free_name(tx: Tx, name: str, *, but_for: bytes | None) -> None:
    taken = await tx.fetch_one("SELECT tenant_id FROM tenants WHERE name = :name", {"name": name})
    if taken is not None and bytes(taken["tenant_id"]) != but_for:
        raise Conflict("name_taken", "A tenant has this name already.")


async def rename_tenant(tx: Tx, *, tenant_id: bytes, name: str) -> Tenant:
    """Rename a tenant. Raises NotFound, Invalid, Conflict `name_taken`."""
    tenant = await find_tenant(tx, tenant_id=tenant_id)
    _check_terms(name=name, plan=tenant.plan, governance=tenant.governance)
    await _require_free_name(tx, name, but_for=tenant_id)
    await tx.execute(
        "UPDATE tenants SET name = :name WHERE tenant_id = :tenant_id",
        {"name": name, "tenant_id": tenant_id},
    )
    return await find_tenant(tx, tenant_id=tenant_id)


async def set_tenant(tx: Tx, *, tenant_id: bytes, plan: str, governance: str) -> Tenant:
    """Change a tenant's plan or governance. Raises NotFound, Invalid."""
    tenant = await find_tenant(tx, tenant_id=tenant_id)
    _check_terms(name=tenant.name, plan=plan, governance=governance)
    await tx.execute(
        """
        UPDATE tenants SET plan = :plan, governance = :governance WHERE tenant_id = :tenant_id
        """,
        {"plan": plan, "governance": governance, "tenant_id": tenant_id},
    )
    return await find_tenant(tx, tenant_id=tenant_id)


async def find_tenant(tx: Tx, *, tenant_id: bytes) -> Tenant:
    """Raises NotFound."""
    row = await tx.fetch_one(_TENANT + " WHERE tenant_id = :tenant_id", {"tenant_id": tenant_id})
    if row is None:
        raise NotFound("no such tenant")
    return _tenant(row)


async def list_tenants(tx: Tx) -> list[Tenant]:
    """All tenants, oldest first; for the operator only."""
    return [_tenant(row) for row in await tx.fetch_all(_TENANT + " ORDER BY tenant_id")]


_TENANT = "SELECT tenant_id, name, plan, governance, created_at FROM tenants"


def _tenant(row: Row) -> Tenant:
    return Tenant(row["tenant_id"], row["name"], row["plan"], row["governance"], row["created_at"])

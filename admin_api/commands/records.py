"""Records that only the operator sees so far; all others are those of the API."""

from __future__ import annotations

from admin_api.records import Record
from storage.clock import rfc3339
from storage.ids import to_text
from storage.tenants import Tenant


def tenant_record(tenant: Tenant) -> Record:
    """A tenant, which only the operator sees."""
    return {
        "tenant_id": to_text("tnt", tenant.tenant_id),
        "name": tenant.name,
        "plan": tenant.plan,
        "governance": tenant.governance,
        "created_at": rfc3339(tenant.created_at),
    }

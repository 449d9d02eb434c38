"""Records that only the operator sees so far; all others are those of the API."""

from __future__ import annotations

from admin_api.records import Record, time_or_none
from storage.clock import rfc3339
from storage.domains import Domain
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


def domain_record(domain: Domain, hostname: str) -> Record:
    """A domain with the DNS records that it needs; `hostname` is where its mail shall go."""
    return {
        "domain_id": to_text("dom", domain.domain_id),
        "name": domain.name,
        "status": domain.status,
        "verified_at": time_or_none(domain.verified_at),
        "dns_records": [
            {
                "type": "TXT",
                "name": f"_postroom-verify.{domain.name}",
                "value": domain.verification,
                "purpose": "ownership",
            },
            {"type": "MX", "name": domain.name, "value": f"10 {hostname}.", "purpose": "mail"},
        ],
        "created_at": rfc3339(domain.created_at),
    }

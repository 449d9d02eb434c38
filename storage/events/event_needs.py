"""What a tenant must have to be told of a type of event: what reading of it takes.

- It is judged whenever something is told: when a credential reads, when an event is routed, and
  again right before it is sent or made a task. After a downgrade nothing of it is told.
- What is not named here takes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storage.accounts.tenants import GOVERNANCE, PLANS, reaches
from storage.database import Tx


@dataclass(frozen=True, slots=True)
class Terms:
    """A plan and a governance: those a tenant has, or those that something takes at least."""

    plan: str = "free"
    governance: str = "none"

    def cover(self, needed: Terms) -> bool:
        """Whether who has these may have what takes `needed`."""
        return reaches(PLANS, self.plan, needed.plan) and reaches(
            GOVERNANCE, self.governance, needed.governance
        )


_NOTHING = Terms()
_NOTES = _SHARING = Terms(plan="startup")
_LISTS = Terms(governance="token_controls")

_NEEDS: Mapping[str, Terms] = {
    "thread.note_added": _NOTES,
    "thread.mentioned": _NOTES,
    "contact.share_received": _SHARING,
    "contact.share_resolved": _SHARING,
    "list.member_added": _LISTS,
    "list.member_removed": _LISTS,
}


def needs_of(event_type: str) -> Terms:
    """What a tenant must have to be told of events of this type."""
    return _NEEDS.get(event_type, _NOTHING)


async def terms_of(tx: Tx, *, tenant_id: bytes) -> Terms:
    """What the tenant has now."""
    row = await tx.fetch_one(
        "SELECT plan, governance FROM tenants WHERE tenant_id = :tenant_id",
        {"tenant_id": tenant_id},
    )
    return Terms(row["plan"], row["governance"]) if row else _NOTHING

"""Audit entries of the operator's acts, in the log of the tenant concerned.

The command line knows no person and no credential; the actor is `operator`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.accounts.audit_log import Details
    from storage.database import Tx


async def note(
    tx: Tx,
    action: str,
    raw_id: bytes,
    *,
    tenant_id: bytes,
    name: str = "",
    inbox_id: bytes | None = None,
    details: Details | None = None,
) -> None:
    """Put on record that the operator did this to the object with the id `raw_id`."""
    from storage.accounts.audit_log import OPERATOR, act_of, record_act
    from storage.clock import system_clock

    act = act_of(action, raw_id, name=name, inbox_id=inbox_id, details=details)
    await record_act(tx, tenant_id=tenant_id, actor=OPERATOR, act=act, now=system_clock())

"""Teammates, named by the addresses of their inboxes in whatever spelling."""

from __future__ import annotations

from collections.abc import Sequence

from storage.address import canonical_or_none
from storage.database import Tx
from storage.errors import FieldFault, Invalid, NotFound
from storage.inboxes import Inbox, find_inbox_by_address


async def find_teammates(
    tx: Tx, *, tenant_id: bytes, named: Sequence[tuple[str, str]]
) -> list[Inbox]:
    """The inbox behind each of `named`, which are pairs of a field and an address.

    Raises Invalid on every field whose address is no inbox of the tenant: unknown, another
    tenant's, a list's, a subaddress, a login and that of a deleted inbox all look alike.
    """
    found, faults = [], []
    for field, address in named:
        inbox = await _teammate(tx, tenant_id, address)
        if inbox is None:
            faults.append(FieldFault(field, "names no inbox of this tenant"))
        else:
            found.append(inbox)
    if faults:
        raise Invalid(*faults)
    return found


async def _teammate(tx: Tx, tenant_id: bytes, address: str) -> Inbox | None:
    canonical = canonical_or_none(address)
    if canonical is None:
        return None
    try:
        return await find_inbox_by_address(tx, tenant_id=tenant_id, canonical=canonical)
    except NotFound:
        return None

"""The audit log for admins: read-only."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from admin_api.call.call import Call, named_inbox
from admin_api.call.paging import Cursor, cursor_answer, position_of
from admin_api.http.payload import Instant, Limit, Parameters, ReferenceText, instant_of
from admin_api.http.records import Record, id_or_none
from storage.accounts.audit_log import AuditFilter, Logged, list_acts
from storage.clock import rfc3339
from storage.database import Tx
from storage.ids import from_text, to_text


class Listing(Parameters):
    """The entries to list, and the page of them.

    `actor` is an id or the actor's name (`operator` for the command line); `action` a verb, as
    `user.created`, or a kind of object, as `user`; `object` an id.
    """

    actor: ReferenceText | None = None
    action: Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z_]+)?$", max_length=60)] | None = None
    object: ReferenceText | None = None
    inbox_id: ReferenceText | None = None
    since: Instant | None = None
    until: Instant | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


async def list_entries(call: Call) -> Response:
    """GET /v1/audit-log/: newest first."""
    listing = call.parameters(Listing)
    before = position_of(listing.cursor)

    async def work(tx: Tx) -> list[Logged]:
        wanted = AuditFilter(
            actor=listing.actor,
            action=listing.action,
            object_id=listing.object,
            inbox_id=await _inbox(tx, call, listing.inbox_id),
            since=instant_of(listing.since),
            until=instant_of(listing.until),
        )
        limit = listing.limit + 1
        return await list_acts(
            tx, tenant_id=call.tenant_id, wanted=wanted, before=before, limit=limit
        )

    found = await call.database.read(work)
    return cursor_answer(found, listing.limit, entry_record, lambda one: one.entry_id)


async def _inbox(tx: Tx, call: Call, named: str | None) -> bytes | None:
    """Return the inbox id to filter by; a deleted inbox has its id, an unknown one no entry."""
    if named is None:
        return None
    inbox = await named_inbox(tx, tenant_id=call.tenant_id, name=named)
    return inbox.inbox_id if inbox is not None else from_text("inb", named) or b""


def entry_record(entry: Logged) -> Record:
    """One entry of the audit log."""
    actor, act = entry.actor, entry.act
    return {
        "entry_id": to_text("aud", entry.entry_id),
        "action": act.action,
        "actor": {"type": actor.kind, "id": actor.id, "name": actor.name},
        "credential_id": actor.credential_id,
        "client_ip": actor.client,
        "object": {"type": act.object_type, "id": act.object_id, "name": act.object_name},
        "inbox_id": id_or_none("inb", act.inbox_id),
        "details": act.details,
        "created_at": rfc3339(entry.created_at),
    }

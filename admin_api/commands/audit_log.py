"""`postroom audit-log`: who did what in a tenant, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.acting import TENANT
from admin_api.commands.terminal.invocation import Invocation, common, table

if TYPE_CHECKING:
    from storage.accounts.audit_log import Logged
    from storage.database import Tx


@click.command("audit-log")
@common
@TENANT
@click.option("--actor", metavar="WHO", help="An id, an e-mail, a token's label, or operator.")
@click.option("--action", metavar="VERB", help="As user.created, or user for all of that kind.")
@click.option("--object", "object_id", metavar="ID", help="What it was done to.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, help="How many at most.")
@click.pass_obj
def audit_log(
    call: Invocation,
    *,
    tenant_text: str | None,
    actor: str | None,
    action: str | None,
    object_id: str | None,
    limit: int,
) -> None:
    """Show who did what to which object, when and from where."""
    from admin_api.accounts.audit_log import entry_record
    from storage.accounts.audit_log import AuditFilter, list_acts
    from storage.directory.operator_names import tenant_meant

    wanted = AuditFilter(actor=actor, action=action, object_id=object_id)

    async def work(tx: Tx) -> list[Logged]:
        tenant = await tenant_meant(tx, text=tenant_text)
        return await list_acts(
            tx, tenant_id=tenant.tenant_id, wanted=wanted, before=None, limit=limit
        )

    found = call.read(work)
    heads = ("time", "actor", "client", "action", "object")
    text = table([_line(entry) for entry in found], "There is nothing in the log.", heads=heads)
    call.answer([entry_record(entry) for entry in found], text)


def _line(entry: Logged) -> tuple[object, ...]:
    from storage.clock import rfc3339

    actor, act = entry.actor, entry.act
    named = act.object_name or act.object_id
    return rfc3339(entry.created_at), actor.name, actor.client, act.action, named

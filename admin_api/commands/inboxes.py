"""`postroom inbox`: where copies land."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.invocation import Invocation, common

if TYPE_CHECKING:
    from admin_api.http.records import Record
    from storage.database import Tx
    from storage.directory.inboxes import Inbox


@click.group()
@common
def inbox() -> None:
    """Make and list inboxes."""


@inbox.command()
@common
@click.argument("address")
@click.option("--tenant", "tenant_text", metavar="TENANT", required=True, help="Its id or name.")
@click.option("--owner", metavar="EMAIL", help="The user who owns the inbox.")
@click.pass_obj
def create(call: Invocation, address: str, tenant_text: str, owner: str | None) -> None:
    """Make an inbox on a domain that is verified or trusted for the tenant."""
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from admin_api.directory.records import inbox_record
    from storage.clock import system_clock
    from storage.directory.inboxes import create_inbox
    from storage.directory.operator_names import tenant_meant, user_meant

    wanted = arguments.address(address, "address", for_creation=True)

    async def work(tx: Tx) -> Inbox:
        tenant_id = (await tenant_meant(tx, text=tenant_text)).tenant_id
        user = owner and await user_meant(tx, tenant_id=tenant_id, email=owner, field="owner")
        made = await create_inbox(
            tx,
            tenant_id=tenant_id,
            address=wanted,
            display_name="",
            owner_user_id=user.user_id if user else None,
            now=system_clock(),
        )
        await note(tx, "inbox.created", made.inbox_id, tenant_id=tenant_id, name=made.address)
        return made

    call.show(inbox_record(call.write(work), [], settings=True))


@inbox.command("list")
@common
@click.option("--tenant", "tenant_text", metavar="TENANT", help="Only this tenant's (id or name).")
@click.pass_obj
def show_all(call: Invocation, tenant_text: str | None) -> None:
    """List the inboxes, tenant by tenant."""
    from admin_api.directory.records import inbox_record
    from storage.accounts.tenants import list_tenants
    from storage.alerts.inbox_webhook import webhooks_of_inboxes
    from storage.directory.inboxes import aliases, list_inboxes
    from storage.directory.operator_names import tenant_meant

    async def work(tx: Tx) -> list[Record]:
        asked = [await tenant_meant(tx, text=tenant_text)] if tenant_text else None
        found = []
        for tenant in asked or await list_tenants(tx):
            known = await aliases(tx, tenant_id=tenant.tenant_id)
            webhooks = await webhooks_of_inboxes(tx, tenant_id=tenant.tenant_id)
            for item in await list_inboxes(tx, tenant_id=tenant.tenant_id):
                key = item.inbox_id
                lists, webhook = known.get(key, []), webhooks.get(key)
                found.append(inbox_record(item, lists, settings=True, webhook=webhook))
        return found

    call.show_all(call.read(work), "inbox_id", "address", empty="There are no inboxes.")

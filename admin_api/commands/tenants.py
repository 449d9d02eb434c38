"""`postroom tenant`: the tenants of this installation, their plans and governance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.invocation import Invocation, common
from storage.clock import system_clock

if TYPE_CHECKING:
    from config.settings import Settings
    from storage.accounts.tenants import Tenant
    from storage.database import Store, Tx


@click.group()
@common
def tenant() -> None:
    """Make, list, change, rename and delete tenants."""


@tenant.command()
@common
@click.argument("name")
@click.pass_obj
def create(call: Invocation, name: str) -> None:
    """Make a tenant with everything allowed.

    The store too, when it is not there.
    """
    from admin_api.accounts.records import operator_tenant_record
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from storage.accounts.tenants import create_tenant

    chosen = arguments.name(name)

    async def work(tx: Tx) -> Tenant:
        made = await create_tenant(tx, name=chosen, now=system_clock())
        await note(tx, "tenant.created", made.tenant_id, tenant_id=made.tenant_id, name=made.name)
        return made

    call.show(operator_tenant_record(call.write(work, make=True)))


@tenant.command("list")
@common
@click.pass_obj
def show_all(call: Invocation) -> None:
    """List all tenants, oldest first."""
    from admin_api.accounts.records import operator_tenant_record
    from storage.accounts.tenants import list_tenants

    records = [operator_tenant_record(found) for found in call.read(list_tenants)]
    call.show_all(records, "tenant_id", "name", "plan", "governance", empty="There are no tenants.")


@tenant.command("set")
@common
@click.argument("tenant_text", metavar="TENANT")
@click.option("--plan", metavar="PLAN", help="free, startup, business or enterprise.")
@click.option("--governance", metavar="LEVEL", help="none, token_controls or full.")
@click.pass_obj
def change(call: Invocation, tenant_text: str, plan: str | None, governance: str | None) -> None:
    """Set what a tenant (id or name) may use; what is not named stays."""
    from admin_api.accounts.records import operator_tenant_record
    from admin_api.commands.terminal.operator_trail import note
    from storage.accounts.tenants import set_tenant
    from storage.directory.operator_names import tenant_meant

    if plan is None and governance is None:
        raise click.UsageError("Give --plan, --governance or both.")

    async def work(tx: Tx) -> Tenant:
        known = await tenant_meant(tx, text=tenant_text)
        key = known.tenant_id
        changed = await set_tenant(
            tx,
            tenant_id=key,
            plan=known.plan if plan is None else plan,
            governance=known.governance if governance is None else governance,
        )
        level = {"plan": changed.plan, "governance": changed.governance}
        if changed != known:
            await note(tx, "tenant.changed", key, tenant_id=key, name=changed.name, details=level)
        return changed

    call.show(operator_tenant_record(call.write(work)))


@tenant.command()
@common
@click.argument("tenant_text", metavar="TENANT")
@click.argument("name")
@click.pass_obj
def rename(call: Invocation, tenant_text: str, name: str) -> None:
    """Call a tenant (id or name) by another NAME, which no other has."""
    from admin_api.accounts.records import operator_tenant_record
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from storage.accounts.tenants import rename_tenant
    from storage.directory.operator_names import tenant_meant

    chosen = arguments.name(name)

    async def work(tx: Tx) -> Tenant:
        known = await tenant_meant(tx, text=tenant_text)
        key = known.tenant_id
        renamed = await rename_tenant(tx, tenant_id=key, name=chosen)
        if renamed != known:
            fields = {"fields": ["name"]}
            await note(tx, "tenant.changed", key, tenant_id=key, name=renamed.name, details=fields)
        return renamed

    call.show(operator_tenant_record(call.write(work)))


@tenant.command()
@common
@click.argument("tenant_text", metavar="TENANT")
@click.option("--with-everything", is_flag=True, help="Also its people, addresses and mail.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def delete(call: Invocation, tenant_text: str, *, with_everything: bool, yes: bool) -> None:
    """Delete a tenant (id or name) for good; nothing brings it back.

    One that has users, domains, inboxes or lists goes only --with-everything.
    """
    from admin_api.accounts.records import operator_tenant_record
    from admin_api.commands.terminal.faults import Faults, printable
    from admin_api.commands.terminal.store import run
    from storage.directory.operator_names import tenant_meant
    from storage.maintenance.tenant_removal import holdings

    async def look(tx: Tx) -> tuple[Tenant, dict[str, int]]:
        found = await tenant_meant(tx, text=tenant_text)
        return found, await holdings(tx, tenant_id=found.tenant_id)

    found, held = call.read(look)
    told = ", ".join(f"{count} {what}" for what, count in held.items() if count)
    if told and not with_everything:
        raise Faults(f"tenant: has {told}; add --with-everything to delete them and all mail, too")
    if not yes:
        name = printable(found.name)
        question = f"Delete the tenant {name} with {told or 'nothing in it'}, for good?"
        click.confirm(question, abort=True, err=True)
    settings = call.settings()
    run(settings, lambda database: _delete(database, settings, found.tenant_id))
    call.show(operator_tenant_record(found))


async def _delete(database: Store, settings: Settings, tenant_id: bytes) -> None:
    """Close the tenant, then remove what it has, some in each transaction."""
    from admin_api.commands.terminal.store import contents_of
    from storage.maintenance.tenant_removal import close_tenant, purge_tenant

    contents = contents_of(settings, database, database)
    now = system_clock()
    await database.write(lambda tx: close_tenant(tx, tenant_id=tenant_id, now=now))
    whole = False
    while not whole:
        purged = await database.write(lambda tx: purge_tenant(tx, tenant_id=tenant_id, now=now))
        for file in purged.files:
            # After the commit: a file too many is an orphan and found, a file too few is lost mail.
            await contents.remove(file)
        whole = purged.whole

"""`postroom tenant`: who uses this installation, and what each may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.invocation import Invocation, common

if TYPE_CHECKING:
    from storage.accounts.tenants import Tenant
    from storage.database import Tx


@click.group()
@common
def tenant() -> None:
    """Make, list and change tenants."""


@tenant.command()
@common
@click.argument("name")
@click.pass_obj
def create(call: Invocation, name: str) -> None:
    """Make a tenant with everything allowed; the store too, when it is not there."""
    from admin_api.accounts.records import operator_tenant_record
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from storage.accounts.tenants import create_tenant
    from storage.clock import system_clock

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

"""`postroom domain`: what a tenant may have addresses on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import click

from admin_api.commands.terminal.invocation import Invocation, common

if TYPE_CHECKING:
    from storage.database import Tx
    from storage.directory.domains import Domain

    class Change(Protocol):
        """A storage function that makes or changes a domain."""

        async def __call__(self, tx: Tx, *, tenant_id: bytes, name: str, now: int) -> Domain: ...


@click.group()
@common
def domain() -> None:
    """Add, trust, revoke and list domains."""


@domain.command()
@common
@click.argument("name", metavar="DOMAIN")
@click.option("--tenant", "tenant_text", metavar="TENANT", required=True, help="Its id or name.")
@click.pass_obj
def add(call: Invocation, name: str, tenant_text: str) -> None:
    """Add a domain that is verified later, and show the DNS records it needs."""
    from storage.directory.domains import add_domain

    _change(call, name, tenant_text, add_domain, "domain.added")


@domain.command()
@common
@click.argument("name", metavar="DOMAIN")
@click.option("--tenant", "tenant_text", metavar="TENANT", required=True, help="Its id or name.")
@click.option("--move", is_flag=True, help="Take it from the tenant that has it.")
@click.pass_obj
def trust(call: Invocation, name: str, tenant_text: str, *, move: bool) -> None:
    """Take a domain as verified without asking the DNS, adding it if need be."""
    from admin_api.commands.terminal.operator_trail import note
    from storage.directory.domains import find_domain, trust_domain, verified_elsewhere

    async def change(tx: Tx, *, tenant_id: bytes, name: str, now: int) -> Domain:
        former = await verified_elsewhere(tx, tenant_id=tenant_id, name=name) if move else None
        trusted = await trust_domain(tx, tenant_id=tenant_id, name=name, now=now, move=move)
        if former is not None:
            lost = await find_domain(tx, tenant_id=former, name=name)
            await note(tx, "domain.revoked", lost.domain_id, tenant_id=former, name=name)
        return trusted

    _change(call, name, tenant_text, change, "domain.trusted")


@domain.command()
@common
@click.argument("name", metavar="DOMAIN")
@click.option("--tenant", "tenant_text", metavar="TENANT", required=True, help="Its id or name.")
@click.pass_obj
def revoke(call: Invocation, name: str, tenant_text: str) -> None:
    """Take no mail for a domain from now on; senders are told to wait while it has addresses."""
    from storage.directory.domains import revoke_domain

    async def change(tx: Tx, *, tenant_id: bytes, name: str, now: int) -> Domain:
        return await revoke_domain(tx, tenant_id=tenant_id, name=name)

    _change(call, name, tenant_text, change, "domain.revoked")


def _change(call: Invocation, name: str, tenant_text: str, change: Change, action: str) -> None:
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from admin_api.directory.records import domain_record
    from storage.clock import system_clock
    from storage.directory.domains import list_domains
    from storage.directory.operator_names import tenant_meant

    canonical = arguments.domain(name)

    async def work(tx: Tx) -> Domain:
        tenant = await tenant_meant(tx, text=tenant_text)
        key = tenant.tenant_id
        known = {one.name: one.status for one in await list_domains(tx, tenant_id=key)}
        changed = await change(tx, tenant_id=key, name=canonical, now=system_clock())
        if changed.status != known.get(canonical):
            await note(tx, action, changed.domain_id, tenant_id=key, name=canonical)
        return changed

    call.show(domain_record(call.write(work), call.settings().hostname))


@domain.command("list")
@common
@click.argument("name", metavar="[DOMAIN]", required=False)
@click.option("--tenant", "tenant_text", metavar="TENANT", required=True, help="Its id or name.")
@click.pass_obj
def show_all(call: Invocation, name: str | None, tenant_text: str) -> None:
    """List a tenant's domains, oldest first, or the one that is named."""
    from admin_api.commands.terminal import arguments
    from admin_api.directory.records import domain_record
    from storage.directory.domains import list_domains
    from storage.directory.operator_names import tenant_meant

    wanted = None if name is None else arguments.domain(name)

    async def work(tx: Tx) -> list[Domain]:
        tenant = await tenant_meant(tx, text=tenant_text)
        return await list_domains(tx, tenant_id=tenant.tenant_id)

    hostname = call.settings().hostname
    found = [item for item in call.read(work) if wanted in (None, item.name)]
    records = [domain_record(item, hostname) for item in found]
    call.show_all(records, "name", "status", "verified_at", empty="There are no such domains.")

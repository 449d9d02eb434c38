"""`postroom list`: shared addresses and who is behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.invocation import Invocation, common, table

if TYPE_CHECKING:
    from storage.database import Tx
    from storage.directory.lists import DistributionList, Member


@click.group("list")
@common
def distribution_list() -> None:
    """Make and show distribution lists, and add members."""


@distribution_list.command()
@common
@click.argument("address")
@click.option("--tenant", "tenant_text", metavar="TENANT", required=True, help="Its id or name.")
@click.option("--name", required=True, help="What the list is called.")
@click.pass_obj
def create(call: Invocation, address: str, tenant_text: str, name: str) -> None:
    """Make a list without members on a domain that is verified or trusted for the tenant."""
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from admin_api.directory.records import list_record
    from storage.clock import system_clock
    from storage.directory.lists import create_list
    from storage.directory.operator_names import tenant_meant

    wanted, title = arguments.address(address, "address", for_creation=True), arguments.name(name)

    async def work(tx: Tx) -> DistributionList:
        tenant = await tenant_meant(tx, text=tenant_text)
        made = await create_list(
            tx,
            tenant_id=tenant.tenant_id,
            address=wanted,
            name=title,
            created_by=None,
            now=system_clock(),
        )
        await note(tx, "list.created", made.list_id, tenant_id=tenant.tenant_id, name=made.address)
        return made

    call.show(list_record(call.write(work)))


@distribution_list.command()
@common
@click.argument("address")
@click.argument("inbox")
@click.pass_obj
def add(call: Invocation, address: str, inbox: str) -> None:
    """Make INBOX (id or address) a member of the list ADDRESS; once more changes nothing."""
    from admin_api.commands.terminal.operator_trail import note
    from admin_api.directory.records import member_record
    from storage.clock import system_clock
    from storage.directory.lists import add_member
    from storage.directory.operator_names import inbox_meant, list_meant
    from storage.errors import FieldFault, Invalid
    from storage.ids import to_text

    async def work(tx: Tx) -> Member:
        found = await list_meant(tx, text=address)
        member = await inbox_meant(tx, text=inbox)
        if member.tenant_id != found.tenant_id:
            raise Invalid(FieldFault("inbox", "is another tenant's than the list"))
        made, is_new = await add_member(
            tx,
            tenant_id=found.tenant_id,
            list_id=found.list_id,
            inbox_id=member.inbox_id,
            now=system_clock(),
        )
        if is_new:
            await note(
                tx,
                "list.member_added",
                found.list_id,
                tenant_id=found.tenant_id,
                name=found.address,
                details={
                    "member_id": to_text("inb", member.inbox_id),
                    "member": member.address,
                },
            )
        return made

    call.show(member_record(call.write(work)))


@distribution_list.command()
@common
@click.argument("address")
@click.pass_obj
def show(call: Invocation, address: str) -> None:
    """Show a list and its members."""
    from admin_api.directory.records import list_record, member_record
    from storage.directory.lists import list_members
    from storage.directory.operator_names import list_meant

    async def work(tx: Tx) -> tuple[DistributionList, list[Member]]:
        found = await list_meant(tx, text=address)
        members = await list_members(tx, tenant_id=found.tenant_id, list_id=found.list_id)
        return found, members

    found, members = call.read(work)
    record = list_record(found)
    lines = [*record.items(), *(("member", member.inbox_address) for member in members)]
    document = record | {"members": [member_record(member) for member in members]}
    call.answer(document, table(lines, ""))

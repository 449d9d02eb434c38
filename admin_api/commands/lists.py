"""`postroom list`: distribution lists and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.acting import ANY_TENANT, TENANT, tenants_asked
from admin_api.commands.terminal.invocation import Invocation, common, table
from storage.clock import system_clock

if TYPE_CHECKING:
    from storage.database import Tx
    from storage.directory.inboxes import Inbox
    from storage.directory.lists import DistributionList, Member, ReplyAs, ReplyName


@click.group("list")
@common
def distribution_list() -> None:
    """Make, show and delete distribution lists, set their members."""


@distribution_list.command()
@common
@click.argument("address")
@TENANT
@click.option("--name", required=True, help="What the list is called.")
@click.pass_obj
def create(call: Invocation, address: str, tenant_text: str | None, name: str) -> None:
    """Make a list without members.

    Its domain must be verified or trusted for the tenant.
    """
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from admin_api.directory.records import list_record
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
    """Make INBOX (id or address) a member of the list ADDRESS.

    Once more changes nothing.
    """
    from admin_api.directory.records import member_record
    from storage.directory.lists import add_member

    async def work(tx: Tx) -> Member:
        found, member = await _pair(tx, address, inbox)
        key = {"tenant_id": found.tenant_id, "list_id": found.list_id}
        made, is_new = await add_member(tx, **key, inbox_id=member.inbox_id, now=system_clock())
        if is_new:
            await _note_member(tx, "list.member_added", found, member)
        return made

    call.show(member_record(call.write(work)))


@distribution_list.command()
@common
@click.argument("address")
@click.argument("inbox")
@click.pass_obj
def remove(call: Invocation, address: str, inbox: str) -> None:
    """Take INBOX (id or address) off the list ADDRESS.

    Copies it has stay.
    """
    from admin_api.directory.records import list_record
    from storage.directory.lists import find_list, remove_member

    async def work(tx: Tx) -> DistributionList:
        found, member = await _pair(tx, address, inbox)
        key = {"tenant_id": found.tenant_id, "list_id": found.list_id}
        await remove_member(tx, **key, inbox_id=member.inbox_id, now=system_clock())
        await _note_member(tx, "list.member_removed", found, member)
        return await find_list(tx, **key)

    call.show(list_record(call.write(work)))


async def _pair(tx: Tx, address: str, inbox: str) -> tuple[DistributionList, Inbox]:
    """The list and the inbox that are named, of one tenant. Raises Invalid."""
    from storage.directory.operator_names import inbox_meant, list_meant
    from storage.errors import FieldFault, Invalid

    found = await list_meant(tx, text=address)
    member = await inbox_meant(tx, text=inbox)
    if member.tenant_id != found.tenant_id:
        raise Invalid(FieldFault("inbox", "is another tenant's than the list"))
    return found, member


async def _note_member(tx: Tx, action: str, found: DistributionList, member: Inbox) -> None:
    from admin_api.commands.terminal.operator_trail import note
    from storage.ids import to_text

    await note(
        tx,
        action,
        found.list_id,
        tenant_id=found.tenant_id,
        name=found.address,
        details={"member_id": to_text("inb", member.inbox_id), "member": member.address},
    )


@distribution_list.command("list")
@common
@ANY_TENANT
@click.pass_obj
def show_all(call: Invocation, tenant_text: str | None) -> None:
    """List the distribution lists, tenant by tenant."""
    from admin_api.directory.records import list_record
    from storage.directory.lists import all_lists

    async def work(tx: Tx) -> list[DistributionList]:
        asked = await tenants_asked(tx, tenant_text)
        return [one for each in asked for one in await all_lists(tx, tenant_id=each.tenant_id)]

    records = [list_record(one) for one in call.read(work)]
    call.show_all(
        records, "list_id", "address", "name", "member_count", empty="There are no lists."
    )


@distribution_list.command()
@common
@click.argument("address")
@click.argument("name")
@click.pass_obj
def rename(call: Invocation, address: str, name: str) -> None:
    """Call the list ADDRESS by another NAME; its address never changes."""
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from admin_api.directory.records import list_record
    from storage.directory.lists import update_list
    from storage.directory.operator_names import list_meant

    title = arguments.name(name)

    async def work(tx: Tx) -> DistributionList:
        found = await list_meant(tx, text=address)
        key = found.tenant_id
        renamed = await update_list(tx, tenant_id=key, list_id=found.list_id, name=title)
        if renamed.name != found.name:
            await note(tx, "list.renamed", found.list_id, tenant_id=key, name=found.address)
        return renamed

    call.show(list_record(call.write(work)))


@distribution_list.command("set")
@common
@click.argument("address")
@click.option(
    "--reply-as",
    type=click.Choice(["list", "member", "either"]),
    help="From which address its members answer.",
)
@click.option(
    "--reply-name",
    type=click.Choice(["list", "member", "both"]),
    help="Under which name its members answer.",
)
@click.option("--signature", metavar="TEXT", help="What the page puts under their letters.")
@click.pass_obj
def change(
    call: Invocation,
    *,
    address: str,
    reply_as: ReplyAs | None,
    reply_name: ReplyName | None,
    signature: str | None,
) -> None:
    """Change how members of the list ADDRESS answer.

    What is not named stays.
    """
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from admin_api.directory.records import list_record
    from storage.directory.lists import update_list
    from storage.directory.operator_names import list_meant

    signed = arguments.signature(signature) if signature else signature
    given = {"reply_as": reply_as, "reply_name": reply_name, "signature": signed}
    if given == dict.fromkeys(given):
        raise click.UsageError("Say what to change.")

    async def work(tx: Tx) -> DistributionList:
        found = await list_meant(tx, text=address)
        changed = await update_list(
            tx,
            tenant_id=found.tenant_id,
            list_id=found.list_id,
            reply_as=reply_as,
            reply_name=reply_name,
            signature=signed,
        )
        fields = [one for one in given if getattr(found, one) != getattr(changed, one)]
        if fields:
            await note(
                tx,
                "list.changed",
                found.list_id,
                tenant_id=found.tenant_id,
                name=found.address,
                details={"fields": sorted(fields)},
            )
        return changed

    call.show(list_record(call.write(work)))


@distribution_list.command()
@common
@click.argument("address")
@click.pass_obj
def delete(call: Invocation, address: str) -> None:
    """Delete the list ADDRESS; copies of its mail stay.

    Mail to it is refused from now on.
    """
    from admin_api.commands.terminal.operator_trail import note
    from admin_api.directory.records import list_record
    from storage.directory.lists import delete_list
    from storage.directory.operator_names import list_meant

    async def work(tx: Tx) -> DistributionList:
        found = await list_meant(tx, text=address)
        key = found.tenant_id
        await delete_list(tx, tenant_id=key, list_id=found.list_id, now=system_clock())
        await note(tx, "list.deleted", found.list_id, tenant_id=key, name=found.address)
        return found

    call.show(list_record(call.write(work)))


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

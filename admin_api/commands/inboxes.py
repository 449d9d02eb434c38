"""`postroom inbox`: the inboxes of all tenants, which copies are delivered to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.acting import ANY_TENANT, TENANT, tenants_asked
from admin_api.commands.terminal.invocation import Invocation, common
from storage.clock import system_clock

if TYPE_CHECKING:
    from admin_api.http.records import Record
    from storage.accounts.tenants import Tenant
    from storage.database import Tx
    from storage.directory.inboxes import Inbox


@click.group()
@common
def inbox() -> None:
    """Make, list, change, delete and restore inboxes."""


@inbox.command()
@common
@click.argument("address")
@TENANT
@click.option("--owner", metavar="EMAIL", help="The user who owns the inbox.")
@click.pass_obj
def create(call: Invocation, address: str, tenant_text: str | None, owner: str | None) -> None:
    """Make an inbox.

    Its domain must be verified or trusted for the tenant.
    """
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from admin_api.directory.records import inbox_record
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
@ANY_TENANT
@click.option("--deleted", is_flag=True, help="Those that can be restored, and until when.")
@click.pass_obj
def show_all(call: Invocation, tenant_text: str | None, *, deleted: bool) -> None:
    """List the inboxes, tenant by tenant."""
    if deleted:
        records = call.read(lambda tx: _deleted_ones(tx, tenant_text))
        call.show_all(records, "inbox_id", "address", "purge_at", empty="No inbox is deleted.")
        return

    async def work(tx: Tx) -> list[Record]:
        return [
            one for tenant in await tenants_asked(tx, tenant_text) for one in await _of(tx, tenant)
        ]

    call.show_all(call.read(work), "inbox_id", "address", empty="There are no inboxes.")


async def _of(tx: Tx, tenant: Tenant) -> list[Record]:
    from admin_api.directory.records import inbox_record
    from storage.alerts.inbox_webhook import webhooks_of_inboxes
    from storage.directory.inboxes import aliases, list_inboxes

    key = tenant.tenant_id
    known = await aliases(tx, tenant_id=key)
    webhooks = await webhooks_of_inboxes(tx, tenant_id=key)
    return [
        inbox_record(
            item,
            known.get(item.inbox_id, []),
            settings=True,
            webhook=webhooks.get(item.inbox_id),
        )
        for item in await list_inboxes(tx, tenant_id=key)
    ]


async def _deleted_ones(tx: Tx, tenant_text: str | None) -> list[Record]:
    from storage.clock import rfc3339, system_clock
    from storage.ids import to_text
    from storage.maintenance.inbox_removal import GRACE, list_deleted_inboxes

    return [
        {
            "inbox_id": to_text("inb", one.inbox_id),
            "address": one.address,
            "deleted_at": rfc3339(one.deleted_at),
            "purge_at": rfc3339(one.deleted_at + GRACE),
        }
        for tenant in await tenants_asked(tx, tenant_text)
        for one in await list_deleted_inboxes(tx, tenant_id=tenant.tenant_id, now=system_clock())
    ]


@inbox.command("set")
@common
@click.argument("inbox_text", metavar="INBOX")
@click.option("--owner", metavar="EMAIL", help="Give it to this user.")
@click.option("--no-owner", is_flag=True, help="Take it from its owner.")
@click.option("--name", metavar="N", help="How it is called; empty for no name.")
@click.option("--timezone", metavar="ZONE", help="Such as Europe/Berlin.")
@click.option(
    "--share-relationships/--hide-relationships",
    "shares",
    default=None,
    help="Whether teammates are told whom it knows.",
)
@click.option("--signature", metavar="TEXT", help="What the page puts under its letters.")
@click.pass_obj
def change(
    call: Invocation,
    *,
    inbox_text: str,
    owner: str | None,
    no_owner: bool,
    name: str | None,
    timezone: str | None,
    shares: bool | None,
    signature: str | None,
) -> None:
    """Change INBOX (id or address); what is not named stays. The address never changes."""
    from admin_api.commands.terminal import arguments
    from admin_api.directory.records import inbox_record
    from storage.directory.inboxes import aliases_of, set_inbox_owner, update_inbox
    from storage.directory.operator_names import inbox_meant, user_meant

    if owner is not None and no_owner:
        raise click.UsageError("--owner and --no-owner exclude each other.")
    title = arguments.name(name) if name else name
    zone = arguments.timezone(timezone) if timezone else None
    signed = arguments.signature(signature) if signature else signature
    if owner is None and not no_owner and (title, zone, shares, signed) == (None,) * 4:
        raise click.UsageError("Say what to change.")

    async def work(tx: Tx) -> Record:
        found = await inbox_meant(tx, text=inbox_text)
        key = {"tenant_id": found.tenant_id, "inbox_id": found.inbox_id}
        if owner is not None or no_owner:
            user = owner and await user_meant(
                tx, tenant_id=found.tenant_id, email=owner, field="owner"
            )
            owner_id = user.user_id if user else None
            await set_inbox_owner(tx, **key, owner_user_id=owner_id, now=system_clock())
        changed = await update_inbox(
            tx,
            tenant_id=found.tenant_id,
            inbox_id=found.inbox_id,
            display_name=title,
            default_timezone=zone,
            share_relationships=shares,
            signature=signed,
        )
        await _note_change(tx, found, changed)
        return inbox_record(changed, await aliases_of(tx, **key), settings=True)

    call.show(call.write(work))


async def _note_change(tx: Tx, before: Inbox, changed: Inbox) -> None:
    from dataclasses import asdict

    from admin_api.commands.terminal.operator_trail import note

    was = asdict(before)
    fields = sorted(field for field, value in asdict(changed).items() if value != was[field])
    if fields:
        await note(
            tx,
            "inbox.changed",
            changed.inbox_id,
            tenant_id=changed.tenant_id,
            name=changed.address,
            details={"fields": fields},
        )


@inbox.command()
@common
@click.argument("inbox_text", metavar="INBOX")
@click.pass_obj
def delete(call: Invocation, *, inbox_text: str) -> None:
    """Delete INBOX (id or address).

    For 30 days `inbox restore` brings it and its mail back.
    """
    from admin_api.commands.terminal.operator_trail import note
    from admin_api.directory.records import inbox_record
    from storage.directory.operator_names import inbox_meant
    from storage.maintenance.inbox_removal import delete_inbox

    async def work(tx: Tx) -> Record:
        found = await inbox_meant(tx, text=inbox_text)
        key = found.tenant_id
        await delete_inbox(tx, tenant_id=key, inbox_id=found.inbox_id, now=system_clock())
        await note(tx, "inbox.deleted", found.inbox_id, tenant_id=key, name=found.address)
        return inbox_record(found, [], settings=True)

    call.show(call.write(work))


@inbox.command()
@common
@click.argument("inbox_text", metavar="INBOX")
@click.pass_obj
def restore(call: Invocation, *, inbox_text: str) -> None:
    """Bring a deleted INBOX and its mail back.

    Its memberships, tokens and alerts stay away.
    """
    from admin_api.commands.terminal.operator_trail import note
    from admin_api.directory.records import inbox_record
    from storage.address import canonical_or_none
    from storage.directory.operator_names import tenant_of_inbox
    from storage.ids import from_text
    from storage.maintenance.inbox_removal import find_deleted_inbox, restore_inbox

    async def work(tx: Tx) -> Record:
        key, now = await tenant_of_inbox(tx, text=inbox_text), system_clock()
        deleted = await find_deleted_inbox(
            tx,
            tenant_id=key,
            inbox_id=from_text("inb", inbox_text),
            canonical=canonical_or_none(inbox_text),
            now=now,
        )
        restored = await restore_inbox(tx, tenant_id=key, inbox_id=deleted.inbox_id, now=now)
        await note(tx, "inbox.restored", restored.inbox_id, tenant_id=key, name=restored.address)
        return inbox_record(restored, [], settings=True)

    call.show(call.write(work))

"""`postroom token`: credentials of an inbox for agents and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.acting import ANY_TENANT, tenants_asked
from admin_api.commands.terminal.invocation import Invocation, common
from storage.clock import system_clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.accounts.tokens import Token
    from storage.database import Tx


@click.group()
@common
def token() -> None:
    """Make, list, pause, resume, rotate and revoke agent tokens."""


async def _note(tx: Tx, action: str, token: Token, **details: Sequence[str]) -> None:
    from admin_api.commands.terminal.operator_trail import note
    from storage.ids import to_text

    await note(
        tx,
        action,
        token.token_id,
        tenant_id=token.tenant_id,
        name=token.label,
        details={"of_inbox_id": to_text("inb", token.inbox_id), **details},
    )


@token.command()
@common
@click.argument("inbox")
@click.option("--label", required=True, help="What the token is for.")
@click.option("--scopes", required=True, metavar="A,B", help="Such as email:read,email:write.")
@click.option(
    "--requires-approval", metavar="A,B", default="", help="Calls a person approves: email:send."
)
@click.option("--send-to", metavar="WHOM", help="participants (default), contacts or anyone.")
@click.option("--send-rate", type=int, help="The most letters an hour (default 30).")
@click.pass_obj
def create(
    call: Invocation,
    *,
    inbox: str,
    label: str,
    scopes: str,
    requires_approval: str,
    send_to: str | None,
    send_rate: int | None,
) -> None:
    """Make a token for INBOX (id or address) and show it, once."""
    from admin_api.accounts.records import token_record
    from admin_api.commands.terminal import arguments
    from storage.accounts.tokens import AS_NEW, Sending, create_token
    from storage.directory.operator_names import inbox_meant

    title = arguments.name(label, "label")
    now = system_clock()
    asked = _split(scopes)
    sending = Sending(
        tuple(_split(requires_approval)),
        send_to or AS_NEW.send_to,
        AS_NEW.send_rate if send_rate is None else send_rate,
    )

    async def work(tx: Tx) -> tuple[Token, str]:
        found = await inbox_meant(tx, text=inbox)
        made, secret = await create_token(
            tx,
            tenant_id=found.tenant_id,
            inbox_id=found.inbox_id,
            label=title,
            scopes=asked,
            created_by=None,
            expires_at=None,
            now=now,
            sending=sending,
        )
        await _note(tx, "token.created", made, scopes=made.scopes)
        return made, secret

    made, secret = call.write(work)
    call.show(token_record(made, now=now) | {"token": secret})


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


@token.command("list")
@common
@ANY_TENANT
@click.option("--inbox", metavar="INBOX", help="Only this inbox's (id or address).")
@click.pass_obj
def show_all(call: Invocation, tenant_text: str | None, inbox: str | None) -> None:
    """List the tokens that are not revoked, tenant by tenant."""
    from admin_api.accounts.records import token_record
    from storage.accounts.tokens import list_tokens
    from storage.directory.operator_names import inbox_meant

    async def work(tx: Tx) -> list[Token]:
        only = None if inbox is None else (await inbox_meant(tx, text=inbox)).inbox_id
        asked = await tenants_asked(tx, tenant_text)
        found = [one for each in asked for one in await list_tokens(tx, tenant_id=each.tenant_id)]
        return [one for one in found if only in (None, one.inbox_id)]

    records = [token_record(one, now=system_clock()) for one in call.read(work)]
    columns = ("token_id", "label", "status", "scopes", "last_used_at")
    call.show_all(records, *columns, empty="There are no tokens.")


@token.command()
@common
@click.argument("token_text", metavar="TOKEN")
@click.pass_obj
def pause(call: Invocation, token_text: str) -> None:
    """Refuse TOKEN (its id) until it is resumed."""
    _switch(call, token_text, paused=True)


@token.command()
@common
@click.argument("token_text", metavar="TOKEN")
@click.pass_obj
def resume(call: Invocation, token_text: str) -> None:
    """Take a paused TOKEN (its id) again."""
    _switch(call, token_text, paused=False)


def _switch(call: Invocation, token_text: str, *, paused: bool) -> None:
    from admin_api.accounts.records import token_record
    from storage.accounts.tokens import set_paused
    from storage.directory.operator_names import token_meant

    async def work(tx: Tx) -> Token:
        found = await token_meant(tx, text=token_text)
        key = {"tenant_id": found.tenant_id, "token_id": found.token_id}
        switched = await set_paused(tx, **key, paused=paused)
        if switched != found:
            await _note(tx, "token.paused" if paused else "token.resumed", switched)
        return switched

    call.show(token_record(call.write(work), now=system_clock()))


@token.command()
@common
@click.argument("token_text", metavar="TOKEN")
@click.pass_obj
def rotate(call: Invocation, token_text: str) -> None:
    """Give TOKEN (its id) a new secret, shown once; the old one ends now."""
    from admin_api.accounts.records import token_record
    from storage.accounts.tokens import rotate_token
    from storage.directory.operator_names import token_meant

    async def work(tx: Tx) -> tuple[Token, str]:
        found = await token_meant(tx, text=token_text)
        key = {"tenant_id": found.tenant_id, "token_id": found.token_id}
        rotated, secret = await rotate_token(tx, **key, rotated_by=None)
        await _note(tx, "token.rotated", rotated)
        return rotated, secret

    rotated, secret = call.write(work)
    call.show(token_record(rotated, now=system_clock()) | {"token": secret})


@token.command()
@common
@click.argument("token_text", metavar="TOKEN")
@click.pass_obj
def revoke(call: Invocation, token_text: str) -> None:
    """End TOKEN (its id) for good."""
    from dataclasses import replace

    from admin_api.accounts.records import token_record
    from storage.accounts.tokens import revoke_token
    from storage.directory.operator_names import token_meant

    async def work(tx: Tx) -> Token:
        found = await token_meant(tx, text=token_text)
        await revoke_token(tx, tenant_id=found.tenant_id, token_id=found.token_id)
        await _note(tx, "token.revoked", found)
        return replace(found, status="revoked")

    call.show(token_record(call.write(work), now=system_clock()))

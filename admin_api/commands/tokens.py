"""`postroom token`: credentials of an inbox for agents and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.invocation import Invocation, common

if TYPE_CHECKING:
    from storage.accounts.tokens import Token
    from storage.database import Tx


@click.group()
@common
def token() -> None:
    """Make agent tokens."""


@token.command()
@common
@click.argument("inbox")
@click.option("--label", required=True, help="What the token is for.")
@click.option("--scopes", required=True, metavar="A,B", help="Such as email:read,email:write.")
@click.pass_obj
def create(call: Invocation, inbox: str, label: str, scopes: str) -> None:
    """Make a token for INBOX (id or address) and show it, once."""
    from admin_api.accounts.records import token_record
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from storage.accounts.tokens import create_token
    from storage.clock import system_clock
    from storage.directory.operator_names import inbox_meant
    from storage.ids import to_text

    title = arguments.name(label, "label")
    now = system_clock()
    asked = [scope.strip() for scope in scopes.split(",") if scope.strip()]

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
        )
        await note(
            tx,
            "token.created",
            made.token_id,
            tenant_id=found.tenant_id,
            name=made.label,
            details={"of_inbox_id": to_text("inb", made.inbox_id), "scopes": made.scopes},
        )
        return made, secret

    made, secret = call.write(work)
    call.show(token_record(made, now=now) | {"token": secret})

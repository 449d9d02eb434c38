"""`postroom reparse`: have all stored messages parsed once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.invocation import Invocation, common

if TYPE_CHECKING:
    from storage.database import Database


@click.command()
@common
@click.pass_obj
def reparse(call: Invocation) -> None:
    """Have the server parse all stored messages once more.

    It does so in the background, beside the mail.

    /metrics shows how many are left (postroom_backlog, job "reparsing").
    """
    from admin_api.commands.terminal.store import run
    from storage.mailbox.reparse import start_again

    async def work(database: Database) -> int:
        return await database.write(start_again)

    count = run(call.settings(), work)
    call.answer({"messages": count}, f"{count} messages will be parsed once more by the server.")

"""`postroom agenda`: the tasks of an inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.acting import INBOX, view_of
from admin_api.commands.terminal.invocation import Invocation, common

if TYPE_CHECKING:
    from storage.database import Tx
    from storage.teamwork.tasks import Task


@click.command()
@common
@INBOX
@click.option("--completed", is_flag=True, help="Also what is done.")
@click.option("--limit", type=click.IntRange(1, 1000), default=1000)
@click.pass_obj
def agenda(call: Invocation, *, inbox: str, completed: bool, limit: int) -> None:
    """List the tasks of an inbox. Those without a due time come first, then by due time."""
    from admin_api.teamwork.records import task_record
    from storage.teamwork import tasks

    async def work(tx: Tx) -> list[Task]:
        view = await view_of(tx, inbox)
        return await tasks.agenda(
            tx,
            tenant_id=view.tenant_id,
            inbox_id=view.inbox_id,
            completed=completed,
            after=None,
            limit=limit,
            now=view.now,
        )

    records = [task_record(task) for task in call.read(work)]
    call.show_all(records, "task_id", "due_at", "title", "description", empty="Nothing to do.")

"""`postroom audit`: accepted = owed = present, or every fault named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.invocation import Faults, Invocation, common

if TYPE_CHECKING:
    from storage.audit import Report
    from storage.database import Database


@click.command()
@common
@click.option("--deep", is_flag=True, help="Compare the SHA-256 of every content, too.")
@click.pass_obj
def audit(call: Invocation, deep: bool) -> None:
    """Prove that every copy that is owed is present, with its bytes; exit status 1 when not."""
    from admin_api.commands.store import run
    from storage.audit import audit as judge
    from storage.content import ContentDirectory
    from storage.ids import to_text

    settings = call.settings()

    async def work(database: Database) -> Report:
        return await judge(database, ContentDirectory(settings.data), deep=deep)

    report = run(settings, work)
    faults = [
        {"message_id": to_text("msg", finding.message_id), "fault": finding.fault}
        for finding in report.findings
    ]
    counts = {
        "messages": report.messages,
        "copies_owed": report.copies_owed,
        "copies_gone": report.copies_gone,
        "copies_present": report.copies_present,
    }
    summary = "\n".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
    call.answer(counts | {"faults": faults}, summary)
    if faults:
        raise Faults(*(f"{item['message_id']}: {item['fault']}" for item in faults))

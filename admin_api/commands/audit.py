"""`postroom audit` and `postroom verify`: accepted = owed = present, or every fault named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, common

if TYPE_CHECKING:
    from storage.database import Database
    from storage.maintenance.integrity import Report


@click.command()
@common
@click.option("--deep", is_flag=True, help="Compare the SHA-256 of every content, too.")
@click.pass_obj
def audit(call: Invocation, deep: bool) -> None:
    """Prove that every copy that is owed is present, with its bytes; exit status 1 when not."""
    _tell(call, _judged(call, deep=deep, stray=False), {})


@click.command()
@common
@click.pass_obj
def verify(call: Invocation) -> None:
    """Read every byte that is kept, and find torn, missing and orphaned files; changes nothing.

    Orphaned files are no fault: they are what a crash left behind, and go by themselves.
    """
    judged = _judged(call, deep=True, stray=True)
    _tell(call, judged, {"orphaned_files": judged.orphaned})


@dataclass(frozen=True, slots=True)
class _Judged:
    report: Report
    orphaned: list[str]


def _judged(call: Invocation, *, deep: bool, stray: bool) -> _Judged:
    import time

    from admin_api.commands.terminal.store import run
    from storage.content.message_bytes import ContentDirectory
    from storage.content.orphans import orphans
    from storage.maintenance.integrity import audit as judge

    settings = call.settings()

    async def work(database: Database) -> _Judged:
        contents = ContentDirectory(settings.data)
        report = await judge(database, contents, deep=deep)
        found: list[str] = []
        if stray:
            async for files in orphans(database, contents, now=time.time()):
                found += files
        return _Judged(report, sorted(found))

    return run(settings, work)


def _tell(call: Invocation, judged: _Judged, more: dict[str, list[str]]) -> None:
    from storage.ids import to_text

    report = judged.report
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
    told = counts | {name: len(files) for name, files in more.items()}
    summary = "\n".join(f"{count} {name.replace('_', ' ')}" for name, count in told.items())
    call.answer(counts | more | {"faults": faults}, summary)
    if faults:
        raise Faults(*(f"{item['message_id']}: {item['fault']}" for item in faults))

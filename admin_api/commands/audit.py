"""`postroom audit` and `postroom verify`: accepted = owed = present, or every fault named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, common

if TYPE_CHECKING:
    from config.settings import Settings
    from storage.database import Reads, Store
    from storage.maintenance.integrity import Finding, Report
    from storage.maintenance.verification import Verification

_ADVICE = "what to do: postroom restore, or see docs/backup.md for a store that is partly damaged"
_UNREAD = "what to do: postroom verify once more when all can be reached; no damage is known of it"


@click.command()
@common
@click.option("--deep", is_flag=True, help="Compare the SHA-256 of every content, too.")
@click.pass_obj
def audit(call: Invocation, deep: bool) -> None:
    """Prove that every copy that is owed is there, with its bytes."""
    from admin_api.commands.terminal.store import contents_of, run_reading
    from storage.maintenance.integrity import audit as check

    settings = call.settings()

    async def work(database: Reads) -> Report:
        return await check(database, contents_of(settings, database), deep=deep)

    report = run_reading(settings, work)
    _tell(call, report, report.findings, {})


@click.command()
@common
@click.option("--repair", is_flag=True, help="Remove orphaned contents.")
@click.pass_obj
def verify(call: Invocation, repair: bool) -> None:
    """Read all of the store, and name all that is damaged.

    That is every page of the database, and every content.

    Nothing is changed without --repair, and read access is enough. Orphaned contents are no fault:
    a crash left them behind, and the server removes them after an hour.
    """
    from admin_api.commands.terminal.store import require_store, verified

    settings = call.settings()
    require_store(settings)
    found = verified(settings)
    removed = _without_orphans(settings, found) if repair and found.orphans else 0
    more = {"orphaned_files": [*found.orphans]}
    _tell(call, found.report, found.findings, more, repaired=removed if repair else None)


def _without_orphans(settings: Settings, found: Verification) -> int:
    from admin_api.commands.terminal.store import contents_of, run
    from storage.content.orphans import remove_orphans

    async def work(database: Store) -> int:
        return await remove_orphans(
            database, contents_of(settings, database, database), found.orphans
        )

    return run(settings, work)


def _tell(
    call: Invocation,
    report: Report,
    findings: tuple[Finding, ...],
    more: dict[str, list[str]],
    *,
    repaired: int | None = None,
) -> None:
    from storage.ids import to_text

    faults = [
        {
            "message_id": to_text("msg", finding.message_id) if finding.message_id else None,
            "fault": finding.fault,
        }
        for finding in findings
    ]
    counts = {
        "messages": report.messages,
        "copies_owed": report.copies_owed,
        "copies_gone": report.copies_gone,
        "copies_present": report.copies_present,
    }
    told = counts | {name: len(files) for name, files in more.items()}
    if repaired is not None:
        told["removed_files"] = repaired
        counts["removed_files"] = repaired
    summary = "\n".join(f"{count} {name.replace('_', ' ')}" for name, count in told.items())
    call.answer(counts | more | {"faults": faults}, summary)
    if faults:
        lines = [f"{item['message_id'] or 'store'}: {item['fault']}" for item in faults]
        unread = {finding.unread for finding in findings}
        advice = [*([_ADVICE] if False in unread else []), *([_UNREAD] if True in unread else [])]
        raise Faults(*lines, *(advice if more else []))

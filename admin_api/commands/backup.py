"""`postroom backup` and `postroom restore`: one moment of the store in a directory, and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, common
from admin_api.commands.terminal.progress import clear_progress, show_progress

if TYPE_CHECKING:
    from storage.backup.backup import BackupReport

_NICE = 10  # mail goes first


@click.command()
@common
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--keep", type=click.IntRange(min=1), help="Remove all but the newest N backups.")
@click.pass_obj
def backup(call: Invocation, directory: Path, keep: int | None) -> None:
    """Back up the store into a new directory below DIR.

    It works beside a running server.

    Files that did not change since the last backup in DIR are linked to it, not written again. Each
    backup is whole by itself.
    """
    from admin_api.commands.terminal.backups import backed_up

    settings = call.settings()
    os.nice(_NICE)
    report, removed = backed_up(settings, directory, keep, show_progress())
    clear_progress()
    call.answer(_record(report, removed), _summary(report))
    if report.manifest.faults:
        raise Faults(*report.manifest.faults, "all else is in the backup; see postroom verify")


@click.command()
@common
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, path_type=Path))
@click.pass_obj
def restore(call: Invocation, directory: Path) -> None:
    """Restore a backup into an empty place, and verify it.

    The data directory must be empty, and on PostgreSQL the schema. DIR is one backup, or a
    directory of backups, of which the newest is taken.
    """
    from admin_api.commands.terminal.backups import restored
    from admin_api.commands.terminal.store import verified

    settings = call.settings()
    path, manifest = restored(settings, directory)
    found = verified(settings)
    counts = {"messages": found.report.messages, "copies_present": found.report.copies_present}
    call.answer(
        {"backup": str(path), "release": manifest.release, **counts},
        f"restored {path}\n{counts['messages']} messages, {counts['copies_present']} copies",
    )
    if found.findings or manifest.faults:
        raise Faults(*manifest.faults, *(finding.fault for finding in found.findings))


def _record(report: BackupReport, removed: list[Path]) -> dict[str, object]:
    return {
        "backup": str(report.path),
        "pieces": len(report.manifest.pieces),
        "octets_written": report.octets.written,
        "octets_linked": report.octets.linked,
        "removed": [str(path) for path in removed],
        "faults": [*report.manifest.faults],
    }


def _summary(report: BackupReport) -> str:
    written, linked = report.octets.written / 2**20, report.octets.linked / 2**20
    return f"{report.path}\n{written:.1f} MiB written, {linked:.1f} MiB linked to the last backup"

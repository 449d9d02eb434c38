"""`postroom content`: where the bytes of large messages lie, and moving them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, common
from admin_api.commands.terminal.progress import clear_progress

if TYPE_CHECKING:
    from storage.database import Store
    from storage.maintenance.content_move import MoveReport

_NICE = 10  # mail goes first


@click.group()
@common
def content() -> None:
    """Move the bytes of large messages.

    They go to where the setting `content` puts new ones.
    """


@content.command()
@common
@click.option("--dry-run", is_flag=True, help="Change nothing; tell what would be moved.")
@click.pass_obj
def move(call: Invocation, dry_run: bool) -> None:
    """Move the large messages that are stored elsewhere.

    It works beside a running server, and can be stopped and run again. Files in the data directory
    of another gateway are counted, and have to be moved on that machine.
    """
    from admin_api.commands.terminal.store import contents_of, run
    from storage.clock import system_clock
    from storage.ids import to_text
    from storage.maintenance.content_move import (
        LINGER_SECONDS,
        MoveReport,
        count_misplaced,
        move_contents,
    )

    settings = call.settings()
    os.nice(_NICE)

    async def work(database: Store) -> MoveReport:
        contents = contents_of(settings, database, database)
        contents.prepare()
        if dry_run:
            return MoveReport(*await count_misplaced(database, contents))
        return await move_contents(
            database, contents, clock=system_clock, progress=_show, linger=LINGER_SECONDS
        )

    found = run(settings, work)
    damaged = [to_text("msg", message_id) for message_id in found.damaged]
    record = {
        "to": settings.content_place,
        "dry_run": dry_run,
        "moved": found.moved,
        "octets": found.octets,
        "elsewhere": found.absent,
        "damaged": damaged,
    }
    clear_progress()
    call.answer(record, _summary(found, settings.content_place, dry_run=dry_run))
    if damaged:
        raise Faults(
            *(f"{one}: the content is missing, or is not what was stored" for one in damaged)
        )


def _summary(found: MoveReport, place: str, *, dry_run: bool) -> str:
    told = f"{found.moved} contents, {found.octets / 2**20:.1f} MiB"
    lines = [f"{told} would be moved to: {place}" if dry_run else f"{told} moved to: {place}"]
    if found.absent:
        lines.append(f"{found.absent} are in files that are not here: run this on their gateway")
    return "\n".join(lines)


def _show(found: MoveReport) -> None:
    if sys.stderr.isatty():
        told = f"{found.moved} contents, {found.octets / 2**20:.1f} MiB moved"
        click.echo(f"\r{told}\x1b[K", err=True, nl=False)

"""`postroom copy`: a whole store to another place, on either engine, to be used there instead."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, common
from admin_api.commands.terminal.progress import clear_progress, show_progress

if TYPE_CHECKING:
    from config.settings import Settings
    from storage.relocation.relocate import CopyReport

_NICE = 10  # who reads the old store goes first
_STORE = "STORE is a directory with a SQLite store, or postgresql://user@host/database."
_DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.command()
@common
@click.option("--from", "old", metavar="STORE", required=True, help=f"The old store. {_STORE}")
@click.option("--to", "new", metavar="STORE", help="The new store, an empty place.")
@click.option(
    "--from-data", type=_DIRECTORY, metavar="DIR", help="Data directory of an old PostgreSQL store."
)
@click.option(
    "--to-data", type=_DIRECTORY, metavar="DIR", help="Data directory of a new PostgreSQL store."
)
@click.option("--release", is_flag=True, help="Let the old store take changes again; copy nothing.")
@click.pass_obj
def copy(
    call: Invocation,
    *,
    old: str,
    new: str | None,
    from_data: Path | None,
    to_data: Path | None,
    release: bool,
) -> None:
    """Copy a whole store to another place or engine.

    It is used there from then on.

    From its start on the old store is read as before and takes no changes: mail is deferred, calls
    that change something get 503. A copy that was stopped goes on when the same command is run
    again. Without --from-data and --to-data the setting `data` counts.
    """
    from admin_api.commands.terminal.relocation import copied, released

    if release == (new is not None):
        raise click.UsageError("give either --to STORE or --release")
    source = _settings(call, old, from_data)
    if new is None:
        was_sealed = released(source)
        told = "takes changes again" if was_sealed else "was not sealed"
        call.answer({"from": _shown(source), "released": was_sealed}, f"{_shown(source)} {told}")
        return
    target = _settings(call, new, to_data)
    os.nice(_NICE)
    report = copied(source, target, show_progress())
    clear_progress()
    call.answer(_record(source, target, report), _summary(target, report))
    if report.contents.faults:
        raise Faults(*report.contents.faults, "all else is copied; see postroom verify")
    setting = "data" if target.store == "sqlite" else "store"
    call.hint(
        f"next: set `{setting}` to {_shown(target)}, start the gateways, run postroom verify;\n"
        f"the old store takes no changes until postroom copy --from {_shown(source)} --release"
    )


def _settings(call: Invocation, store: str, data: Path | None) -> Settings:
    """The settings of a server on this store."""
    if store.startswith(("postgresql:", "postgres:")):
        return call.settings(store=store, data=str(data) if data else call.data)
    if data is not None:
        raise click.UsageError("a SQLite store is named by its directory alone")
    return call.settings(store="sqlite", data=call.data if store == "sqlite" else store)


def _shown(settings: Settings) -> str:
    from config.urls import store_text

    embedded = settings.store == "sqlite"
    return str(settings.data) if embedded else store_text(settings.store)


def _record(source: Settings, target: Settings, report: CopyReport) -> dict[str, object]:
    return {
        "from": _shown(source),
        "to": _shown(target),
        "rows": sum(report.rows.values()),
        "messages": report.rows["messages"],
        "copies": report.rows["copies"],
        "large_contents": report.contents.count,
        "octets": report.contents.octets,
        "was_complete": report.was_complete,
        "faults": [*report.contents.faults],
    }


def _summary(target: Settings, report: CopyReport) -> str:
    rows, large = report.rows, report.contents
    told = "was copied before, all of it," if report.was_complete else "copied"
    return (
        f"{told} to {_shown(target)}\n{rows['messages']} messages, {rows['copies']} copies,"
        f" {large.count} large contents of {large.octets / 2**20:.1f} MiB"
    )

"""`postroom retention`: delete expired data now, or count it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, common, table

if TYPE_CHECKING:
    from storage.database import Store


@click.command()
@common
@click.option("--dry-run", is_flag=True, help="Change nothing; tell what would go.")
@click.pass_obj
def retention(call: Invocation, dry_run: bool) -> None:
    """Delete expired data, as the server does every hour.

    The exit status is 1 while another process does it.
    """
    from admin_api.commands.terminal.store import contents_of, run
    from gateway.jobs.retention import FILES, SPOOLS, Incomplete, due, one_round
    from storage.clock import DAY, system_clock
    from storage.maintenance.job_lease import LeaseLost
    from storage.maintenance.retention import KINDS

    settings = call.settings()
    now = system_clock()

    async def work(database: Store) -> dict[str, int]:
        contents = contents_of(settings, database, database)
        contents.prepare()
        if dry_run:
            return await due(database, contents, now=now)
        return await one_round(database, contents, now=now, clock=system_clock)

    try:
        found = run(settings, work)
    except LeaseLost:
        raise Faults("retention: another process is at it; try again in a few minutes") from None
    except Incomplete as error:
        raise Faults(*(f"{name}: {fault!r}" for name, fault in error.faults.items())) from error
    days = {kind.name: kind.kept // DAY for kind in KINDS}
    kinds = [
        {"kind": name, "days": days.get(name), "count": found.get(name, 0)}
        for name in (SPOOLS, *days, FILES)
    ]
    rows = [[one["kind"], one["days"], one["count"]] for one in kinds]
    call.answer({"dry_run": dry_run, "kinds": kinds}, table([["kind", "days", "count"], *rows], ""))

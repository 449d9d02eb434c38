"""`postroom events`: the events of an inbox, of seven days and as they happen."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.acting import INBOX, view_of
from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, common, table

if TYPE_CHECKING:
    from admin_api.http.records import Record
    from storage.database import Database, Tx

_LOOK_SECONDS = 0.5
_AT_ONCE = 200


@click.command()
@common
@INBOX
@click.option("--after", metavar="EVENT", help="Only what happened after this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=1000, show_default=True)
@click.option("--follow", is_flag=True, help="Go on with what happens, a line each, until Ctrl-C.")
@click.pass_obj
def events(call: Invocation, *, inbox: str, after: str | None, limit: int, follow: bool) -> None:
    """Show what INBOX was told in the last seven days, oldest first."""
    from storage.ids import from_text

    behind = None if after is None else from_text("evt", after)
    if after is not None and behind is None:
        raise Faults("after: is no id of an event")
    if follow:
        _follow(call, inbox, behind)
        return

    async def work(tx: Tx) -> list[Record]:
        return await _read(tx, inbox, behind, limit)

    records = call.read(work)
    heads = ("event", "time", "type", "about")
    lines = [_line(record) for record in records]
    call.answer(records, table(lines, "Nothing has happened.", heads=heads))


def _follow(call: Invocation, inbox: str, behind: bytes | None) -> None:
    from admin_api.commands.terminal.store import run
    from storage.events.log import newest_event_id
    from storage.ids import from_text

    async def newest(tx: Tx) -> bytes:
        return await newest_event_id(tx, tenant_id=(await view_of(tx, inbox)).tenant_id)

    async def go_on(database: Database) -> None:
        position = behind if behind is not None else await database.read(newest)
        while True:
            after = position

            async def work(tx: Tx, after: bytes = after) -> list[Record]:
                return await _read(tx, inbox, after, _AT_ONCE)

            records = await database.read(work)
            for record in records:
                click.echo(json.dumps(record) if call.json else table([_line(record)], ""))
                position = from_text("evt", str(record["event_id"])) or position
            if len(records) < _AT_ONCE:
                await asyncio.sleep(_LOOK_SECONDS)

    with contextlib.suppress(KeyboardInterrupt):
        run(call.settings(), go_on)


async def _read(tx: Tx, inbox: str, after: bytes | None, limit: int) -> list[Record]:
    """Return the events visible to the inbox. Raises Invalid for an unknown inbox."""
    from storage.events.catalogue import EVENT_TYPES, event_record
    from storage.events.log import events_after

    view = await view_of(tx, inbox)
    found = await events_after(tx, view=view, after=after, limit=limit, types=EVENT_TYPES)
    return [event_record(event, view.inbox_id) for event in found]


def _line(record: Record) -> list[object]:
    """Event, time, type and the first thing that it names."""
    data = record["data"]
    named = [*data.values()] if isinstance(data, dict) else []
    return [record["event_id"], record["timestamp"], record["type"], named[1]]

"""Lists that go on: the options by which a command shows a part of one, and leads to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, table

Command = TypeVar("Command", bound=Callable[..., object])


def paged(command: Command) -> Command:
    """Add `--limit` and `--cursor`."""
    limit = click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
    cursor = click.option(
        "--cursor", metavar="TEXT", help="Go on where a list before this one ended."
    )
    return limit(cursor(command))


def place_of(cursor: str | None) -> bytes | None:
    """The message that a cursor names. Raises Faults."""
    from storage.ids import from_text

    place = None if cursor is None else from_text("msg", cursor)
    if cursor is not None and place is None:
        raise Faults("cursor: is not one that a list gave")
    return place


def show_page(
    call: Invocation,
    records: list[dict[str, object]],
    lines: list[tuple[object, ...]],
    *,
    before: bytes | None,
    empty: str,
    heads: tuple[str, ...],
) -> None:
    """Print a part of a list; what is older than the message `before` comes next."""
    from storage.ids import to_text

    more = None if before is None else to_text("msg", before)
    text = table(lines, empty, heads=heads)
    if more:
        text += f"\nOlder ones: --cursor {more}"
    call.answer({"results": records, "cursor": more}, text)

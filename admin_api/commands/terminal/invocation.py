"""One call of the command line: the options that every command takes, and how it answers.

- `--config`, `--data` and `--json` are taken before and after the sub-command; the last one counts.
- With `--json` stdout is one JSON document. Faults go to stderr, a line each, with exit status 1;
  wrong usage is 2, which is click's part.
- Text from outside is shown without its control characters: mail must not move a cursor.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from admin_api.commands.terminal.faults import Faults, printable

if TYPE_CHECKING:
    from config.settings import Settings
    from storage.database import Work

_GAP = "  "
_LEAST_WIDTH = 4

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., object])
Document = Mapping[str, object] | Sequence[object]


@dataclass(slots=True)
class Invocation:
    """The shared options as typed, and what commands do with them."""

    config: str | None = None
    data: str | None = None
    json: bool = False
    warned: bool = False

    def settings(self, **options: object) -> Settings:
        """The settings; what is odd but no fault is told on stderr once. Raises Faults."""
        settings = self.load_settings(**options)
        for warning in () if self.warned else settings.warnings:
            click.echo(f"Warning: environment: {warning}", err=True)
        self.warned = True
        return settings

    def load_settings(self, **options: object) -> Settings:
        """The settings, with `options` over all other sources. Raises Faults."""
        from config.loading import SettingsError, load

        path = Path(self.config) if self.config else None
        try:
            return load(path, os.environ, {"data": self.data, **options})
        except SettingsError as error:
            raise Faults(*map(str, error.faults)) from error

    def read(self, work: Work[T]) -> T:
        """Run `work` on a snapshot of the store, which must be there. Raises Faults."""
        from admin_api.commands.terminal.store import run_reading

        return run_reading(self.settings(), lambda database: database.read(work))

    def write(self, work: Work[T], *, make: bool = False) -> T:
        """Run `work` in one write transaction; `make` makes the store if need be. Raises Faults."""
        from admin_api.commands.terminal.store import run

        return run(self.settings(), lambda database: database.write(work), make=make)

    def answer(self, document: Document, text: str) -> None:
        """Print the document with `--json`, else the text."""
        click.echo(json.dumps(document) if self.json else text)

    def hint(self, text: str) -> None:
        """Tell on stderr what to type next; nothing with `--json`."""
        if not self.json:
            click.echo(text, err=True)

    def show(self, record: Mapping[str, object]) -> None:
        """Print one record; as text it is a line for each field that holds something."""
        self.answer(record, table([item for item in record.items() if item[1] is not None], ""))

    def show_all(self, records: Sequence[Mapping[str, object]], *fields: str, empty: str) -> None:
        """Print records as an array; as text they are a line each with these fields."""
        rows = [[record[field] for field in fields] for record in records]
        self.answer(records, table(rows, empty, heads=fields))


def common(command: Command) -> Command:
    """Add the options that every command and every group of commands takes."""
    config = click.option(
        "--config", metavar="FILE", expose_value=False, callback=_keep, help="Settings file (TOML)."
    )
    data = click.option(
        "--data", metavar="DIR", expose_value=False, callback=_keep, help="Directory of the store."
    )
    as_json = click.option(
        "--json", is_flag=True, expose_value=False, callback=_keep, help="Answer in JSON."
    )
    return config(data(as_json(command)))


def show_version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    """Print the version of the installed package and exit, when that is asked."""
    if asked and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"postroom {version('postroom')}")
        context.exit()


def _keep(context: click.Context, parameter: click.Parameter, value: str | bool | None) -> None:
    call = context.ensure_object(Invocation)
    # The sub-command's default must not undo what was given before it.
    if value:
        setattr(call, str(parameter.name), value)


def table(rows: Sequence[Sequence[object]], empty: str, *, heads: Sequence[str] = ()) -> str:
    """Rows as aligned columns; the sentence `empty` when there are none.

    With `heads` it is a list, which has them on a terminal, and is cut to its width there. Without
    it shows one thing: of that, a secret or a DNS record, nothing may be cut.
    """
    on_terminal = heads and sys.stdout.isatty()
    columns = shutil.get_terminal_size().columns if on_terminal else None
    return laid_out(rows, heads, columns) if rows else empty


def laid_out(rows: Sequence[Sequence[object]], heads: Sequence[str], columns: int | None) -> str:
    """Rows as aligned columns, for a terminal with so many `columns`, or for a program (None)."""
    cells = [[_cell(value) for value in row] for row in rows]
    if columns is not None and heads:  # a program that reads lines must meet no head among them
        cells.insert(0, [head.replace("_", " ").upper() for head in heads])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if columns is not None:
        widths = _narrowed(widths, columns - len(_GAP) * (len(widths) - 1))
    lines = (
        _GAP.join(_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def _narrowed(widths: list[int], room: int) -> list[int]:
    """Take what is over from the widest columns, from the first one last."""
    first, *others = widths  # the first is what the next command takes: an id, an address, a name
    while others and first + sum(others) > room and max(others) > _LEAST_WIDTH:
        widest = max(others)
        others[others.index(widest)] = widest - 1
    return [max(_LEAST_WIDTH, min(first, room - sum(others))), *others]


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else cell[: width - 1] + "…"


def _cell(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value)) or "-"
    if isinstance(value, Mapping):
        return " ".join(map(_cell, value.values()))
    return printable("-" if value is None else str(value)).replace("\n", "\\n").replace("\t", " ")

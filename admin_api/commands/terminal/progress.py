"""How far a long command is, on a terminal; nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click


def show_progress() -> Callable[[str, int, int], None]:
    """Return what shows what is done, how much of it, and of how much."""

    def show(what: str, done: int, total: int) -> None:
        click.echo(f"\r{what}: {done} of {total}\x1b[K", err=True, nl=False)

    def nothing(what: str, done: int, total: int) -> None:
        pass

    return show if sys.stderr.isatty() else nothing


def clear_progress() -> None:
    """Remove what was shown."""
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)

"""Faults as a command prints them: one line each on stderr, exit status 1."""

from __future__ import annotations

import click


class Faults(click.ClickException):
    """The faults of a command, a line each, with the field or setting."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))

    def show(self, file: object = None) -> None:
        click.echo(printable(self.message), err=True)


def printable(text: str) -> str:
    """`text` with control characters but the newline and the tab written as escapes."""
    # Names and subjects are strangers' text: an escape sequence could rewrite the screen.
    return "".join(
        character
        if character.isprintable() or character in "\n\t"
        else character.encode("unicode_escape").decode()
        for character in text
    )

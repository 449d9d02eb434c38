"""`postroom completion`: the words of the command line, completed by the shell."""

from __future__ import annotations

import click

from admin_api.commands.terminal.invocation import Invocation, common

_VARIABLE = "_POSTROOM_COMPLETE"  # read by click, which answers the shell's questions


@click.command()
@common
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def completion(call: Invocation, shell: str) -> None:
    """Print a script for SHELL that completes commands."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    root = click.get_current_context().find_root().command
    script = found(root, {}, "postroom", _VARIABLE).source()
    call.answer({"shell": shell, "script": script}, script.rstrip())

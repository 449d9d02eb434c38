"""`postroom config`: the settings checked, and shown with their origin."""

from __future__ import annotations

import click

from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, common, table


@click.group()
@common
def config() -> None:
    """Check and show the settings."""


@config.command()
@common
@click.pass_obj
def check(call: Invocation) -> None:
    """Check the settings of all sources; every fault is told."""
    try:
        call.settings()
    except Faults as faults:
        if call.json:
            call.answer({"ok": False, "faults": faults.message.split("\n")}, "")
        raise
    call.answer({"ok": True, "faults": []}, "The settings are right.")


@config.command()
@common
@click.pass_obj
def show(call: Invocation) -> None:
    """Show each setting's value and where it came from; secrets are hidden."""
    from config.loading import describe

    described = describe(call.settings())
    document = {item.key: {"value": item.value, "origin": item.origin} for item in described}
    lines = [(item.key, item.value, item.origin) for item in described]
    call.answer(document, table(lines, "", heads=("setting", "value", "origin")))

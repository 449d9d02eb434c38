"""The `postroom` command: the table of commands, and where each is found.

A command's module is imported when the command is used, so that `postroom serve` pays for the
server only, and `postroom tenant list` does not pay for it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper

import click

from admin_api.commands.terminal.examples import EXIT_STATUS, with_examples
from admin_api.commands.terminal.invocation import common, show_version

COMMANDS = {
    "serve": "gateway.commands.serve:serve",
    "demo": "gateway.commands.serve:demo",
    "ready": "gateway.commands.serve:ready",
    "config": "admin_api.commands.config:config",
    "tenant": "admin_api.commands.tenants:tenant",
    "user": "admin_api.commands.users:user",
    "domain": "admin_api.commands.domains:domain",
    "inbox": "admin_api.commands.inboxes:inbox",
    "list": "admin_api.commands.lists:distribution_list",
    "token": "admin_api.commands.tokens:token",
    "messages": "gateway.commands.messages:messages",
    "threads": "admin_api.commands.threads:threads",
    "note": "admin_api.commands.notes:note",
    "assign": "admin_api.commands.threads:assign",
    "contacts": "admin_api.commands.contacts:contacts",
    "who": "admin_api.commands.contacts:who",
    "agenda": "admin_api.commands.agenda:agenda",
    "events": "admin_api.commands.events:events",
    "resolve": "gateway.commands.resolve:resolve",
    "explain": "admin_api.commands.explain:explain",
    "audit": "admin_api.commands.audit:audit",
    "verify": "admin_api.commands.audit:verify",
    "content": "admin_api.commands.contents:content",
    "backup": "admin_api.commands.backup:backup",
    "restore": "admin_api.commands.backup:restore",
    "copy": "admin_api.commands.copy:copy",
    "audit-log": "admin_api.commands.audit_log:audit_log",
    "reparse": "gateway.commands.reparse:reparse",
    "retention": "gateway.commands.retention:retention",
    "sending": "admin_api.commands.sending:sending",
    "send-check": "gateway.commands.send_check:send_check",
    "send": "gateway.commands.send:send",
    "completion": "admin_api.commands.completion:completion",
}


_SHORT = 62  # and the name beside it fit 80 columns
# How the help shows them.
GROUPS = {
    "Run": ("serve", "demo", "ready", "config", "send", "send-check", "completion"),
    "Set up": ("tenant", "user", "domain", "inbox", "list", "token"),
    "Read and check": ("messages", "resolve", "explain", "audit", "audit-log", "events", "sending"),
    "Work together": ("threads", "note", "assign", "agenda", "contacts", "who"),
    "Keep": ("verify", "backup", "restore", "copy", "retention", "reparse", "content"),
}


class _Commands(click.Group):
    """The table above as a click group."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return with_examples(command, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        grouped = {name for names in GROUPS.values() for name in names}
        others = tuple(name for name in COMMANDS if name not in grouped)
        for title, names in (GROUPS | {"Other": others}).items():
            found = {name: self.get_command(ctx, name) for name in names}
            rows = [(name, one.get_short_help_str(_SHORT)) for name, one in found.items() if one]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


@click.group(cls=_Commands, epilog=EXIT_STATUS)
@common
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=show_version,
    help="Show the version and exit.",
)
def postroom() -> None:
    """A post room for a team: mail for shared addresses, a copy for every member.

    Begin with `postroom demo`. `postroom COMMAND --help` has an example of each command.
    """


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # mail holds what the terminal's encoding may not
            stream.reconfigure(errors="backslashreplace")
    postroom(prog_name="postroom")


if __name__ == "__main__":
    main()

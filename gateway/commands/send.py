"""`postroom send`: deliver one message to an SMTP server."""

from __future__ import annotations

import click

from admin_api.commands.terminal.faults import Faults, printable
from admin_api.commands.terminal.invocation import Invocation, common


@click.command()
@common
@click.option(
    "--to", "recipients", metavar="ADDRESS", multiple=True, required=True, help="May be repeated."
)
@click.option("--from", "sender", metavar="ADDRESS", required=True, help="Empty for <>.")
@click.option("--subject", default="Hello from Postroom")
@click.option("--body", default="This is a test.")
@click.option("--server", metavar="HOST:PORT", help="Default: the first one in the settings.")
@click.pass_obj
def send(
    call: Invocation,
    *,
    recipients: tuple[str, ...],
    sender: str,
    subject: str,
    body: str,
    server: str | None,
) -> None:
    """Send a small mail by SMTP and show the reply."""
    from config.listening import reachable
    from gateway.transport.smtp_client import compose, deliver

    endpoint = call.settings(smtp=server).smtp[0]
    try:
        message = compose(sender, recipients, subject, body)
    except ValueError as error:
        raise Faults(str(error)) from error
    try:
        sent = deliver(reachable(endpoint), sender, recipients, message)
    except OSError as error:
        raise Faults(f"server: {endpoint} does not answer: {error.strerror or error}") from error
    call.answer(
        {"accepted": sent.accepted, "reply": sent.reply, "refused": sent.refused},
        printable(sent.reply),
    )
    if sent.refused:
        raise Faults(*(f"{command}: {reply}" for command, reply in sent.refused.items()))

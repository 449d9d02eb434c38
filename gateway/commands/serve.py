"""The commands that need the mail side: serve, demo, ready, resolve and send."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.invocation import Faults, Invocation, common, printable, table

if TYPE_CHECKING:
    from gateway.server.run import Running
    from storage.database import Tx
    from storage.directory.lists import Member
    from storage.directory.resolve import Resolution


@click.command()
@common
@click.pass_obj
def serve(call: Invocation) -> None:
    """Take mail and serve the API until SIGTERM."""
    settings = call.settings()  # what is wrong with them is told before anything is loaded

    from config.values import Endpoint
    from gateway.commands.startup import serve_until_told

    def announce(running: Running) -> None:
        smtp = [str(Endpoint(*bound)) for bound in running.smtp]
        http = [f"http://{Endpoint(*bound)}" for bound in running.http]
        text = f"Ready: SMTP on {', '.join(smtp)}; HTTP on {', '.join(http)}"
        call.answer({"smtp": smtp, "http": http}, text)

    sys.exit(serve_until_told(settings, announce))


@click.command()
@common
@click.option("--smtp", metavar="HOST:PORT", help="Where mail comes in (127.0.0.1:2525).")
@click.option("--http", metavar="HOST:PORT", help="Where the API is (127.0.0.1:8025).")
@click.pass_obj
def demo(call: Invocation, smtp: str | None, http: str | None) -> None:
    """Serve a list with three members and show how to send to it and read it.

    Without --data the store is a new one that is removed at the end.
    """
    from gateway.commands.demo import serve_demo

    sys.exit(serve_demo(call, smtp=smtp, http=http))


@click.command()
@common
@click.option("--wait", type=click.FloatRange(min=0), default=0, help="Seconds to wait at most.")
@click.pass_obj
def ready(call: Invocation, wait: float) -> None:
    """Wait until the server accepts mail and calls on all its addresses."""
    from gateway.commands.probe import await_ready

    settings = call.settings()
    silent = await_ready(settings, wait)
    document = {
        "ready": not silent,
        "smtp": [str(endpoint) for endpoint in settings.smtp],
        "http": [f"http://{endpoint}" for endpoint in settings.http],
    }
    if not silent or call.json:
        call.answer(document, "Ready.")
    if silent:
        raise Faults(*silent)


@click.command()
@common
@click.argument("address")
@click.pass_obj
def resolve(call: Invocation, address: str) -> None:
    """Tell what RCPT TO:<ADDRESS> is answered, and who would get a copy."""
    from gateway.smtp.command_arguments import BadCommand, parse_rcpt
    from gateway.smtp.session import reply_for
    from storage.address import canonical_or_none
    from storage.directory.lists import list_members
    from storage.directory.resolve import resolve as look_up
    from storage.ids import to_text

    postmaster = canonical_or_none(call.settings().postmaster) or ""
    argument = f"TO:<{address}>".encode("utf-8", "surrogateescape")
    try:
        path = parse_rcpt(argument, smtputf8=True).forward_path
    except BadCommand as error:
        raise Faults(f"address: {_line(error.reply.line)}") from None

    async def work(tx: Tx) -> tuple[Resolution, list[Member]]:
        found = await look_up(
            tx, local_part=path.local_part, domain=path.domain, postmaster=postmaster
        )
        if found.list_id is None:
            return found, []
        return found, await list_members(tx, tenant_id=found.tenant_id, list_id=found.list_id)

    found, members = call.read(work)
    copies = [
        {"inbox_id": to_text("inb", member.inbox_id), "address": member.inbox_address}
        for member in members
    ]
    if found.inbox_id is not None:
        copies = [{"inbox_id": to_text("inb", found.inbox_id), "address": found.address}]
    document = {
        "reply": _line(reply_for(found).line),
        "verdict": found.verdict.value,
        "address": found.address or None,
        "tenant_id": to_text("tnt", found.tenant_id) if found.tenant_id else None,
        "list_id": to_text("lst", found.list_id) if found.list_id else None,
        "copies": copies,
    }
    lines = [("reply", document["reply"]), *(("copy", copy["address"]) for copy in copies)]
    call.answer(document, table(lines, ""))


def _line(reply: bytes) -> str:
    return reply.decode("ascii").rstrip()


@click.command()
@common
@click.option("--to", "recipients", metavar="ADDRESS", multiple=True, required=True)
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
    """Send a small mail by SMTP and show the reply; --to may be repeated."""
    from gateway.commands.probe import reachable
    from gateway.commands.smtp_client import compose, deliver

    endpoint = call.settings(smtp=server).smtp[0]
    try:
        message = compose(sender, recipients, subject, body)
    except ValueError as error:
        raise Faults(str(error)) from error
    try:
        sent = deliver(reachable(endpoint), sender, recipients, message)
    except OSError as error:
        raise Faults(f"server: {endpoint} does not answer: {error}") from error
    call.answer(
        {"accepted": sent.accepted, "reply": sent.reply, "refused": sent.refused},
        printable(sent.reply),
    )
    if sent.refused:
        raise Faults(*(f"{command}: {reply}" for command, reply in sent.refused.items()))

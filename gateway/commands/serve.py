"""The commands that run a server or wait for one: serve, demo, ready."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, common
from config.listening import url_of

if TYPE_CHECKING:
    from gateway.server.lifecycle import Running


@click.command()
@common
@click.pass_obj
def serve(call: Invocation) -> None:
    """Take mail and serve the API until SIGTERM."""
    settings = call.load_settings()  # their faults are printed before anything is loaded

    from gateway.commands.startup import serve_until_told

    def announce(running: Running) -> None:
        smtp, lmtp = map(str, running.smtp), map(str, running.lmtp)
        http = map(url_of, running.http)
        smtps = map(str, running.smtps)
        found = {"smtp": [*smtp], "lmtp": [*lmtp], "smtps": [*smtps], "http": [*http]}
        said = [f"{key.upper()} on {', '.join(bound)}" for key, bound in found.items() if bound]
        call.answer(found, f"Ready: {'; '.join(said)}")

    sys.exit(serve_until_told(settings, announce, call.load_settings))


@click.command()
@common
@click.option("--smtp", metavar="HOST:PORT", help="Where mail comes in (127.0.0.1:2525).")
@click.option("--http", metavar="HOST:PORT", help="Where the API is (127.0.0.1:8025).")
@click.pass_obj
def demo(call: Invocation, smtp: str | None, http: str | None) -> None:
    """Serve a list with three members, and show how to try it.

    It prints credentials, and lines to paste: to send to the list, read the copies, open the page.

    Without --data the store is a new one that is removed at the end.
    """
    from gateway.commands.demo import serve_demo

    sys.exit(serve_demo(call, smtp=smtp, http=http))


@click.command()
@common
@click.option("--wait", type=click.FloatRange(min=0), default=0, help="Seconds to wait at most.")
@click.pass_obj
def ready(call: Invocation, wait: float) -> None:
    """Wait until the server takes mail and calls. It is asked at all its addresses."""
    from gateway.commands.probe import await_ready

    settings = call.settings()
    silent = await_ready(settings, wait)
    document = {
        "ready": not silent,
        "smtp": [str(endpoint) for endpoint in settings.smtp],
        "lmtp": [str(endpoint) for endpoint in settings.lmtp],
        "smtps": [str(endpoint) for endpoint in settings.smtps],
        "http": [url_of(address) for address in settings.http],
    }
    if not silent or call.json:
        call.answer(document, "Ready.")
    if silent:
        raise Faults(*silent)

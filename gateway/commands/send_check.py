"""`postroom send-check`: whether the smarthost takes our sign-in; sends nothing."""

from __future__ import annotations

import asyncio

import click

from admin_api.commands.terminal.faults import Faults, printable
from admin_api.commands.terminal.invocation import Invocation, common


@click.command("send-check")
@common
@click.pass_obj
def send_check(call: Invocation) -> None:
    """Connect to the smarthost, sign in, show what it offers, and leave."""
    from gateway.outbound.smarthost import HostFailed, SignInRefused, connect, smarthost_of

    settings = call.settings()
    if settings.smarthost is None:
        raise Faults("smarthost: is not set, so no letter is sent")

    async def look() -> dict[str, str]:
        connection = await connect(smarthost_of(settings))
        offered = connection.offers
        await connection.quit()
        return offered

    try:
        offered = asyncio.run(look())
    except HostFailed as error:
        raise Faults(f"smarthost: {settings.smarthost} failed: {printable(str(error))}") from error
    except SignInRefused as error:
        raise Faults(f"smarthost: refuses the sign-in: {printable(str(error))}") from error
    signed_in = bool(settings.smarthost_username)
    lines = [
        f"{settings.smarthost} answers, tls {settings.smarthost_tls}, "
        + ("signed in" if signed_in else "no sign-in"),
        *(printable(f"{name.upper()} {words}".strip()) for name, words in sorted(offered.items())),
    ]
    call.answer(
        {
            "smarthost": str(settings.smarthost),
            "tls": settings.smarthost_tls,
            "signed_in": signed_in,
            "offers": offered,
        },
        "\n".join(lines),
    )

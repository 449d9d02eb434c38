"""`postroom send-check`: whether the smarthost takes our sign-in; sends nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from admin_api.commands.terminal.acting import TENANT
from admin_api.commands.terminal.faults import Faults, printable
from admin_api.commands.terminal.invocation import Invocation, common

if TYPE_CHECKING:
    from gateway.outbound.smarthost import Smarthost
    from storage.database import Tx
    from storage.outbound.domain_smarthosts import DomainSmarthost


@click.command("send-check")
@common
@click.option("--domain", "name", metavar="DOMAIN", help="The smarthost that this domain has.")
@TENANT
@click.pass_obj
def send_check(call: Invocation, name: str | None, tenant_text: str | None) -> None:
    """Sign in at the smarthost, and show what it offers. No letter is sent."""
    from gateway.outbound.smarthost import HostFailed, SignInRefused, connect

    async def look(host: Smarthost) -> dict[str, str]:
        connection = await connect(host)
        offered = connection.offers
        await connection.quit()
        return offered

    at = "smarthost"
    try:
        host = _smarthost(call, name, tenant_text)
        at = f"{host.host}:{host.port}"
        offered = asyncio.run(look(host))
    except HostFailed as error:
        raise Faults(f"smarthost: {at} failed: {printable(str(error))}") from error
    except SignInRefused as error:
        raise Faults(f"smarthost: refuses the sign-in: {printable(str(error))}") from error
    signed_in = bool(host.username)
    lines = [
        f"{at} answers, tls {host.tls}, " + ("signed in" if signed_in else "no sign-in"),
        *(printable(f"{name.upper()} {words}".strip()) for name, words in sorted(offered.items())),
    ]
    call.answer(
        {"smarthost": at, "tls": host.tls, "signed_in": signed_in, "offers": offered},
        "\n".join(lines),
    )


def _smarthost(call: Invocation, name: str | None, tenant_text: str | None) -> Smarthost:
    """The smarthost of the domain, where it has one, else that of the settings."""
    from gateway.outbound.smarthost import smarthost_of, smarthost_of_domain

    settings = call.settings()
    own = None if name is None else _own(call, name, tenant_text)
    if own is not None:
        return smarthost_of_domain(settings, own)
    if settings.smarthost is None:
        raise Faults("smarthost: is not set, so no letter is sent")
    return smarthost_of(settings)


def _own(call: Invocation, name: str, tenant_text: str | None) -> DomainSmarthost | None:
    from admin_api.commands.terminal import arguments
    from storage.directory.domains import find_domain
    from storage.directory.operator_names import tenant_meant
    from storage.outbound.domain_smarthosts import find_smarthost

    canonical = arguments.domain(name)

    async def work(tx: Tx) -> DomainSmarthost | None:
        tenant_id = (await tenant_meant(tx, text=tenant_text)).tenant_id
        found = await find_domain(tx, tenant_id=tenant_id, name=canonical)
        return await find_smarthost(tx, tenant_id=tenant_id, domain=found.name)

    return call.read(work)

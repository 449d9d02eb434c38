"""`postroom domain`: the domains of a tenant, their verification, and their smarthosts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import click

from admin_api.commands.terminal.acting import TENANT
from admin_api.commands.terminal.faults import Faults
from admin_api.commands.terminal.invocation import Invocation, common, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from admin_api.dns.domain_check import Checked
    from admin_api.dns.mail_host import MailHost
    from admin_api.dns.sending_advice import Advice
    from admin_api.http.records import Record
    from storage.database import Tx
    from storage.directory.domains import Domain
    from storage.outbound.domain_smarthosts import DomainSmarthost, TlsMode

    class Change(Protocol):
        """A storage function that makes or changes a domain."""

        async def __call__(self, tx: Tx, *, tenant_id: bytes, name: str, now: int) -> Domain: ...


@click.group()
@common
def domain() -> None:
    """Add, verify, trust, list and delete domains."""


@domain.command()
@common
@click.argument("name", metavar="DOMAIN")
@TENANT
@click.pass_obj
def add(call: Invocation, name: str, tenant_text: str | None) -> None:
    """Add a domain that is verified later.

    Its DNS records are printed as lines of a zone file.
    """
    from admin_api.commands.terminal import arguments
    from admin_api.directory.records import domain_record
    from admin_api.dns.domain_check import why_not
    from storage.directory.domains import add_domain

    reason = why_not(arguments.domain(name, for_creation=True))
    if reason is not None:
        raise Faults(f"domain: {reason}")
    added = _changed(call, name, tenant_text, add_domain, "domain.added")
    hostname = call.settings().hostname
    call.answer(domain_record(added, hostname), _zone_lines(added, hostname))
    if "." not in hostname:
        call.hint(f"{hostname} is no full name: set `hostname` to the name that senders look up.")
    named = f" --tenant '{tenant_text}'" if tenant_text else ""
    call.hint(f"Publish them, then: postroom domain verify {added.name}{named}")


def _zone_lines(domain: Domain, hostname: str) -> str:
    """The records that a domain needs as lines of a zone file (RFC 1035 5.1)."""
    from admin_api.dns.domain_check import records_of

    lines = [f"; {domain.name} is {domain.status}"]
    for record in records_of(domain, hostname):
        value = f'"{record.value}"' if record.type == "TXT" else record.value
        lines.append(f"{record.name}. IN {record.type} {value}")
    return "\n".join(lines)


@domain.command()
@common
@click.argument("name", metavar="DOMAIN")
@TENANT
@click.option("--move", is_flag=True, help="Take it from the tenant that has it.")
@click.pass_obj
def trust(call: Invocation, name: str, tenant_text: str | None, *, move: bool) -> None:
    """Take a domain as verified without asking the DNS.

    It is added if need be.
    """
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from storage.directory.domains import find_domain, trust_domain, verified_elsewhere

    canonical = arguments.domain(name, for_creation=True)

    async def change(tx: Tx, *, tenant_id: bytes, name: str, now: int) -> Domain:
        former = await verified_elsewhere(tx, tenant_id=tenant_id, name=name) if move else None
        trusted = await trust_domain(tx, tenant_id=tenant_id, name=name, now=now, move=move)
        # The tenant that loses the domain must find that in its own log.
        if former is not None:
            lost = await find_domain(tx, tenant_id=former, name=name)
            await note(tx, "domain.revoked", lost.domain_id, tenant_id=former, name=name)
        return trusted

    _show(call, _changed(call, canonical, tenant_text, change, "domain.trusted"))


@domain.command()
@common
@click.argument("name", metavar="DOMAIN")
@TENANT
@click.pass_obj
def revoke(call: Invocation, name: str, tenant_text: str | None) -> None:
    """Take no mail for a domain from now on.

    While it has addresses, senders are told to wait.
    """
    from storage.directory.domains import revoke_domain

    async def change(tx: Tx, *, tenant_id: bytes, name: str, now: int) -> Domain:
        return await revoke_domain(tx, tenant_id=tenant_id, name=name)

    _show(call, _changed(call, name, tenant_text, change, "domain.revoked"))


@domain.command()
@common
@click.argument("name", metavar="DOMAIN")
@TENANT
@click.pass_obj
def delete(call: Invocation, name: str, tenant_text: str | None) -> None:
    """Remove a domain on which no inbox or list has its address."""
    from storage.directory.domains import delete_domain, find_domain

    async def change(tx: Tx, *, tenant_id: bytes, name: str, now: int) -> Domain:
        found = await find_domain(tx, tenant_id=tenant_id, name=name)
        await delete_domain(tx, tenant_id=tenant_id, name=name)
        return replace(found, status="deleted")

    _show(call, _changed(call, name, tenant_text, change, "domain.deleted"))


def _changed(
    call: Invocation, name: str, tenant_text: str | None, change: Change, action: str
) -> Domain:
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from storage.clock import system_clock
    from storage.directory.domains import list_domains
    from storage.directory.operator_names import tenant_meant

    canonical = arguments.domain(name)

    async def work(tx: Tx) -> Domain:
        tenant = await tenant_meant(tx, text=tenant_text)
        key = tenant.tenant_id
        known = {one.name: one.status for one in await list_domains(tx, tenant_id=key)}
        changed = await change(tx, tenant_id=key, name=canonical, now=system_clock())
        if changed.status != known.get(canonical):
            await note(tx, action, changed.domain_id, tenant_id=key, name=canonical)
        return changed

    return call.write(work)


def _show(call: Invocation, domain: Domain) -> None:
    from admin_api.directory.records import domain_record

    call.show(domain_record(domain, call.settings().hostname))


@domain.command()
@common
@click.argument("name", metavar="DOMAIN")
@TENANT
@click.pass_obj
def check(call: Invocation, name: str, tenant_text: str | None) -> None:
    """Ask the DNS for a domain's records now. Nothing is changed.

    Where the MX record names this server, it is asked as a sender would: does it offer STARTTLS,
    and does its certificate fit, for 14 days more? Where letters leave by a smarthost, it says what
    their receivers look for.
    """
    from admin_api.directory.records import advice_record, checked_record

    found, checked = _asked(call, name, tenant_text)
    records = [checked_record(one) for one in checked]
    advice = [advice_record(one) for one in _advice(call, found)]
    record: Record = {"name": found.name, "records": records, "mail_host": None, "sending": advice}
    lines = _checked_lines(records)
    for one in advice:
        lines += f"\n{one['status']}  {one['purpose']} at {one['name']}: {one['advice']}"
    if any(one.record.purpose == "mail" and one.status == "ok" for one in checked):
        host = _mail_host(call)
        record["mail_host"] = {"host": host.host, "status": host.status, "detail": host.detail}
        lines += f"\n{host.status}  TLS of {host.host}: {host.detail}"
    call.answer(record, lines)


def _advice(call: Invocation, domain: Domain) -> list[Advice]:
    import asyncio

    from admin_api.dns.cache import dns_cache
    from admin_api.dns.sending_advice import sending_advice
    from storage.outbound.domain_smarthosts import find_smarthost

    settings, tenant_id, name = call.settings(), domain.tenant_id, domain.name
    own = call.read(lambda tx: find_smarthost(tx, tenant_id=tenant_id, domain=name))
    host = own or settings.smarthost
    if host is None:
        return []
    dns = dns_cache(settings.dns_server)
    return asyncio.run(sending_advice(domain.name, host.host, dns))


def _mail_host(call: Invocation) -> MailHost:
    import asyncio
    import time

    from admin_api.dns.cache import dns_cache
    from admin_api.dns.mail_host import check_mail_host

    settings = call.settings()
    dns = dns_cache(settings.dns_server)
    return asyncio.run(check_mail_host(settings.hostname, dns, now=time.time()))


@domain.command()
@common
@click.argument("name", metavar="DOMAIN")
@TENANT
@click.pass_obj
def verify(call: Invocation, name: str, tenant_text: str | None) -> None:
    """Take a domain as verified if its ownership record is there.

    The DNS is asked now; the exit status is 1 while the record is missing.
    """
    from admin_api.commands.terminal.operator_trail import note
    from admin_api.directory.records import checked_record, domain_record
    from storage.clock import system_clock
    from storage.directory.domains import find_domain, mark_verified

    asked, checked = _asked(call, name, tenant_text)
    key = asked.tenant_id
    is_owned = any(one.record.purpose == "ownership" and one.status == "ok" for one in checked)

    async def work(tx: Tx) -> Domain:
        before = await find_domain(tx, tenant_id=key, name=asked.name)
        if not is_owned:
            return before
        settled = await mark_verified(
            tx, tenant_id=key, name=asked.name, value=asked.verification, now=system_clock()
        )
        if settled.status != before.status:
            await note(tx, "domain.verified", settled.domain_id, tenant_id=key, name=settled.name)
        return settled

    settled = call.write(work)
    records = [checked_record(one) for one in checked]
    record = domain_record(settled, call.settings().hostname) | {"records": records}
    call.answer(record, f"{settled.name} is {settled.status}\n{_checked_lines(records)}")
    if settled.status != "verified":
        raise Faults(f"domain: the DNS does not have the ownership record of {settled.name} yet")


def _asked(call: Invocation, name: str, tenant_text: str | None) -> tuple[Domain, list[Checked]]:
    """The domain, and what the DNS has of it: asked between transactions. Raises Faults."""
    import asyncio

    from admin_api.commands.terminal import arguments
    from admin_api.dns import domain_check
    from admin_api.dns.cache import dns_cache
    from storage.directory.domains import find_domain, require_unowned
    from storage.directory.operator_names import tenant_meant

    canonical = arguments.domain(name)

    async def work(tx: Tx) -> Domain:
        key = (await tenant_meant(tx, text=tenant_text)).tenant_id
        found = await find_domain(tx, tenant_id=key, name=canonical)
        await require_unowned(tx, tenant_id=key, name=canonical)
        return found

    settings = call.settings()
    found = call.read(work)
    wanted = domain_check.records_of(found, settings.hostname)
    try:
        return found, asyncio.run(domain_check.check(wanted, dns_cache(settings.dns_server)))
    except domain_check.DnsUnavailable as error:
        raise Faults(f"dns_server: the DNS gives no answer now: {error}") from error


def _checked_lines(records: Sequence[Record]) -> str:
    rows = [
        (item["status"], item["type"], item["name"], item["expected"], item["found"])
        for item in records
    ]
    return table(rows, "")


@domain.command()
@common
@click.argument("name", metavar="DOMAIN")
@click.argument("host", metavar="[HOST:PORT]", required=False)
@TENANT
@click.option(
    "--tls",
    type=click.Choice(["starttls", "implicit", "none"]),
    default="starttls",
    help="How it is spoken to; none is for loopback and webhook_allow_networks only.",
)
@click.option("--username", metavar="NAME", default="", help="The name to sign in with.")
@click.option(
    "--password-file", metavar="PATH", default="", help="The file that holds the password."
)
@click.option(
    "--none", "is_none", is_flag=True, help="Send by the smarthost of the settings again."
)
@click.pass_obj
def smarthost(
    call: Invocation,
    name: str,
    host: str | None,
    tenant_text: str | None,
    *,
    tls: TlsMode,
    username: str,
    password_file: str,
    is_none: bool,
) -> None:
    """Have letters from DOMAIN go by a smarthost of its own.

    Without HOST:PORT it is shown.

    The store keeps the path of the password's file, never the password.
    """
    from admin_api.commands.terminal import arguments
    from admin_api.commands.terminal.operator_trail import note
    from storage.directory.domains import find_domain
    from storage.directory.operator_names import tenant_meant
    from storage.outbound import domain_smarthosts

    canonical = arguments.domain(name)
    wanted = None
    if host is not None:
        if is_none:
            raise Faults("smarthost: HOST:PORT and --none exclude each other")
        wanted = arguments.smarthost(
            call.settings(), host, tls=tls, username=username, password_file=password_file
        )

    async def work(tx: Tx) -> DomainSmarthost | None:
        key = (await tenant_meant(tx, text=tenant_text)).tenant_id
        found = await find_domain(tx, tenant_id=key, name=canonical)
        if wanted is not None or is_none:
            await domain_smarthosts.set_smarthost(
                tx, tenant_id=key, domain=found.name, smarthost=wanted
            )
            said = {"smarthost": f"{wanted.host}:{wanted.port}" if wanted else None}
            await note(
                tx,
                "domain.smarthost_set",
                found.domain_id,
                tenant_id=key,
                name=found.name,
                details=said,
            )
        return await domain_smarthosts.find_smarthost(tx, tenant_id=key, domain=found.name)

    own = call.write(work) if wanted is not None or is_none else call.read(work)
    record: Record = {"domain": canonical, "smarthost": None}
    if own is not None:
        record |= own._asdict() | {"smarthost": f"{own.host}:{own.port}"}
    call.show(record)
    if wanted is not None:
        call.hint(f"Try it: postroom send-check --domain {canonical}")


@domain.command("list")
@common
@click.argument("name", metavar="[DOMAIN]", required=False)
@TENANT
@click.pass_obj
def show_all(call: Invocation, name: str | None, tenant_text: str | None) -> None:
    """List a tenant's domains, oldest first, or the one that is named."""
    from admin_api.commands.terminal import arguments
    from admin_api.directory.records import domain_record
    from storage.directory.domains import list_domains
    from storage.directory.operator_names import tenant_meant

    wanted = None if name is None else arguments.domain(name)

    async def work(tx: Tx) -> list[Domain]:
        tenant = await tenant_meant(tx, text=tenant_text)
        return await list_domains(tx, tenant_id=tenant.tenant_id)

    hostname = call.settings().hostname
    found = [item for item in call.read(work) if wanted in (None, item.name)]
    records = [domain_record(item, hostname) for item in found]
    call.show_all(records, "name", "status", "verified_at", empty="There are no such domains.")

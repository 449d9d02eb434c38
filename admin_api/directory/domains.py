"""Domains of a tenant, and the DNS check that verifies them.

The DNS is queried between transactions, never within one; its answer counts for the value that was
queried.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from starlette.responses import Response

from admin_api.call.audit_trail import note
from admin_api.call.call import Call
from admin_api.call.paging import Page, page_answer
from admin_api.directory.records import advice_record, checked_record, domain_record
from admin_api.dns import domain_check
from admin_api.dns.domain_check import Checked, records_of
from admin_api.dns.sending_advice import sending_advice
from admin_api.http.payload import Payload
from admin_api.http.records import Record
from admin_api.http.responses import answer, no_content
from storage.address import canonical_domain, new_domain
from storage.database import Tx
from storage.directory import domains
from storage.directory.domains import Domain
from storage.errors import NotFound
from storage.outbound.domain_smarthosts import find_smarthost


def _own_domain(text: str) -> str:
    """Normalise a domain to an A-label under which nobody else registers names."""
    try:
        name = new_domain(text)
    except ValueError:
        raise ValueError("is not a valid domain name") from None
    reason = domain_check.why_not(name)
    if reason:
        raise ValueError(reason)
    return name


class DomainIn(Payload):
    """A domain to add, in any spelling."""

    domain: Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_own_domain)]


async def list_domains(call: Call) -> Response:
    """GET /v1/domains/."""
    page = call.parameters(Page)
    span = page.span()

    async def work(tx: Tx) -> list[Domain]:
        return await domains.list_domains(tx, tenant_id=call.tenant_id, span=span)

    def record(domain: Domain) -> Record:
        return domain_record(domain, _hostname(call))

    found = await call.database.read(work)
    return page_answer(call, page, found, record, lambda domain: domain.domain_id)


async def add_domain(call: Call) -> Response:
    """POST /v1/domains/: pending, with the records to publish."""
    name = call.payload(DomainIn).domain

    async def work(tx: Tx) -> Domain:
        added = await domains.add_domain(tx, tenant_id=call.tenant_id, name=name, now=call.now)
        await note(tx, call, "domain.added", added.domain_id, name=added.name)
        return added

    return answer(domain_record(await call.database.write(work), _hostname(call)), 201)


async def show_domain(call: Call) -> Response:
    """GET /v1/domains/{name}/."""
    domain = await call.database.read(lambda tx: locate(tx, call))
    return answer(domain_record(domain, _hostname(call)))


async def delete_domain(call: Call) -> Response:
    """DELETE /v1/domains/{name}/: 409 while inboxes or lists use it."""

    async def work(tx: Tx) -> None:
        domain = await locate(tx, call)
        await domains.delete_domain(tx, tenant_id=call.tenant_id, name=domain.name)
        await note(tx, call, "domain.deleted", domain.domain_id, name=domain.name)

    await call.database.write(work)
    return no_content()


async def check_domain(call: Call) -> Response:
    """GET /v1/domains/{name}/check/: the present DNS records; changes nothing.

    Where letters leave from the domain, with advice on the records that these need.
    """

    async def work(tx: Tx) -> tuple[Domain, str | None]:
        found = await locate(tx, call)
        return found, await _smarthost_of(tx, call, found)

    domain, smarthost = await call.database.read(work)
    checked = await _ask(call, domain)
    advice = (
        [] if smarthost is None else await sending_advice(domain.name, smarthost, call.service.dns)
    )
    return answer(
        {
            "name": domain.name,
            "records": [checked_record(one) for one in checked],
            "sending": [advice_record(one) for one in advice],
        }
    )


async def _smarthost_of(tx: Tx, call: Call, domain: Domain) -> str | None:
    """Return the smarthost of letters from this domain, if there is one."""
    own = await find_smarthost(tx, tenant_id=call.tenant_id, domain=domain.name)
    if own is not None:
        return own.host
    setting = call.service.settings.smarthost
    return None if setting is None else setting.host


async def verify_domain(call: Call) -> Response:
    """POST /v1/domains/{name}/verify/: verified once the ownership record is right."""

    async def unowned(tx: Tx) -> Domain:
        domain = await locate(tx, call)
        # 409 needs no answer of the DNS, which may take 8 s or be a 503.
        await domains.require_unowned(tx, tenant_id=call.tenant_id, name=domain.name)
        return domain

    domain = await call.database.read(unowned)
    checked = await _ask(call, domain)

    async def settle(tx: Tx) -> Domain:
        before = await locate(tx, call)
        if not _is_owned(checked):
            return before
        settled = await domains.mark_verified(
            tx,
            tenant_id=call.tenant_id,
            name=domain.name,
            # The value that was queried: the domain may have been added anew, with another one.
            value=domain.verification,
            now=call.service.clock(),
        )
        if settled.status != before.status:
            await note(tx, call, "domain.verified", settled.domain_id, name=settled.name)
        return settled

    settled = await call.database.write(settle)
    records = [checked_record(one) for one in checked]
    return answer(domain_record(settled, _hostname(call)) | {"records": records})


def _is_owned(checked: list[Checked]) -> bool:
    return any(one.record.purpose == "ownership" and one.status == "ok" for one in checked)


async def _ask(call: Call, domain: Domain) -> list[Checked]:
    records = records_of(domain, _hostname(call))
    return await domain_check.check(records, call.service.dns)


def _hostname(call: Call) -> str:
    return call.service.settings.hostname


async def locate(tx: Tx, call: Call) -> Domain:
    """Return the domain in the path, in any spelling. Raises NotFound."""
    return await domains.find_domain(tx, tenant_id=call.tenant_id, name=_name(call))


def _name(call: Call) -> str:
    try:
        return canonical_domain(call.arguments["name"])
    except ValueError:
        raise NotFound("no domain name") from None

"""`postroom messages`: the commands of the mailbox, and `check`, which needs the mail side.

- `check` asks the DNS now, through an empty cache, and changes nothing: what is stored stays.
- Everything that decided is printed: the steps of SPF, the octets that were hashed for each
  signature, why the ARC chain does not hold, and every answer of the DNS.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from admin_api.commands.messages import messages
from admin_api.commands.terminal.invocation import Invocation, common

if TYPE_CHECKING:
    from gateway.authentication.check import Checked
    from storage.authentication.check_queue import CheckClaim
    from storage.database import Reads, Tx


@messages.command()
@common
@click.argument("message")
@click.pass_obj
def check(call: Invocation, message: str) -> None:
    """Check now who wrote MESSAGE, and print every step.

    Nothing is changed.
    """
    from admin_api.commands.terminal.faults import printable
    from admin_api.commands.terminal.store import contents_of, run_reading

    settings = call.settings()

    async def work(database: Reads) -> Checked:
        from admin_api.dns.cache import dns_cache
        from gateway.jobs.sender_check import with_override
        from gateway.jobs.sender_checks import stored_message
        from gateway.server.checking import sender_check
        from storage.clock import system_clock

        claim = await database.read(lambda tx: _found(tx, message))
        # An empty one: an answer that is remembered may be what is wrong.
        cache = dns_cache(settings.dns_server)
        checks = sender_check(settings, cache)
        try:
            sent = stored_message(claim, settings, contents_of(settings, database))
            checked = await checks.check(sent, now=system_clock())
        finally:
            await checks.close()
            await cache.close()
        decided = with_override(checked.authentication, claim.override)
        return type(checked)(decided, checked.temporary, checked.trace)

    checked = run_reading(settings, work)
    record = _record(message, checked)
    call.answer(record, printable("\n".join(_lines(record))))


async def _found(tx: Tx, message: str) -> CheckClaim:
    from storage.authentication.check_queue import load_one
    from storage.delivery.explain import tenant_of
    from storage.errors import FieldFault, Invalid, NotFound
    from storage.ids import from_text

    message_id = from_text("msg", message) or b""
    try:
        tenant_id = await tenant_of(tx, message_id=message_id)
    except NotFound:
        raise Invalid(FieldFault("message", "there is no such message")) from None
    claim = await load_one(tx, tenant_id=tenant_id, message_id=message_id)
    if claim is None:
        raise Invalid(FieldFault("message", "its content was deleted"))
    return claim


def _record(message: str, checked: Checked) -> dict[str, Any]:
    trace = checked.trace
    return {
        "message_id": message,
        "authentication": checked.authentication.as_record(),
        "temporary": checked.temporary,
        "spf_steps": [*trace.spf],
        "hashed": [
            {
                "domain": one.dkim.domain,
                "selector": one.dkim.selector,
                "header": one.hashed.decode("utf-8", "replace"),
            }
            for one in trace.signatures
        ],
        "arc_reason": trace.arc,
        "dns": [
            {
                "name": asked.name,
                "type": asked.kind,
                "state": asked.answer.state,
                "records": [_text(one) for one in asked.answer.records],
            }
            for asked in trace.dns
        ],
    }


def _text(record: str | bytes) -> str:
    return record if isinstance(record, str) else record.decode("utf-8", "replace")


def _lines(record: dict[str, Any]) -> Iterator[str]:
    """Yield the report for a reader."""
    found = record["authentication"]
    yield f"verdict  {found['verdict']} ({found['source']})"
    yield f"author   {found['from_domain'] or '-'}"
    if found["override"]:
        yield f"override {found['override']}"
    yield _result("spf", found["spf"], found["spf"]["scope"])
    for one in found["dkim"]:
        yield _result("dkim", one, f"{one['selector']} {one['algorithm']}")
    yield _result("dmarc", found["dmarc"], f"policy {found['dmarc']['policy']}")
    sealers = ", ".join(found["arc"]["sealers"])
    why = f" ({record['arc_reason']})" if record["arc_reason"] else ""
    yield f"arc      {found['arc']['result']}{why} {sealers}".rstrip()
    if record["temporary"]:
        yield "The DNS failed: another try may end otherwise."
    yield from _section("SPF, step by step", record["spf_steps"])
    for one in record["hashed"]:
        title = f"Header that was hashed for {one['selector']}._domainkey.{one['domain']}"
        yield from _section(title, one["header"].split("\r\n"))
    answers = (f"{one['name']} {one['type']}: {_answer(one)}" for one in record["dns"])
    yield from _section("Answers of the DNS", [*answers])


def _result(name: str, found: dict[str, Any], more: str) -> str:
    known: dict[Any, str] = {True: ", aligned", False: ", not aligned"}
    aligned = known.get(found.get("aligned"), "")
    reason = f" ({found['reason']})" if found["reason"] else ""
    return f"{name:<8} {found['result']}{reason} {found['domain'] or '-'}{aligned}, {more}"


def _answer(asked: dict[str, Any]) -> str:
    return " | ".join(asked["records"]) if asked["records"] else str(asked["state"])


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)

"""The check before the reply: what it leaves to the deliverer when it cannot be sure."""

from __future__ import annotations

import asyncio

import pytest

from gateway.jobs.sender_check import Rules, SenderCheck
from gateway.message.arrival import arrival
from gateway.message.header_scan import scan
from gateway.server import dmarc_policy
from gateway.server.dmarc_policy import refusing
from storage.content.message_bytes import Content, SpoolFile
from storage.delivery.arrivals import Arrival, Outcome, PolicyRefused, Recipient, Stored
from storage.errors import OutcomeUnknown, StoreUnavailable
from tests.support.dns_zone import Zone, zone
from tests.support.signing import MESSAGE

NOW = 1_800_000_000_000_000
STORED = Stored(b"m" * 16, (b"d",))


class Taken:
    """A deliverer that stores all it is given."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.withdrawn = 0

    def submit(self, arrival: Arrival, spool: SpoolFile | None) -> asyncio.Future[Outcome]:
        self.arrivals.append(arrival)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        outcome.set_result(STORED)
        return outcome

    def withdraw(self, outcome: asyncio.Future[Outcome]) -> None:
        self.withdrawn += 1


def names(policy: str = "p=reject") -> Zone:
    return zone({"_dmarc.sender.test": f"v=DMARC1; {policy}"})


def message(*recipients: str, behind_relay: bool = False, each: bool = False) -> Arrival:
    return arrival(
        scan(MESSAGE),
        Content(b"s" * 32, len(MESSAGE), MESSAGE, None),
        tenant_id=b"t" * 16,
        recipients=[Recipient(one, *one.split("@")) for one in recipients or ("a@b.test",)],
        reverse_path="eve@evil.test",
        client_ip="198.51.100.9",
        helo="mx.evil.test",
        protocol="ESMTP",
        hostname="mx.example.test",
        transaction_id="t",
        behind_relay=behind_relay,
        each_recipient=each,
        now=NOW,
    )


async def decided(dns: Zone, sent: Arrival) -> tuple[Outcome, list[Arrival]]:
    taken = Taken()
    check = SenderCheck(dns, Rules("mx.example.test"), size_limit=1 << 20)
    async with refusing(taken, check, lambda: NOW) as policy:
        return await policy.submit(sent, None), taken.arrivals


async def test_only_the_certain_failure_of_an_unknown_peer_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await decided(names(), message()) == (PolicyRefused((0,)), [])
    for policy in ("p=quarantine", "p=none", "p=reject; t=y"):
        assert await decided(names(policy), message()) == (STORED, [message()])
    exempt = message(behind_relay=True)
    assert await decided(names(), exempt) == (STORED, [exempt._replace(dmarc_override="exempt")])
    both = message("a@b.test", "Abuse@b.test")
    kept = both._replace(dmarc_override="postmaster")
    assert await decided(names(), both) == (STORED, [kept])
    both, kept = (one._replace(each_recipient=True) for one in (both, kept))
    outcome, stored = await decided(names(), both)
    assert outcome == PolicyRefused((0,), STORED)
    assert stored == [kept._replace(recipients=both.recipients[1:])]

    failing, hanging, broken = names(), names(), names()
    failing.failing.add("_dmarc.sender.test")
    hanging.hangs = True
    broken.records = None  # type: ignore[assignment]
    monkeypatch.setattr(dmarc_policy, "SECONDS", 0.05)
    for dns in (failing, hanging, broken):
        assert await decided(dns, message()) == (STORED, [message()])


async def test_a_sender_that_leaves_and_a_process_that_ends_leave_nothing_undone() -> None:
    taken, dns = Taken(), names("p=none")
    check = SenderCheck(dns, Rules("mx.example.test"), size_limit=1 << 20)
    async with refusing(taken, check, lambda: NOW) as policy:
        outcome = policy.submit(message(), None)
        policy.withdraw(outcome)
        assert await outcome == STORED
        assert taken.withdrawn == 1
        dns.hangs = True
        ended = policy.submit(message(), None)
        await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable) as fault:
        await ended
    assert not isinstance(fault.value, OutcomeUnknown) and len(taken.arrivals) == 1

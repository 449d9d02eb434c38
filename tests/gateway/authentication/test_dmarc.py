"""DMARC: the tree walk, which policy applies, and what is aligned."""

from __future__ import annotations

import pytest

from gateway.authentication.dmarc import Published, align, discover, evaluate
from gateway.authentication.result import Dkim, Dmarc, Spf
from gateway.authentication.tree_walk import Walks, targets
from tests.support.dns_zone import Zone, zone

REJECT = "v=DMARC1; p=reject"


def policies(**records: str) -> Zone:
    """A zone with records for names written with `_` for the dots."""
    return zone((f"_dmarc.{name.replace('_', '.')}", text) for name, text in records.items())


async def published(dns: Zone, author: str = "a.b.example.test") -> Published:
    return await discover(author, Walks(dns), dns)


async def policy(dns: Zone, author: str = "a.b.example.test") -> tuple[str | None, str | None]:
    found = await published(dns, author)
    return found.domain, found.policy


async def organization(dns: Zone, name: str) -> str:
    return (await Walks(dns).walk(name)).organizational_domain


def test_a_walk_asks_for_at_most_eight_names() -> None:
    assert targets("a.mail.example.test") == [
        "a.mail.example.test",
        "mail.example.test",
        "example.test",
        "test",
    ]
    long = targets("a.b.c.d.e.f.g.h.i.j.mail.example.test")
    assert len(long) == 8
    assert long[1:3] == ["g.h.i.j.mail.example.test", "h.i.j.mail.example.test"]
    assert targets("b.c.d.e.mail.example.test")[1] == "c.d.e.mail.example.test"
    assert targets("test") == ["test"]


async def test_the_policy_is_the_nearest_of_author_organization_and_suffix() -> None:
    dns = policies(example_test="v=DMARC1; p=reject; sp=quarantine", test="v=DMARC1; p=none; psd=y")

    assert await policy(dns, "example.test") == ("example.test", "reject")
    assert await policy(dns) == ("example.test", "quarantine")
    assert await policy(dns, "other.test") == ("test", "none")
    assert await policy(dns, "other.invalid") == (None, None)
    own = policies(a_b_example_test="v=DMARC1; p=none; sp=reject", example_test=REJECT)
    assert await policy(own) == ("a.b.example.test", "none")
    # A record between author and organization is neither's.
    between = policies(b_example_test="v=DMARC1; p=none", example_test=REJECT)
    assert await policy(between) == ("example.test", "reject")


async def test_np_is_for_domains_that_the_dns_does_not_know() -> None:
    dns = policies(example_test="v=DMARC1; p=none; sp=quarantine; np=reject")
    assert await policy(dns) == ("example.test", "reject")
    for kind, value in (("A", "192.0.2.1"), ("TXT", "anything")):
        known = policies(example_test="v=DMARC1; p=none; sp=quarantine; np=reject")
        known.publish("a.b.example.test", kind, value)
        assert await policy(known) == ("example.test", "quarantine")
    dns.failing.add("a.b.example.test")
    assert (await published(dns)).failed


@pytest.mark.parametrize(
    ("records", "domain"),
    [
        ({"mail_example_test": REJECT, "example_test": REJECT}, "example.test"),
        ({"mail_example_test": "v=DMARC1; psd=n", "example_test": REJECT}, "mail.example.test"),
        ({"test": "v=DMARC1; psd=y"}, "example.test"),
        ({"example_test": "v=DMARC1; psd=y", "test": REJECT}, "mail.example.test"),
        ({"a_mail_example_test": "v=DMARC1; psd=y"}, "a.mail.example.test"),
        ({"a_mail_example_test": "v=DMARC1; psd=y", "test": REJECT}, "a.mail.example.test"),
        ({}, "a.mail.example.test"),
    ],
)
async def test_the_organizational_domain_is_that_of_rfc_9989(
    records: dict[str, str], domain: str
) -> None:
    assert await organization(policies(**records), "a.mail.example.test") == domain


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ("v = DMARC1 ;p=REJECT", "reject"),
        ("v=DMARC1;p=reject; pct=0; rf=afrf; ri=9; x-new", "reject"),
        ("v=DMARC1; p=reject; p=none", "reject"),
        ("v=DMARC1; rua=mailto:d@example.test", "none"),
        ("v=DMARC1", "none"),
        ("v=DMARC1; p=maybe; rua=mailto:d@example.test", "none"),
        ("v=DMARC1; p=reject; sp=maybe; rua=mailto:d@example.test!10m", "none"),
        ("v=DMARC1; p=maybe", "invalid"),
        ("v=DMARC1; p=reject; np=maybe; rua=https://x", "none"),
        ("v=DMARC1; p=maybe; rua=d@example.test", "invalid"),
        ("v=dmarc1; p=reject", "absent"),
        ("p=reject; v=DMARC1", "absent"),
        ("v=DMARC2; p=reject", "absent"),
        ("v=DMARC1x; p=reject", "absent"),
        ("v=DMARC1; p=reject; x=" + "y" * 65_000, "absent"),
    ],
)
async def test_a_record_is_read_as_rfc_9989_says(record: str, wanted: str) -> None:
    found = await published(policies(example_test=record), "example.test")
    said = "absent" if found.record is None else found.policy or "invalid"

    assert said == wanted


async def test_several_records_at_one_name_are_none() -> None:
    dns = Zone()
    dns.publish("_dmarc.example.test", "TXT", REJECT, "v=DMARC1; p=none")
    assert (await published(dns, "example.test")).record is None
    dns.publish("_dmarc.example.test", "TXT", REJECT, "something else")
    assert await policy(dns, "example.test") == ("example.test", "reject")


PASSING = Dkim("pass", "example.test", "s", "rsa-sha256")
NONE = Spf("none", "mailfrom", "example.test")


async def result(dns: Zone, author: str, spf: Spf, *dkim: Dkim) -> Dmarc:
    walks = Walks(dns)
    found = await discover(author, walks, dns)
    return evaluate(found, spf, dkim, await align(author, spf, dkim, found, walks))


def passing(domain: str) -> Dkim:
    return Dkim("pass", domain, "s", "rsa-sha256")


async def test_alignment_is_relaxed_unless_the_record_is_strict() -> None:
    dns = policies(example_test=REJECT)
    for domain in ("example.test", "mail.example.test", "deep.mail.example.test"):
        assert (await result(dns, "www.example.test", NONE, passing(domain))).result == "pass"
        spf = Spf("pass", "mailfrom", domain)
        assert (await result(dns, "www.example.test", spf)).result == "pass"
    for domain in ("other.test", "test", "notexample.test", "example.test.evil.invalid"):
        found = await result(dns, "www.example.test", NONE, passing(domain))
        assert (found.result, found.reason) == ("fail", "not_aligned"), domain
    strict = policies(example_test="v=DMARC1; p=reject; adkim=s; aspf=r")
    signed = passing("mail.example.test")
    assert (await result(strict, "example.test", NONE, signed)).result == "fail"
    spf = Spf("pass", "mailfrom", "mail.example.test")
    assert (await result(strict, "example.test", spf, signed)).result == "pass"


async def test_a_subdomain_that_is_an_organization_of_its_own_is_not_aligned() -> None:
    dns = policies(example_test=REJECT, tenant_example_test="v=DMARC1; p=none; psd=n")
    found = await result(dns, "example.test", NONE, passing("tenant.example.test"))

    assert found.result == "fail"


async def test_nothing_is_asked_for_domains_that_cannot_be_aligned() -> None:
    dns = policies(example_test=REJECT)
    await result(dns, "example.test", NONE, *(passing(f"d{n}.other.test") for n in range(8)))

    assert [name for name, _ in dns.asked] == ["_dmarc.example.test", "_dmarc.test"]


async def test_a_temporary_error_is_never_a_failure() -> None:
    dns = policies(example_test=REJECT)
    unknown = Dkim("temperror", "example.test", "s", "rsa-sha256", reason="dns")
    stranger = Dkim("temperror", "other.test", "s", "rsa-sha256", reason="dns")
    spf = Spf("temperror", "mailfrom", "example.test", reason="dns")

    assert (await result(dns, "example.test", NONE, unknown)).result == "temperror"
    assert (await result(dns, "example.test", spf)).result == "temperror"
    assert (await result(dns, "example.test", spf, PASSING)).result == "pass"
    assert (await result(dns, "example.test", NONE, stranger)).result == "fail"
    dns.failing.add("_dmarc.test")
    assert (await result(dns, "example.test", NONE, PASSING)).result == "pass"
    found = await result(dns, "example.test", NONE, passing("mail.example.test"))
    assert (found.result, found.policy) == ("temperror", "reject")
    dns.failing.add("_dmarc.example.test")
    assert (await result(dns, "example.test", NONE, PASSING)).result == "temperror"


async def test_what_lacks_only_spf_behind_a_relay_is_no_failure() -> None:
    dns = policies(example_test=REJECT)
    relayed = Spf("none", "mailfrom", "example.test", reason="behind_relay")
    foreign = Spf("none", "mailfrom", "other.test", reason="behind_relay")
    bounce = Spf("none", "helo", None, reason="behind_relay")

    assert await result(dns, "example.test", relayed) == Dmarc(
        "none", "reject", "example.test", reason="behind_relay"
    )
    assert (await result(dns, "example.test", bounce)).result == "none"
    assert (await result(dns, "example.test", foreign)).result == "fail"
    assert (await result(dns, "example.test", relayed, PASSING)).result == "pass"

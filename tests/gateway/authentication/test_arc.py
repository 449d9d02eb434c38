"""ARC: ValiMail's suite, the length of a chain, and who vouches for whom."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import yaml

from gateway.authentication.signatures.arc import CheckedChain, check_chain, read_chain, vouched
from gateway.authentication.signatures.header_block import cut
from gateway.authentication.signed_message import read_signed
from tests.support.dns_zone import VECTORS, Zone, zone

SUITE = VECTORS / "arc" / "validation-tests.yml"
NOW = 1_700_000_000
# The suite follows draft 18, which knew no result for a chain whose newest seal says `cv=fail`.
# RFC 8617 5.2 step 2: "If the Chain Validation Status of the highest instance is fail, then the
# status is fail", and step 3.D: each `cv` above the first is `pass`.
FAIL_BY_RFC_8617_5_2 = {"cv_fail_i1_as_cv_fail", "cv_fail_i2_as2_fail", "cv_fail_i2_as1_fail"}


class EveryCase(yaml.SafeLoader):
    """Gives a mapping as its pairs: four names of the suite stand twice."""


def _pairs(loader: EveryCase, node: yaml.MappingNode) -> list[tuple[object, object]]:
    return [
        (loader.construct_object(key, deep=True), loader.construct_object(value, deep=True))
        for key, value in node.value
    ]


EveryCase.add_constructor("tag:yaml.org,2002:map", _pairs)


def cases() -> Iterator[tuple[str, bytes, Zone, str]]:
    for document in yaml.load_all(SUITE.read_text(), EveryCase):
        scenario = dict(document)
        dns = zone(scenario["txt-records"] or ())
        for name, pairs in scenario["tests"]:
            test = dict(pairs)
            message = test["message"].replace("\n", "\r\n").encode()
            yield name, message, dns, (test["cv"] or "").strip().lower()


async def chain(message: bytes, dns: Zone) -> CheckedChain:
    read = read_signed([message])
    return await check_chain(cut(read.header), read.body_hashes, dns, now=NOW)


async def test_the_175_cases_of_valimail_come_out_as_they_say() -> None:
    wrong, count, empty = {}, 0, set()
    for name, message, dns, stated in cases():
        count += 1
        if not stated:
            empty.add(name)
        wanted = stated or "fail"
        found = await chain(message, dns)
        if found.arc.result != wanted:
            wrong[name] = f"{found.arc.result} ({found.reason}), not {wanted}"
    assert (wrong, count, empty) == ({}, 175, FAIL_BY_RFC_8617_5_2)


def passing() -> tuple[bytes, Zone]:
    """A message with one set, sealed by example.org."""
    name = "cv_pass_i1_1"
    return next((message, dns) for one, message, dns, _ in cases() if one == name)


async def test_a_chain_has_at_most_50_sets() -> None:
    message, dns = passing()
    fields = b"".join(
        b"ARC-Seal: i=%d; a=rsa-sha256; cv=pass; d=example.org; s=dummy; b=AAAA\r\n"
        b"ARC-Message-Signature: i=%d; a=rsa-sha256; d=example.org; s=dummy; h=from; bh=AA==;"
        b" b=AA==\r\n"
        b"ARC-Authentication-Results: i=%d; example.org; none\r\n" % (n, n, n)
        for n in range(2, 52)
    )
    many = await chain(fields + message, dns)

    assert (many.arc.result, many.reason) == ("fail", "too_many_sets")
    assert len(dns.asked) == 0


async def test_a_key_that_does_not_come_breaks_a_chain_for_now() -> None:
    message, dns = passing()
    dns.failing.add("dummy._domainkey.example.org")
    found = await chain(message, dns)

    assert (found.arc.result, found.temporary) == ("fail", True)


async def test_a_trusted_newest_sealer_vouches_unless_dmarc_failed_there() -> None:
    message, dns = passing()
    found = await chain(message, dns)
    (only,) = found.sets

    assert found.arc.result == "pass"
    assert vouched(found, {"example.org"})
    assert not vouched(found, {"example.net"})
    said = replace(
        only.results, value=b" i=1; example.org; dmarc=fail (p=reject) header.from=x.test"
    )
    assert not vouched(replace(found, sets=(replace(only, results=said),)), {"example.org"})
    stranger = replace(only, seal=replace(only.seal, domain="stranger.test"))
    assert vouched(replace(found, sets=(stranger, only)), {"example.org"})
    assert not vouched(replace(found, sets=(only, stranger)), {"example.org"})
    no_from = replace(only, signature=replace(only.signature, names=(b"to",)))
    assert not vouched(replace(found, sets=(no_from,)), {"example.org"})


def test_sets_with_gaps_doubles_or_odd_numbers_are_no_chain() -> None:
    kinds = (b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results")
    numbers = (b"0", b"2", b"51", b"1;i=1", b"x", b"", b"9" * 500, b"-1", b"1")
    for kind, number in itertools.product(kinds, numbers):
        read = read_chain(cut(kind + b": i=" + number + b"; a=b\r\nFrom: a@b.test\r\n\r\n"))
        assert read is not None and read.broken

"""Generated mail: what we make of it, dkimpy and mailauth. No difference is unexplained."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from gateway.authentication.check import Checked, check
from gateway.authentication.signatures.header_block import cut
from gateway.authentication.signatures.tag_list import parse_tags, squeezed
from gateway.authentication.signed_message import read_signed
from tests.support.mail_variants import (
    NOW,
    Theirs,
    Variant,
    dkimpy_passes,
    mailauth,
    need_mailauth,
    variants,
)

_FROM = re.compile(rb"(?im)^from:")
_REGULAR = re.compile(rb"(?:[ \t][^\r\n]*\r\n|[!-9;-~]+:[^\r\n]*\r\n)+\r\n")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")


async def ours(variant: Variant) -> Checked:
    return await check(
        read_signed([variant.message]),
        variant.hop,
        variant.dns,
        now=NOW * 1_000_000,
        hostname="mx.example.test",
    )


async def differences_to_dkimpy(count: int, seed: int) -> tuple[list[object], Counter[str]]:
    wrong: list[object] = []
    seen: Counter[str] = Counter()
    for variant in variants(count, seed=seed):
        found = (await ours(variant)).authentication.dkim
        # dkimpy knows no policy: it takes an `l=` that leaves a part of the body open.
        taken = sum(one.result in {"pass", "policy"} for one in found)
        passes = dkimpy_passes(variant)
        # It takes no message with two From; we say what its signatures are, and know no author.
        alike = passes is not None and len(_FROM.findall(variant.message)) < 2
        theirs = sum(passes or ()) if alike else taken
        seen.update(one.result for one in found)
        if taken != theirs:
            wrong.append((variant.message, found, theirs))
    return wrong, seen


async def test_dkimpy_takes_the_same_signatures() -> None:
    wrong, seen = await differences_to_dkimpy(60, seed=11)

    assert wrong == []
    assert seen["pass"] > 10 and seen["fail"] > 3


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_dkimpy_takes_the_same_signatures_of_10000_messages() -> None:
    wrong, _ = await differences_to_dkimpy(10_000, seed=random.randrange(1 << 30))
    assert wrong == []


def is_regular(message: bytes) -> bool:
    """Whether mailauth reads the header as we do.

    It takes a line that is no field as part of the one above, where our grammar passes it over; and
    base64 with something behind its padding.
    """
    signed = [
        squeezed(tags.get(name, "")).encode()
        for field in cut(message).fields
        if field.name in {b"dkim-signature", b"arc-message-signature", b"arc-seal"}
        and (tags := parse_tags(field.value)) is not None
        for name in ("b", "bh")
    ]
    regular = _REGULAR.match(message) is not None and message[:1] not in b" \t"
    return regular and all(_BASE64.fullmatch(one) and len(one) % 4 == 0 for one in signed if one)


def differs(found: Checked, theirs: Theirs) -> str | None:
    mine = found.authentication
    if any(one.reason == "body_not_covered" for one in mine.dkim):
        return None  # it takes an `l=` that leaves a part of the body open
    if sum(one.result == "pass" for one in mine.dkim) != sum(d[2] == "pass" for d in theirs.dkim):
        return "dkim"
    if mine.spf.result != theirs.spf:
        return "spf"
    if mine.arc.result != theirs.arc:
        return "arc"
    if mine.from_domain is None:
        return None  # it finds a domain in a damaged From; ours is the sender who is shown
    # It says `none` for a policy that is no policy; RFC 8601 2.7 has `permerror` for it.
    mapped = "none" if mine.dmarc.reason == "invalid_record" else mine.dmarc.result
    return None if mapped == (theirs.dmarc or "none") else "dmarc"


async def differences_to_mailauth(count: int, seed: int) -> list[object]:
    library = need_mailauth()
    some = [*variants(count, seed=seed)]
    wrong: list[object] = []
    for variant, theirs in zip(some, mailauth(library, some), strict=True):
        found = await ours(variant)
        if is_regular(variant.message) and (kind := differs(found, theirs)):
            wrong.append((kind, variant.message, variant.hop, found.authentication, theirs))
    return wrong


async def test_mailauth_has_the_same_results() -> None:
    assert await differences_to_mailauth(60, seed=12) == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_mailauth_has_the_same_results_for_10000_messages() -> None:
    assert await differences_to_mailauth(10_000, seed=random.randrange(1 << 30)) == []

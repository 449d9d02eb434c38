"""Why a sender is verified or not, in plain words."""

from typing import Any

import pytest

from admin_api.console.thread.sender_words import sentences
from tests.support.checks import record_of


def spf(result: str, **more: object) -> dict[str, object]:
    given = {"result": result, "scope": "mailfrom", "domain": "sender.test", "aligned": True}
    return {**given, "reason": None, **more}


def dmarc(result: str, **more: object) -> dict[str, object]:
    given = {"result": result, "policy": None, "domain": None, "testing": False, "reason": None}
    return {**given, **more}


SIGNED = record_of("verified")["dkim"]


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        (None, ["not checked yet"]),
        (
            record_of("verified"),
            ["sender.test vouches", "valid signature of sender.test", "server"],
        ),
        (
            record_of("failed"),
            ["does not vouch", "does not name", "was changed on the way", "are refused"],
        ),
        (
            record_of("failed", override="arc", dkim=[], source="relay"),
            ["does not vouch", "does not name", "no signature", "refused", "forwarder", "own mail"],
        ),
        (
            record_of(
                "unverified", dkim=[], spf=spf("none"), dmarc=dmarc("none", reason="no_record")
            ),
            ["Nothing proves", "no signature", "publishes no rule"],
        ),
        (
            record_of("unverified", dmarc=dmarc("none", reason="several_from"), from_domain=None),
            ["Nothing proves", "more than one sender"],
        ),
        (
            record_of(
                "unverified",
                spf=spf("pass"),
                dkim=[{**SIGNED[0], "domain": "list.test", "aligned": False}],
                dmarc=dmarc("fail", policy="none", reason="not_aligned"),
            ),
            ["Nothing proves", "signed by list.test, which is another domain"],
        ),
        (record_of("unknown", dmarc=dmarc("none", reason="behind_relay")), ["not be", "your own"]),
        (record_of("unknown", dmarc=dmarc("temperror", reason="dns")), ["not be", "tried again"]),
        (record_of("unknown", dmarc=dmarc("none", reason="too_old")), ["not be", "too old"]),
        (record_of("unknown", dmarc=dmarc("none", reason="other")), ["not be", "tried again"]),
    ],
)
def test_a_record_is_told_in_sentences(record: Any, wanted: list[str]) -> None:  # noqa: ANN401
    told = sentences(record)

    assert len(told) == len(wanted), told
    for sentence, words in zip(told, wanted, strict=True):
        assert words in sentence
        assert sentence.endswith(".")

"""Who wrote it, over HTTP: the record, the filter, the event, and forged results."""

import pytest

from admin_api.mailbox.authentication_results import carries_name, field
from admin_api.mailbox.header_fields import header_fields
from storage.clock import rfc3339
from storage.ids import from_text
from tests.builders import AGENT, MESSAGE, SALES, SUPPORT, TEAM, World, count_all, deliver
from tests.support.checks import check, record_of

MESSAGES = "/v1/messages/"
FORGED = b"Authentication-Results: mx.postroom.test; dmarc=pass\r\n"


async def test_a_message_has_its_results_once_it_was_checked(world: World) -> None:
    message_id = await deliver(world, TEAM.lower())
    async with world.client(SALES) as api:
        before = (await api.get(f"{MESSAGES}{message_id}/")).json()
        await check(world, message_id, "failed")
        checked_at = rfc3339(world.clock())
        after = (await api.get(f"{MESSAGES}{message_id}/")).json()
        (item,) = (await api.get(MESSAGES)).json()["results"]
    assert (before["authentication"], before["verdict"]) == (None, None)
    assert after["authentication"] == {**record_of("failed"), "checked_at": checked_at}
    assert (after["verdict"], item["verdict"]) == ("failed", "failed")
    assert "authentication" not in item


async def test_messages_can_be_listed_by_verdict(world: World) -> None:
    sent = {}
    for verdict in ("verified", "failed", "unverified", "unknown"):
        sent[verdict] = await deliver(world, TEAM.lower())
        await check(world, sent[verdict], verdict)
    unchecked = await deliver(world, TEAM.lower())

    async def listed(**query: str) -> list[str]:
        async with world.client(SALES) as api:
            answer = await api.get(MESSAGES, params=query)
        assert answer.status_code == 200, answer.text
        return [item["message_id"] for item in answer.json()["results"]]

    for verdict, message_id in sent.items():
        assert await listed(verdict=verdict) == [message_id]
    assert await listed(verdict="verified, unverified") == [sent["unverified"], sent["verified"]]
    assert await listed(verdict="failed,failed", folder="all", q="hello") == [sent["failed"]]
    assert await listed(verdict="") == [unchecked, *reversed(sent.values())]
    async with world.client(SALES) as api:
        for wrong in ("true", "verified,", "verified;failed", "VERIFIED", "null"):
            answer = await api.get(MESSAGES, params={"verdict": wrong})
            assert answer.status_code == 400
            assert answer.json()["errors"][0]["field"] == "verdict"


async def test_an_event_tells_those_with_a_copy_that_a_message_was_checked(world: World) -> None:
    message_id = await deliver(world, TEAM.lower())
    await check(world, message_id, "verified")
    for who, told in ((SALES, 1), (SUPPORT, 1), (AGENT, 0)):
        async with world.client(who) as api:
            answer = await api.get("/v1/events/", params={"types": "message.checked"})
        results = answer.json()["results"]
        assert [one["data"]["message_id"] for one in results] == [message_id] * told
        assert all(one["data"]["inbox_id"] == world.ids[who] for one in results)
    async with world.client(SALES) as api:
        for _ in range(2):
            assert (await api.delete(f"{MESSAGES}{message_id}/")).status_code == 204
        assert (await api.get("/v1/events/", params={"types": "message.checked"})).json()[
            "results"
        ] == []


async def test_alerts_filter_checked_mail_by_verdict(world: World) -> None:
    alert = {
        "events": ["message.checked"],
        "delivery": {"type": "task", "target": "Forged: {from}"},
        "filter": {"verdict": "unverified , failed", "from": "@sender.test"},
        "inbox_id": world.ids[SALES],
    }
    async with world.client(SALES) as api:
        made = await api.post("/v1/alerts/", json=alert)
        assert made.status_code == 201, made.text
        assert made.json()["filter"]["verdict"] == "failed,unverified"
        for change in (
            {"filter": {"verdict": "bad"}},
            {"filter": {"verdict": ""}},
            {"filter": {"verdict": "failed"}, "events": ["message.received"]},
        ):
            answer = await api.post("/v1/alerts/", json=alert | change)
            assert answer.status_code == 400, answer.text
            assert answer.json()["errors"][0]["field"] == "filter.verdict"


async def test_a_forged_result_in_our_name_is_shown_and_marked(world: World) -> None:
    body = FORGED + b"Authentication-Results: other.test; dmarc=pass\r\n" + MESSAGE
    message_id = await deliver(world, TEAM.lower(), body=body)
    async with world.client(SALES) as api:
        headers = (await api.get(f"{MESSAGES}{message_id}/")).json()["headers"]
    ours, theirs, *others = headers
    assert ours == {
        "name": "Authentication-Results",
        "value": "mx.postroom.test; dmarc=pass",
        "forged": True,
    }
    assert "forged" not in theirs and not any("forged" in one for one in others)


@pytest.mark.parametrize(
    ("value", "is_ours"),
    [
        ("mx.example.test; none", True),
        ("MX.Example.Test. 1; none", True),
        ("(a (b) \\) c) mx.example.test;none", True),
        ('"mx.example.test"; none', True),
        ('"mx.ex\\ample.test"; none', True),
        ("mx.example.test", True),
        ("mx.example.test(c); none", True),
        ("mx.example.test.evil; none", False),
        ("xmx.example.test; none", False),
        ("other; mx.example.test", False),
        ("", False),
        (";", False),
        ("(" * 5000, False),
        ("()" * 5000 + "mx.example.test", True),
    ],
)
def test_our_name_is_known_however_it_is_written(value: str, is_ours: bool) -> None:
    assert carries_name(value, "mx.example.test") is is_ours


def test_a_relay_that_uses_our_name_is_believed_above_the_second_hop_only() -> None:
    head = (
        b"Authentication-Results: mx.example.test; spf=pass\r\nReceived: by relay\r\n"
        b"Authentication-Results: mx.example.test; spf=pass\r\nReceived: by x\r\n"
        b"authentication-results: mx.example.test; spf=pass\r\n\r\n"
    )
    marks = [
        "forged" in one for one in header_fields(head, hostname="mx.example.test", believed=True)
    ]
    assert marks == [False, False, False, False, True]
    assert sum("forged" in one for one in header_fields(head, hostname="mx.example.test")) == 3


async def test_the_bytes_can_be_had_with_our_results_on_top(world: World) -> None:
    message_id = await deliver(world, TEAM.lower(), body=FORGED + MESSAGE)
    raw = f"{MESSAGES}{message_id}/raw/"
    async with world.client(SALES) as api:
        plain = (await api.get(raw)).content
        unchecked = (await api.get(raw, params={"authentication": "true"})).content
        await check(world, message_id, "failed")
        answer = await api.get(raw, params={"authentication": "true"})
        assert (await api.get(raw)).content == plain
        assert (await api.get(raw, params={"authentication": "yes"})).status_code == 400
    assert unchecked == b"Authentication-Results: mx.postroom.test;\r\n\tnone\r\n" + plain
    assert answer.content == (
        b"Authentication-Results: mx.postroom.test;\r\n"
        b"\tspf=fail smtp.mailfrom=sender.test;\r\n"
        b'\tdkim=fail reason="body_changed" header.d=sender.test header.s=s1'
        b" header.a=rsa-sha256;\r\n"
        b"\tdmarc=fail header.from=sender.test;\r\n"
        b"\tarc=none\r\n" + plain
    )
    assert answer.headers["content-length"] == str(len(answer.content))


def test_nothing_that_a_sender_wrote_ends_the_field() -> None:
    evil = 'a"b\\\r\nX-Evil: 1;(\u00e9\x00' + "x" * 10_000
    record = record_of("failed", from_domain=evil)
    record["dkim"][0] |= {"domain": evil, "selector": evil, "reason": evil}
    octets = field(record, "mx.example.test")
    lines = octets.decode("ascii").split("\r\n")
    assert lines[-1] == "" and all(line.startswith("\t") for line in lines[1:-1])
    assert len(octets) < 4_000 and b"\x00" not in octets and octets.count(b"\n") == 5


async def test_a_thread_is_suspect_while_its_newest_message_is_forged(world: World) -> None:
    first = await deliver(world, TEAM.lower(), name="<1@sender.test>")
    await check(world, first, "verified")
    forged = await deliver(world, TEAM.lower(), references=("<1@sender.test>",))
    thread = "/v1/messages/threads/"

    async def suspect(who: str = SALES) -> tuple[bool, bool]:
        async with world.client(who) as api:
            (item,) = (await api.get(thread)).json()["results"]
            whole = (await api.get(f"{thread}{item['thread_id']}/")).json()
        return item["suspect"], whole["suspect"]

    assert await suspect() == (False, False)
    await check(world, forged, "failed")
    assert await suspect() == (True, True)
    stranger = await deliver(
        world, TEAM.lower(), references=("<1@sender.test>",), sender="eve@evil.test"
    )
    assert await suspect() == (False, False)
    await check(world, stranger, "failed")  # it claims to be nobody of them
    assert await suspect() == (False, False)
    assert from_text("msg", stranger)


async def test_a_relationship_tells_whether_its_mail_is_verified(world: World) -> None:
    async def seen(who: str = SALES) -> dict[str, object] | None:
        async with world.client(who) as api:
            results = (await api.get("/v1/relationships/")).json()["results"]
        return dict(results[0]) if results else None

    await deliver(world, TEAM.lower(), count=True)
    before = await seen()
    assert before is not None and before["authenticated"] is None
    forged = await deliver(world, SALES.lower(), count=True)
    counted = await seen()
    assert counted is not None and counted["message_count"] == 2
    await check(world, forged, "failed")
    again = await seen()
    assert again is not None
    assert again == before | {"authenticated": False, "strength": again["strength"]}
    other = await seen(SUPPORT)
    assert other is not None and other["authenticated"] is None
    real = await deliver(world, TEAM.lower(), count=True)
    await check(world, real, "verified")
    for who in (SALES, SUPPORT):
        now = await seen(who)
        assert now is not None and (now["authenticated"], now["message_count"]) == (True, 2)


async def test_a_failed_message_counts_for_nobody_whichever_comes_first(world: World) -> None:
    counted = await deliver(world, TEAM.lower(), count=True)
    await check(world, counted, "failed")
    uncounted = await deliver(world, TEAM.lower())
    await check(world, uncounted, "failed")
    await count_all(world)
    verified = await deliver(world, SUPPORT.lower())
    await check(world, verified, "verified")
    await count_all(world)
    async with world.client(SALES) as api:
        assert (await api.get("/v1/relationships/")).json()["results"] == []
        activity = await api.get("/v1/activity/", params={"address": "grace@sender.test"})
        assert activity.json()["results"] == []
    async with world.client(SUPPORT) as api:
        (one,) = (await api.get("/v1/relationships/")).json()["results"]
        assert (one["message_count"], one["authenticated"]) == (1, True)

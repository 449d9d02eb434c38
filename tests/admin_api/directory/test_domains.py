"""Domains over HTTP, with a DNS that answers, lies and fails."""

import asyncio
import time

import pytest

from storage.directory import domains
from storage.directory.resolve import Verdict, resolve
from storage.outbound.domain_smarthosts import DomainSmarthost, set_smarthost
from tests.builders import STRANGER, TENANT_ADMIN, TENANT_OWNER, World
from tests.support.cases import cases
from tests.support.dns_server import DnsServer, Mood

DOMAINS = "/v1/domains/"
NAME = "new.test"
OWNERSHIP = f"_postroom-verify.{NAME}"
MAIL = {"type": "MX", "name": NAME, "value": "10 mx.postroom.test.", "purpose": "mail"}


async def add(world: World, name: str = NAME, who: str = TENANT_OWNER) -> str:
    """Add a domain; the value to publish."""
    async with world.client(who) as api:
        answer = await api.post(DOMAINS, json={"domain": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["dns_records"][0]["value"])


async def ask(world: World, what: str, who: str = TENANT_OWNER) -> dict[str, object]:
    async with world.client(who) as api:
        method = "GET" if what == "check" else "POST"
        answer = await api.request(method, f"{DOMAINS}{NAME}/{what}/")
    assert answer.status_code == 200, answer.text
    body: dict[str, object] = answer.json()
    return body


async def statuses(world: World) -> list[str]:
    records = (await ask(world, "check"))["records"]
    assert isinstance(records, list)
    return [record["status"] for record in records]


async def test_a_new_domain_is_pending_and_shows_its_records(world: World) -> None:
    async with world.client(TENANT_ADMIN) as api:
        made = await api.post(DOMAINS, json={"domain": "Bücher.TEST."})
        assert made.status_code == 201
        body = made.json()
        value = body["dns_records"][0].pop("value")
        assert len(value) >= 26
        assert body == {
            "domain_id": body["domain_id"],
            "name": "xn--bcher-kva.test",
            "status": "pending",
            "verified_at": None,
            "dns_records": [
                {
                    "type": "TXT",
                    "name": "_postroom-verify.xn--bcher-kva.test",
                    "purpose": "ownership",
                },
                MAIL | {"name": "xn--bcher-kva.test"},
            ],
            "created_at": "2027-01-15T08:00:00.000Z",
        }
        for spelling in ("xn--bcher-kva.test", "b%C3%BCcher.test", "XN--BCHER-KVA.TEST."):
            assert (await api.get(f"{DOMAINS}{spelling}/")).json() == made.json()
        listed = (await api.get(DOMAINS)).json()
    assert [domain["name"] for domain in listed] == ["example.test", "xn--bcher-kva.test"]
    assert [domain["status"] for domain in listed] == ["verified", "pending"]


async def test_the_right_record_verifies_and_what_the_dns_says_later_does_not_undo_it(
    world: World, dns: DnsServer
) -> None:
    value = await add(world)
    dns.publish(OWNERSHIP, "TXT", '"something else"', f'"{value}"')
    dns.publish(NAME, "MX", "5 other.test.", "20 MX.postroom.test.")
    verified = await ask(world, "verify")
    assert (verified["name"], verified["status"]) == (NAME, "verified")
    assert verified["verified_at"] == "2027-01-15T08:00:00.000Z"
    assert verified["records"] == [
        {
            "type": "TXT",
            "name": OWNERSHIP,
            "purpose": "ownership",
            "expected": value,
            "found": sorted(["something else", value]),
            "status": "ok",
        },
        {
            "type": "MX",
            "name": NAME,
            "purpose": "mail",
            "expected": "10 mx.postroom.test.",
            "found": ["20 MX.postroom.test.", "5 other.test."],
            "status": "ok",
        },
    ]
    dns.publish(OWNERSHIP, "TXT")
    again = await ask(world, "verify")
    assert (again["status"], again["verified_at"]) == ("verified", verified["verified_at"])
    assert await statuses(world) == ["missing", "ok"]


async def test_a_check_changes_nothing(world: World, dns: DnsServer) -> None:
    value = await add(world)
    dns.publish(OWNERSHIP, "TXT", value)
    found = await ask(world, "check")
    assert found.pop("sending")
    assert found == {
        "name": NAME,
        "records": [
            {
                "type": "TXT",
                "name": OWNERSHIP,
                "purpose": "ownership",
                "expected": value,
                "found": [value],
                "status": "ok",
            },
            {
                "type": "MX",
                "name": NAME,
                "purpose": "mail",
                "expected": "10 mx.postroom.test.",
                "found": [],
                "status": "missing",
            },
        ],
    }
    async with world.client(TENANT_OWNER) as api:
        assert (await api.get(f"{DOMAINS}{NAME}/")).json()["status"] == "pending"


async def test_what_is_missing_or_wrong_is_said_and_leaves_it_pending(
    world: World, dns: DnsServer
) -> None:
    await add(world)
    assert await statuses(world) == ["missing", "missing"]  # no such name
    dns.publish(f"a.{NAME}", "A", "192.0.2.1")
    assert await statuses(world) == ["missing", "missing"]  # no such name, no such data
    dns.publish(OWNERSHIP, "TXT", "old-value")
    dns.publish(NAME, "MX", "0 .")  # RFC 7505: takes no mail
    assert await statuses(world) == ["wrong", "wrong"]
    assert (await ask(world, "verify"))["status"] == "pending"


async def test_an_answer_by_alias_in_several_strings_or_too_long_for_udp_is_read(
    world: World, dns: DnsServer
) -> None:
    value = await add(world)
    dns.publish(OWNERSHIP, "CNAME", "elsewhere.test.")
    dns.publish("elsewhere.test", "TXT", f'"{value[:9]}" "{value[9:]}"')
    assert (await statuses(world))[0] == "ok"
    many = [f'"{number:03d}{"x" * 200}"' for number in range(30)]
    dns.publish("elsewhere.test", "TXT", value, *many)
    assert (await statuses(world))[0] == "ok"
    records = (await ask(world, "check"))["records"]
    assert isinstance(records, list)
    assert len(records[0]["found"]) == 20


@pytest.mark.parametrize("mood", ["fails", "refuses", "talks nonsense"])
async def test_a_dns_that_does_not_answer_is_503(
    world: World, dns: DnsServer, mood: Mood, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The next test has all of it: nonsense is waited behind as silence is.
    monkeypatch.setattr("admin_api.dns.questions._PATIENCE", 1.0)
    value = await add(world)
    dns.publish(OWNERSHIP, "TXT", value)
    dns.mood = mood
    started = time.monotonic()
    async with world.client(TENANT_OWNER) as api:
        answers = await asyncio.gather(
            api.get(f"{DOMAINS}{NAME}/check/"), api.post(f"{DOMAINS}{NAME}/verify/")
        )
        assert (await api.get(f"{DOMAINS}{NAME}/")).json()["status"] == "pending"
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "dns_unavailable")
        assert int(answer.headers["retry-after"]) > 0
    assert time.monotonic() - started < 10


async def test_a_silent_dns_is_503_within_10_seconds_and_holds_nobody_up(
    world: World, dns: DnsServer
) -> None:
    await add(world)
    dns.mood = "is silent"
    async with world.client(TENANT_OWNER) as api:
        started = time.monotonic()
        waiting = asyncio.create_task(api.post(f"{DOMAINS}{NAME}/verify/"))
        while not dns.asked:  # noqa: ASYNC110  # it is what verifying brings about
            await asyncio.sleep(0.01)
        assert (await api.post(DOMAINS, json={"domain": "other-new.test"})).status_code == 201
        assert time.monotonic() - started < 5
        answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (503, "dns_unavailable")
    assert time.monotonic() - started < 10


NOBODYS = [
    *("com", "co.uk", "github.io", "test", "kobe.jp", "s3.amazonaws.com", "公司.cn"),
    *("no_domain", "a..b", "-a.test", "192.0.2.1", "[192.0.2.1]", "", " ", "a b.test"),
    *("xn--a.test", "xn--bcher-kv.test", "mail.XN--99999999.test"),
    *("x@new.test", "x" * 64 + ".test", ".".join(["x" * 59] * 4) + ".test"),
]


async def test_what_no_tenant_can_have_is_400(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        with cases() as case:
            for domain in NOBODYS:
                with case(domain):
                    world.clock.elapsed += 1  # no limit of calls is reached
                    answer = await api.post(DOMAINS, json={"domain": domain})
                    assert answer.status_code == 400
                    assert [fault["field"] for fault in answer.json()["errors"]] == ["domain"]
                    assert len((await api.get(DOMAINS)).json()) == 1


async def test_a_domain_that_somebody_has_is_409(world: World, dns: DnsServer) -> None:
    async with world.client(TENANT_OWNER) as api:
        for name in ("example.test", "other.test", "OTHER.test."):
            answer = await api.post(DOMAINS, json={"domain": name})
            assert (answer.status_code, answer.json()["code"]) == (409, "domain_taken")


async def test_of_two_who_add_a_domain_the_first_to_verify_has_it(
    world: World, dns: DnsServer
) -> None:
    ours, theirs = await add(world), await add(world, who=STRANGER)
    assert ours != theirs
    dns.publish(OWNERSHIP, "TXT", ours, theirs)
    assert (await ask(world, "verify", STRANGER))["status"] == "verified"
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post(f"{DOMAINS}{NAME}/verify/")
        assert (answer.status_code, answer.json()["code"]) == (409, "domain_taken")
        assert (await api.get(f"{DOMAINS}{NAME}/")).json()["status"] == "pending"


async def test_who_has_the_parent_does_not_get_a_child_that_is_owned(
    world: World, dns: DnsServer
) -> None:
    parent, child = "new.test", "sub.new.test"
    dns.publish(f"_postroom-verify.{child}", "TXT", await add(world, child, STRANGER))
    dns.publish(OWNERSHIP, "TXT", await add(world, parent))
    async with world.client(STRANGER) as api:
        assert (await api.post(f"{DOMAINS}{child}/verify/")).json()["status"] == "verified"
    async with world.client(TENANT_OWNER) as api:
        assert (await api.post(f"{DOMAINS}{parent}/verify/")).json()["status"] == "verified"
        assert (await api.post(DOMAINS, json={"domain": child})).status_code == 409
        answer = await api.post("/v1/inboxes/", json={"address": f"desk@{child}"})
        assert (answer.status_code, answer.json()["code"]) == (400, "domain_not_verified")


async def test_a_domain_goes_only_when_nothing_uses_it(world: World) -> None:
    await add(world)
    async with world.client(TENANT_OWNER) as api:
        used = await api.delete(f"{DOMAINS}example.test/")
        assert (used.status_code, used.json()["code"]) == (409, "domain_in_use")
        assert (await api.delete(f"{DOMAINS}{NAME.upper()}/")).status_code == 204
        assert (await api.get(f"{DOMAINS}{NAME}/")).status_code == 404
        assert (await api.delete(f"{DOMAINS}{NAME}/")).status_code == 404
    await add(world)


async def test_a_foreign_domain_looks_like_none(world: World) -> None:
    async with world.client(TENANT_OWNER) as api:
        for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "check/"), ("POST", "verify/")):
            found = [
                await api.request(method, f"{DOMAINS}{name}/{rest}")
                for name in ("other.test", "unknown.test", "no_domain", "%C3%A4%20b")
            ]
            assert {answer.status_code for answer in found} == {404}
            assert len({answer.content for answer in found}) == 1


async def test_a_revoked_domain_takes_a_new_value_to_come_back(
    world: World, dns: DnsServer
) -> None:
    value = await add(world)
    dns.publish(OWNERSHIP, "TXT", value)
    await ask(world, "verify")
    await world.database.write(
        lambda tx: domains.revoke_domain(tx, tenant_id=world.tenant_id, name=NAME)
    )
    revoked = await ask(world, "verify")
    assert (revoked["status"], revoked["verified_at"]) == ("revoked", None)
    async with world.client(TENANT_OWNER) as api:
        shown = (await api.get(f"{DOMAINS}{NAME}/")).json()
        assert shown["dns_records"][0]["value"] != value
        refused = await api.post("/v1/inboxes/", json={"address": f"desk@{NAME}"})
        assert refused.json()["code"] == "domain_not_verified"
    dns.publish(OWNERSHIP, "TXT", shown["dns_records"][0]["value"])
    assert (await ask(world, "verify"))["status"] == "verified"


async def test_a_verified_domain_takes_inboxes_and_mail(world: World, dns: DnsServer) -> None:
    async def verdict() -> Verdict:
        found = await world.database.read(lambda tx: resolve(tx, local_part="desk", domain=NAME))
        return found.verdict

    assert await verdict() is Verdict.NOT_OURS
    dns.publish(OWNERSHIP, "TXT", await add(world))
    assert await verdict() is Verdict.NOT_OURS
    await ask(world, "verify")
    assert await verdict() is Verdict.UNKNOWN
    async with world.client(TENANT_OWNER) as api:
        answer = await api.post("/v1/inboxes/", json={"address": f"desk@{NAME}"})
        assert answer.status_code == 201
    assert await verdict() is Verdict.ROUTE


async def test_where_letters_leave_the_check_gives_advice(world: World, dns: DnsServer) -> None:
    await add(world)
    host = DomainSmarthost("smtp.example.net", 587, "starttls")
    await world.database.write(
        lambda tx: set_smarthost(tx, tenant_id=world.tenant_id, domain=NAME, smarthost=host)
    )

    async def advice() -> dict[str, tuple[str, list[str]]]:
        found = (await ask(world, "check"))["sending"]
        assert isinstance(found, list)
        assert all(
            "smtp.example.net" in one["advice"] or one["purpose"] == "dmarc" for one in found
        )
        return {one["purpose"]: (one["status"], one["found"]) for one in found}

    assert await advice() == {
        "spf": ("missing", []),
        "dkim": ("unknown", []),
        "dmarc": ("missing", []),
    }
    dns.publish(NAME, "TXT", '"v=spf1 -all"', '"v=spf1 mx -all"', '"something else"')
    dns.publish(f"_dmarc.{NAME}", "TXT", '"v=DMARC1; p=none"')
    found = await advice()
    assert found["spf"] == ("wrong", ["v=spf1 -all", "v=spf1 mx -all"])
    assert found["dmarc"] == ("ok", ["v=DMARC1; p=none"])

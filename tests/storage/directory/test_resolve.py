"""Where an address leads."""

import pytest

from storage.directory import domains
from storage.directory.resolve import Resolution, Verdict, resolve
from tests.builders import AGENT, SALES, TEAM, World, open_world
from tests.support.engines import Engine


async def ask(world: World, text: str, postmaster: str = "") -> Resolution:
    local_part, _, domain = text.rpartition("@") if "@" in text else (text, "", "")
    return await world.database.read(
        lambda tx: resolve(tx, local_part=local_part, domain=domain, postmaster=postmaster)
    )


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("team@example.test", TEAM),
        ("TEAM@EXAMPLE.TEST", TEAM),
        ("Team@example.test.", TEAM),
        ("team+tag@example.test", TEAM),
        ("team+a+b@example.test", TEAM),
        ("sales@example.test", SALES),
        ("postmaster@example.test", SALES),
        ("ABUSE@example.test", SALES),
        ("postmaster", SALES),
    ],
)
async def test_what_leads_to_an_inbox_or_a_list(engine: Engine, text: str, address: str) -> None:
    async with open_world(engine) as world:
        found = await ask(world, text)
    assert (found.verdict, found.address) == (Verdict.ROUTE, address)
    assert found.tenant_id == world.tenant_id
    assert (found.list_id or found.inbox_id) == world.raw[address]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("nobody@example.test", Verdict.UNKNOWN),
        ("+team@example.test", Verdict.UNKNOWN),
        ("te.am@example.test", Verdict.UNKNOWN),
        ("team%evil@example.test", Verdict.UNKNOWN),
        ("team@sub.example.test", Verdict.NOT_OURS),
        ("team@test", Verdict.NOT_OURS),
        ("team@192.0.2.1", Verdict.NOT_OURS),
        ("postmaster@elsewhere.test", Verdict.NOT_OURS),
    ],
)
async def test_what_leads_nowhere(engine: Engine, text: str, verdict: Verdict) -> None:
    async with open_world(engine) as world:
        assert (await ask(world, text)).verdict is verdict


async def test_a_list_without_members_and_a_revoked_domain_say_so(engine: Engine) -> None:
    async with open_world(engine) as world:
        await world.database.write(lambda tx: tx.execute("DELETE FROM list_members"))
        assert (await ask(world, "team@example.test")).verdict is Verdict.EMPTY_LIST
        await world.database.write(lambda tx: tx.execute("UPDATE domains SET status = 'revoked'"))
        for text in ("team@example.test", "nobody@example.test"):
            assert (await ask(world, text)).verdict is Verdict.DOMAIN_REVOKED


async def test_postmaster_falls_back_to_the_setting_and_then_waits(engine: Engine) -> None:
    async with open_world(engine) as world:
        await world.database.write(lambda tx: tx.execute("UPDATE inboxes SET owner_user_id = NULL"))
        assert (await ask(world, "postmaster@example.test")).verdict is Verdict.NO_POSTMASTER
        assert (await ask(world, "postmaster@example.test", AGENT)).address == AGENT
        assert (await ask(world, "postmaster", AGENT)).address == AGENT


async def test_mail_for_a_deleted_inbox_is_never_delivered(engine: Engine) -> None:
    async with open_world(engine) as world:
        await world.database.write(lambda tx: tx.execute("UPDATE inboxes SET deleted_at = 1"))
        assert (await ask(world, "sales@example.test")).verdict is Verdict.UNKNOWN
        assert (await ask(world, "sales+tag@example.test")).verdict is Verdict.UNKNOWN
        assert (await ask(world, "postmaster@example.test")).verdict is Verdict.NO_POSTMASTER


async def test_of_several_who_had_a_domain_the_one_with_addresses_makes_mail_wait(
    engine: Engine,
) -> None:
    async with open_world(engine) as world:
        other = world.raw["Other"]
        await world.database.write(
            lambda tx: domains.revoke_domain(tx, tenant_id=world.tenant_id, name="example.test")
        )
        await world.database.write(
            lambda tx: domains.add_domain(tx, tenant_id=other, name="example.test", now=1)
        )
        assert (await ask(world, "nobody@example.test")).verdict is Verdict.DOMAIN_REVOKED
        await world.database.write(
            lambda tx: domains.revoke_domain(tx, tenant_id=other, name="example.test")
        )
        assert (await ask(world, "nobody@example.test")).verdict is Verdict.DOMAIN_REVOKED
        await world.database.write(
            lambda tx: domains.trust_domain(tx, tenant_id=other, name="example.test", now=1)
        )
        assert (await ask(world, "nobody@example.test")).verdict is Verdict.UNKNOWN
        assert (await ask(world, "team@example.test")).verdict is Verdict.DOMAIN_REVOKED


async def test_a_revoked_domain_without_addresses_is_not_ours(engine: Engine) -> None:
    async with open_world(engine) as world:
        tenant_id = world.tenant_id
        await world.database.write(
            lambda tx: domains.trust_domain(tx, tenant_id=tenant_id, name="bare.test", now=1)
        )
        assert (await ask(world, "x@bare.test")).verdict is Verdict.UNKNOWN
        await world.database.write(
            lambda tx: domains.revoke_domain(tx, tenant_id=tenant_id, name="bare.test")
        )
        assert (await ask(world, "x@bare.test")).verdict is Verdict.NOT_OURS

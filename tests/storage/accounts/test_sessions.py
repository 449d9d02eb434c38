"""Sessions in the store."""

import pytest

from storage.accounts import sessions
from storage.clock import HOUR
from storage.errors import NotFound
from tests.builders import MEMBER, STRANGER, World, open_world
from tests.support.engines import Engine


async def sign_in(world: World) -> str:
    now = world.clock()
    _, secret = await world.database.write(
        lambda tx: sessions.create_session(
            tx, tenant_id=world.tenant_id, user_id=world.raw[MEMBER], now=now
        )
    )
    return secret


async def is_live(world: World, secret: str) -> bool:
    now = world.clock()
    found = await world.database.read(
        lambda tx: sessions.find_session_by_secret(tx, secret=secret, now=now)
    )
    return found is not None


async def test_a_login_removes_this_users_lapsed_sessions_and_no_others(engine: Engine) -> None:
    async with open_world(engine) as world:
        world.clock.advance(11 * HOUR)
        recent = await sign_in(world)
        world.clock.advance(HOUR)
        latest = await sign_in(world)
        rows = await world.database.read(
            lambda tx: tx.fetch_all(
                "SELECT 1 FROM sessions WHERE user_id = :id", {"id": world.raw[MEMBER]}
            )
        )
        assert len(rows) == 2
        assert await is_live(world, recent) and await is_live(world, latest)
        assert not await is_live(world, world.secrets[MEMBER])


async def test_a_session_is_made_for_a_user_of_the_tenant_only(engine: Engine) -> None:
    async with open_world(engine) as world:
        with pytest.raises(NotFound):
            await world.database.write(
                lambda tx: sessions.create_session(
                    tx, tenant_id=world.tenant_id, user_id=world.raw[STRANGER], now=world.clock()
                )
            )


async def test_an_ended_session_is_gone_and_ending_it_twice_is_the_same(engine: Engine) -> None:
    async with open_world(engine) as world:
        secret = await sign_in(world)
        found = await world.database.read(
            lambda tx: sessions.find_session_by_secret(tx, secret=secret, now=world.clock())
        )
        assert found is not None
        session, user = found
        assert user.user_id == world.raw[MEMBER]
        for _ in range(2):
            await world.database.write(
                lambda tx: sessions.end_session(
                    tx, tenant_id=world.tenant_id, session_id=session.session_id
                )
            )
        assert not await is_live(world, secret)


async def test_a_session_is_found_as_its_own_kind_only(engine: Engine) -> None:
    async with open_world(engine) as world:
        now, user_id = world.clock(), world.raw[MEMBER]
        made, secret = await world.database.write(
            lambda tx: sessions.create_session(
                tx,
                tenant_id=world.tenant_id,
                user_id=user_id,
                now=now,
                kind="page",
                user_agent="\x1bMozilla/5.0 " + "x" * 200,
                address="192.0.2.7",
            )
        )
        assert made.user_agent == ("Mozilla/5.0 " + "x" * 200)[:120]
        assert not await is_live(world, secret)
        found = await world.database.read(
            lambda tx: sessions.find_session_by_secret(tx, secret=secret, now=now, kind="page")
        )
        assert found is not None
        assert found[0] == made

        of_api = world.secrets[MEMBER]
        assert await is_live(world, of_api)
        assert not await world.database.read(
            lambda tx: sessions.find_session_by_secret(tx, secret=of_api, now=now, kind="page")
        )
        listed = await world.database.read(
            lambda tx: sessions.list_sessions(
                tx, tenant_id=world.tenant_id, user_id=user_id, now=now
            )
        )
        assert [one.kind for one in listed] == ["api", "page"]
